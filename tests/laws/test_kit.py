"""The conformance kit itself: readings, verdicts, builds, the decorator."""

import math

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic.testing._bench import Fading, Redraw
from quasistatic.testing._check import builds
from quasistatic.testing._law import Law, Reading, worst
from quasistatic.testing._statistics import chi_square, counts_of, scores


@attrs.frozen
class Plain:
    """Nothing to choose."""

    size: float = 1.0


def component(kind, build, **more):
    return qs.Component(kind, "mine", Plain, build, **more)


def test_a_reading_passes_up_to_its_tolerance_and_not_as_nan():
    assert Reading(1.0, 1.0, "nats").passed
    assert not Reading(1.1, 1.0, "nats").passed
    assert not Reading(math.nan, 1.0, "nats").passed


def test_the_worst_reading_is_relative_to_its_tolerance():
    small, large, broken = Reading(3e-9, 1e-9, "a"), Reading(2.0, 5.0, "b"), Reading(math.nan, 1.0, "c")
    assert worst([large, small]) is small
    assert worst([small, broken, large]) is broken
    assert worst([Reading(0.0, 0.0, "d"), Reading(1.0, 0.0, "e")]).unit == "e"


def test_a_broken_law_says_what_where_by_how_much_and_why():
    law = Law("bayes", "kernel", "The posterior is Bayes' rule.", "the paper", lambda: Reading(0.25, 1e-9, "nats", "t = 1"))
    with pytest.raises(AssertionError) as caught:
        law()
    for part in ("kernel law 'bayes'", "at t = 1", "0.25 nats", "at most 1e-09", "Bayes' rule", "the paper"):
        assert part in str(caught.value)
    verdict = law.verdict("kernel mine")
    assert not verdict.passed and verdict.reason == str(caught.value) and verdict.component == "kernel mine"


def test_a_law_that_holds_says_nothing():
    law = Law("bayes", "kernel", "", "", lambda: Reading(0.0, 1e-9, "nats"))
    law()
    assert law.verdict("x").passed and law.verdict("x").reason == ""


def test_scores_are_standard_errors():
    draws = np.random.default_rng(0).normal(size=(40_000, 3))
    assert scores(draws, np.zeros(3)) < 4
    assert scores(draws, np.array([0, 0, 0.05])) == pytest.approx(10, abs=3)
    assert scores(draws, draws + 0.1) == pytest.approx(0.1 * 200 / math.sqrt(2), rel=0.1)
    assert scores(np.ones((10, 1)), np.ones(1)) == 0


def test_chi_square_is_a_score():
    law, rng = np.array([0.5, 0.3, 0.1999, 0.0001]), np.random.default_rng(1)
    figures = [chi_square(rng.multinomial(10_000, law), law) for _ in range(400)]
    assert np.mean(figures) == pytest.approx(0, abs=0.15) and np.std(figures) == pytest.approx(1, abs=0.15)
    assert chi_square(rng.multinomial(10_000, [0.47, 0.33, 0.2, 0]), law) > 5


def test_chi_square_of_the_impossible_is_infinite():
    assert chi_square(np.array([100, 1]), np.array([1.0, 0.0])) == math.inf
    assert chi_square(np.array([100, 0]), np.array([1.0, 0.0])) == 0


def test_cells_are_counted():
    cells = np.array([[0, 0], [0, 1], [1, 0]])
    assert counts_of(np.array([[0, 1], [0, 1], [1, 0], [1, 1]]), cells).tolist() == [0, 2, 1]


def test_what_cannot_be_built_did_not_pass_and_says_why():
    def refuse(options):
        raise qs.DataError("source.path: must be given")

    (verdict,) = qs.testing.check([component("source", refuse)])
    assert (verdict.law, verdict.component, verdict.passed) == ("build", "source mine", False)
    assert "source.path: must be given" in verdict.reason


def test_a_kernel_is_built_for_every_support_that_it_fits():
    kernel = component("kernel", lambda options, event: Redraw(), fits=("categorical",))
    assert [built.label for built in builds(kernel)] == ["kernel mine on 2x1 categorical(3)"]
    anything = component("kernel", lambda options, event: Fading())
    assert len(list(builds(anything))) == 4
    counts = component("kernel", lambda options, event: Fading(), fits=("count",))
    assert [built.label for built in builds(counts)] == ["kernel mine on 2x1 count"]


