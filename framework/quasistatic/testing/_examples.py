"""Settings that hypothesis chooses: a plain one first, then others, the same ones every time."""

from __future__ import annotations

from collections.abc import Callable

from quasistatic.errors import InputError
from quasistatic.testing._reading import Reading, worst
from quasistatic.testing._setting import Setting

try:
    import hypothesis
    from hypothesis import strategies
except ModuleNotFoundError as error:
    raise InputError('the laws need hypothesis: pip install "quasistatic[test]"') from error


def settings() -> strategies.SearchStrategy[Setting]:
    """Any seed, any three times, params from zero up to large ones."""
    times = strategies.lists(strategies.integers(1, 999), min_size=3, max_size=3, unique=True)
    return strategies.builds(
        Setting,
        seed=strategies.integers(0, 2**31 - 1),
        times_permille=times.map(lambda drawn: tuple(sorted(drawn))),
        params_scale=strategies.floats(0.0, 2.0),
    )


def over_settings(measure: Callable[[Setting], Reading], examples: int) -> Reading:
    """The worst of the readings in so many settings, or the first one that did not pass."""
    if examples == 1:
        return measure(Setting())
    readings: list[Reading] = []

    @hypothesis.settings(
        max_examples=examples - 1,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.example(Setting())
    @hypothesis.given(settings())
    def held(setting: Setting) -> None:
        if all(reading.passed for reading in readings):  # a failure is not measured a second time
            readings.append(measure(setting))
        assert readings[-1].passed

    try:
        held()
    except AssertionError:
        if not readings or readings[-1].passed:  # not ours
            raise
    return worst(readings)
