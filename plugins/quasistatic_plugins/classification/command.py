"""quasistatic classify"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

import quasistatic as qs
from quasistatic.cli import parts

if TYPE_CHECKING:
    import numpy as np

    from quasistatic.kits.classes import Alternatives


@click.command()
@parts.run_argument
@parts.number_option(None, "Events, at most; by default as many as the run evaluates.", least=2)
@parts.data_option
@parts.steps_option()
@click.option("--repeats", type=parts.WholeNumber(2), default=2, show_default=True, help="Passes over the events and classes.")
@parts.seed_option
@parts.per_event_option
@parts.json_option
@click.pass_obj
def classify(
    manager: qs.PluginManager,
    folder: Path,
    number: int | None,
    data: Path | None,
    steps: int | None,
    repeats: int,
    seed: int,
    per_event: Path | None,
    as_json: bool,
) -> None:
    """Classify events by K, for a finished RUN whose network reads the class; and K of events of unknown class.

    p(class given x) is the share of the class times exp(K given the class), over the sum of that over all classes; K without the
    class is the logarithm of that sum, from below.
    """
    import jax.random as jr

    from quasistatic.kits.classes import alternatives

    if per_event is not None:
        qs.files.try_out(per_event)
    run = qs.open_run(folder, manager)
    try:
        classes = qs.sources.Classes.of(run.source)
    except qs.InputError as error:
        raise qs.InputError(f"{folder}: {error}") from None
    events = run.source.split("test") if data is None else qs.read_events(run.source, data)
    events = events.head(number or run.recipe.evaluation.events)
    chain = steps or run.recipe.trajectory.steps
    if len(events):
        shares, key = classes.log_shares, jr.key(seed)
        sides = classes.sides(events)
        drawn = alternatives(run.diffusion, events.x, sides, shares, key=key, steps=steps, repeats=repeats)
        found = Bounds.of(drawn)
        if data is not None:
            events, found = _near(events, found)
    else:
        found = Bounds.nothing(len(classes.names))
    if per_event is not None:
        qs.files.write_durably(per_event, _table(classes, events, found))
    values = _values(classes, events, found) if len(events) else {}
    outside = qs.answers.about_outside(events)
    if as_json:
        listed = {name: attrs.asdict(each) for name, each in values.items()}
        about = {"run": str(folder), "events": len(events), "classes": list(classes.names), "steps": chain}
        parts.echo_json({**about, "values": listed, **qs.answers.answers_to_json(events)})
        return
    for name, each in values.items():
        spread = "" if each.standard_error is None else f" +- {each.standard_error:.4f}"
        parts.echo(f"{name.replace('_', ' '):28} {each.value:.4f}{spread} {each.unit}")
    parts.echo(f"{len(events)} events, {len(classes.names)} classes, T = {chain}, {repeats} passes")
    if outside is not None:
        parts.echo(outside)


@attrs.frozen(eq=False)
class Bounds:
    """Of events: K without the class (N,), log p of each class (N, C), and the logarithm of p(class) p(x given class) (N, C)."""

    per_event: np.ndarray
    log_posteriors: np.ndarray
    joint: np.ndarray

    @classmethod
    def of(cls, found: Alternatives) -> Bounds:
        import numpy as np

        with np.errstate(invalid="ignore"):  # what an event costs may be infinite
            return cls(found.per_event, found.log_posteriors, found.joint.mean(axis=0))

    @classmethod
    def nothing(cls, classes: int) -> Bounds:
        """Of no events."""
        import numpy as np

        return cls(np.empty(0), np.empty((0, classes)), np.empty((0, classes)))


def _near(events: qs.Data, found: Bounds) -> tuple[qs.Data, Bounds]:
    """Without events whose K is not finite in float32: they are outside, too."""
    import numpy as np

    is_near = np.isfinite(found.per_event)
    return qs.answers.far_outside(events, is_near), Bounds(
        *(each[is_near] for each in (found.per_event, found.log_posteriors, found.joint))
    )


@attrs.frozen
class Value:
    """A mean over events with its standard error, which one event has not."""

    value: float
    standard_error: float | None
    unit: str


def _values(classes: qs.sources.Classes, events: qs.Data, found: Bounds) -> dict[str, Value]:
    """Means over all events; where their class is known also the accuracy."""
    import numpy as np

    of_events = {"bound_without_class": (found.per_event, "nats per event")}
    known = classes.of_events(events)
    if known is not None:
        rows, posteriors = np.arange(len(known)), found.log_posteriors
        of_events["bound_given_class"] = (found.joint[rows, known] - classes.log_shares[known], "nats per event")
        of_events["log_prob_of_its_class"] = (posteriors[rows, known], "nats per event")
        of_events["accuracy"] = ((posteriors.argmax(axis=1) == known).astype(float), "of events")

    def mean(x: np.ndarray, unit: str) -> Value:
        return Value(float(x.mean()), float(x.std(ddof=1) / len(x) ** 0.5) if len(x) > 1 else None, unit)

    return {name: mean(x, unit) for name, (x, unit) in of_events.items()}


def _table(classes: qs.sources.Classes, events: qs.Data, found: Bounds) -> bytes:
    """Every record beside where it comes from: its likeliest class, the probabilities of all, and K without the class."""
    import numpy as np

    posteriors = found.log_posteriors
    likeliest = np.array(classes.names)[posteriors.argmax(axis=1)]
    shares = {f"probability_of_{name}": share for name, share in zip(classes.names, np.exp(posteriors).T, strict=True)}
    return qs.answers.record_table(events, {"class": likeliest, "bound_nats": found.per_event, **shares})