def test_a_kernel_may_refuse_some_events_but_not_all():
    def picky(options, event):
        if event.quantised:
            raise ValueError("no levels, please")
        return Fading()

    def sulky(options, event):
        raise ValueError("never")

    assert [built.label for built in builds(component("kernel", picky, fits=("real",)))] == ["kernel mine on 2x1 real"]
    (broken,) = builds(component("kernel", sulky, fits=("real",)))
    assert [law.name for law in broken.laws] == ["build"]


def test_a_build_of_the_wrong_kind_did_not_pass():
    (built,) = builds(component("sampler", lambda options: Fading()))
    assert "AbstractSampler" in built.laws[0].verdict("x").reason


def test_other_options_are_named_and_checked_beside_the_defaults():
    sampler = qs.plugins().component("sampler", "ancestral")
    own = attrs.evolve(component("sampler", lambda options: sampler.load()(sampler.options())))
    verdicts = qs.testing.check([own], {("sampler", "mine"): [Plain(2.0)]})
    assert {verdict.component for verdict in verdicts} == {"sampler mine", "sampler mine (size=2.0)"}
    assert all(verdict.passed for verdict in verdicts)


def test_the_decorator_makes_one_test_of_each_law():
    @qs.testing.laws("kernel", "binomial", base_rate=0.2)
    def test_binomial(law):
        law()

    (mark,) = test_binomial.pytestmark
    names, cases = mark.args
    assert names == "law" and len(cases) > 20
    assert cases[0].id == "kernel binomial (base_rate=0.2) on 2x1 binary: grid"
    cases[0].values[0]()


def test_an_unknown_component_is_refused_by_name():
    with pytest.raises(qs.ComponentNotFound, match="did you mean 'binomial'"):
        qs.testing.laws("kernel", "binomal")


def test_laws_leave_the_precision_of_the_process_alone():
    qs.testing.check([component("kernel", lambda options, event: Redraw(), fits=("categorical",))][:0])
    law = next(law for law in qs.testing.laws_of("kernel", Fading()) if law.name == "bayes")
    law()
    assert jnp.ones(1).dtype == jnp.float32 and not jax.config.jax_enable_x64


class Deaf(qs.AbstractModel):
    """Starts away from zero, does not hear time, and has a weight that does nothing."""

    weight: jax.Array
    idle: jax.Array
    ports: qs.Ports = eqx.field(static=True)

    def __init__(self, ports):
        self.weight, self.idle, self.ports = jnp.ones((ports.params, ports.features)), jnp.ones(3), ports

    def __call__(self, features, t, given=None, key=None):
        return features @ self.weight.T


PORTS = qs.Ports((3,), 2, 2)


@pytest.mark.parametrize("name", ["zero-start", "reads-all", "trained"])
def test_a_network_that_is_no_network_is_caught(name):
    laws = {law.name: law for law in qs.testing.laws_of("model", Deaf(PORTS), PORTS)}
    assert not laws[name].verdict("x").passed
    assert laws["shapes"].verdict("x").passed and laws["agreement"].verdict("x").passed


def test_a_network_is_checked_for_its_ports():
    with pytest.raises(ValueError, match="ports"):
        qs.testing.laws_of("model", Deaf(PORTS))


class Leaky(qs.AbstractSource):
    """Unscaled, with its validation events among its training events, and a density that does not integrate to one."""

    event = qs.Event((1,))

    def __init__(self):
        self._x = np.random.default_rng(0).normal(size=(400, 1), scale=2.0).astype(np.float32)

    def split(self, name):
        return qs.Data({"train": self._x, "validation": self._x[:50], "test": self._x[-50:]}[name])

    def stored(self):
        return self._x

    def draw(self, row, key):
        return row + 0.1 * jr.normal(key, row.shape) * jr.uniform(key), None

    def log_prob(self, x):
        return -0.5 * (np.asarray(x)[:, 0] / 2.0) ** 2 - 0.5 * math.log(2 * math.pi)


@pytest.mark.parametrize("name", ["disjoint", "scale", "draws", "true-log-prob"])
def test_a_source_that_leaks_is_caught(name):
    laws = {law.name: law for law in qs.testing.laws_of("source", Leaky())}
    assert not laws[name].verdict("x").passed
    assert all(laws[other].verdict("x").passed for other in ("splits", "support", "units"))


def test_an_observer_that_raises_is_caught():
    class Clumsy(qs.AbstractObserver):
        def validation(self, step, ledger, diffusion):
            raise KeyError("bound")

    (law,) = qs.testing.laws_of("observer", Clumsy())
    assert not law.verdict("x").passed and "KeyError" in law.verdict("x").reason
