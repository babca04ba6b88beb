"""The conformance kit itself: readings, verdicts, builds, the decorator."""

import math
import re

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from faults_catalogue.kernels import Drifting, SixthElementDecodedEvenly, Wide, gaussian
from scipy.special import ndtr

import quasistatic as qs
from quasistatic.testing._check import build_all, builds
from quasistatic.testing._law import _HASTE, REGISTRY, Law, _compiled_quickly
from quasistatic.testing._law import law as enter
from quasistatic.testing._reading import LIMIT, SUSPECT, Reading, not_measured, statistical, worst
from quasistatic.testing._setting import Setting
from quasistatic.testing._tools.bench import Fading, Redraw, Straight, is_refusal, on_those_taken
from quasistatic.testing._tools.statistics import chi_square, counts_of, inside, kolmogorov_smirnov, largest_of, scores
from quasistatic_plugins.gaussian import GaussianOptions


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


def test_what_is_not_measured_neither_passes_for_a_value_nor_hides_one():
    nothing, more = not_measured("a: no nodes"), not_measured("b: no entropy")
    assert worst([nothing, more, nothing]).unmeasured == "a: no nodes; b: no entropy"
    assert not worst([nothing, more]).is_measured and nothing.passed
    found = worst([nothing, Reading(2.0, 1.0, "nats"), Reading(0.5, 1.0, "nats")])
    assert (found.value, found.unmeasured, found.passed, found.is_measured) == (2.0, "a: no nodes", False, True)
    verdict = law_of(lambda _: nothing).verdict("x")
    assert (verdict.outcome, verdict.reason, verdict.passed) == ("not measured", "a: no nodes", True)
    partly = law_of(lambda _: worst([nothing, Reading(0.5, 1.0, "nats")])).verdict("x")
    assert (partly.outcome, partly.reason, partly.unmeasured) == ("holds", "", "a: no nodes")
    assert law_of(lambda _: found, expected_failure="why").verdict("x").outcome == "expected"


@pytest.mark.parametrize("name", ["pair", "entropy", "samples"])
def test_a_law_with_nothing_to_compare_is_not_measured(name):
    laws = {law.name: attrs.evolve(law, examples=1) for law in qs.testing.laws_of("kernel", Fading())}
    assert laws[name].verdict("x").outcome == "not measured"


def test_a_broken_law_says_what_where_by_how_much_and_why():
    law = Law("bayes", "kernel", "The posterior is Bayes' rule.", "the paper", lambda _: Reading(0.25, 1e-9, "nats", "t = 1"))
    with pytest.raises(AssertionError) as caught:
        law()
    for part in ("kernel law 'bayes'", "at t = 1", "0.25 nats", "at most 1e-09", "Bayes' rule", "the paper"):
        assert part in str(caught.value)
    verdict = law.verdict("kernel mine")
    assert not verdict.passed and verdict.reason == str(caught.value) and verdict.component == "kernel mine"


def test_a_law_that_holds_is_silent():
    law = Law("bayes", "kernel", "", "", lambda _: Reading(0.0, 1e-9, "nats"))
    law()
    assert law.verdict("x").passed and law.verdict("x").reason == ""


def law_of(check, **more):
    return Law("bayes", "kernel", "The posterior is Bayes' rule.", "the paper", check, **more)


def test_a_law_is_read_in_a_plain_setting_and_in_others_that_are_the_same_every_time():
    seen = []

    def look(setting):
        seen.append(setting)
        return Reading(setting.seed / 1e12, 1.0, "")

    law_of(look, examples=4)()
    law_of(look, examples=4)()
    assert seen[0] == Setting() and len(set(seen)) == 4 and seen[:4] == seen[4:]
    assert all(0 < a < b < c < 1000 for a, b, c in (setting.times_permille for setting in seen))
    seen.clear()
    law_of(look)()
    assert seen == [Setting()]


def test_a_law_that_is_broken_in_one_setting_alone_is_broken():
    law = law_of(lambda setting: Reading(float(setting.seed != 0), 0.0, "faults"), examples=3)
    assert law.verdict("x").outcome == "broken"


def test_an_assertion_of_the_component_itself_is_no_reading():
    def raises(_setting):
        raise AssertionError("mine")

    assert "raised AssertionError: mine" in law_of(raises).verdict("x").reason


def test_a_suspect_is_measured_again_with_ten_times_the_draws():
    asked = []

    def unlucky(setting):
        asked.append(setting)
        return statistical(first if setting.draws_factor == 1 else 1.0)

    first = 4 * LIMIT + 0.1
    assert law_of(unlucky).verdict("x").outcome == "broken" and len(asked) == 1  # no chance
    asked.clear()
    first = 4 * LIMIT - 0.1
    assert law_of(unlucky).verdict("x").outcome == "holds"
    assert [setting.draws_factor for setting in asked] == [1, 10] and asked[0].seed != asked[1].seed
    broken = law_of(lambda setting: statistical(LIMIT + 0.1)).verdict("x")
    assert broken.outcome == "broken"
    asked.clear()
    law_of(lambda setting: asked.append(setting) or Reading(4.0, 5.0, "nats")).verdict("x")
    assert len(asked) == 1  # not statistical: nothing to blame on chance


def test_levels_of_the_limits():
    assert math.erfc(SUSPECT / math.sqrt(2)) == pytest.approx(1e-3, rel=0.02)
    assert math.erfc(LIMIT / math.sqrt(2)) <= 1.02e-6


@pytest.mark.parametrize("kernel", [Fading(), qs.join_kernels({"name": Redraw(), "place": Fading()})], ids=["one", "two parts"])
def test_steps_look_everywhere(kernel):
    steps = Setting(seed=3).steps(kernel)
    early, late = (np.asarray(times, np.float64) for times in steps)
    assert len(early) == len(late) and np.all(early < late) and late.max() == 1 and early.min() == pytest.approx(0.001)
    for times in (early[::2], early, late):
        gaps = np.diff(np.sort(np.concatenate([[0.001], times, [1.0]])))
        assert gaps.max() < 0.005
    for away in (early[::2] - 0.001, 1.0 - early[::2]):
        decades = np.sort(np.log10(away))
        assert np.diff(decades[decades < -2]).max() < 0.2 and decades[0] < -3.8


def test_steps_are_even_in_the_log_odds_of_a_schedule():
    kernel = qs.plugins().component("kernel", "gaussian")
    kernel = kernel.load()(kernel.options(schedule="erasure", first_noise=1e-3, last_survival=1e-3), qs.Real((1,)))
    log_odds = np.sort(kernel.schedule.log_odds(Setting().steps(kernel).early))
    assert np.diff(log_odds[(log_odds > -5) & (log_odds < 5)]).max() < 0.5


@pytest.mark.parametrize(("kernel", "held"), [(Wide(), 1), (gaussian(Drifting), 2)], ids=["wide reference", "drifting equilibrium"])
def test_what_is_exact_at_zero_is_held_to_it_whatever_its_equilibrium(kernel, held):
    laws = {law.name: attrs.evolve(law, examples=1) for law in qs.testing.laws_of("kernel", kernel)}
    names = [name for name in ("zero-params", "cross-entropy") if name in laws]
    assert len(names) == held
    for name in names:
        laws[name]()


def test_what_is_not_stationary_is_not_held_to_be():
    undeclared = {"stationarity", "relaxation", "detailed-balance"}
    both = {"still": Fading(), "drifting": gaussian(Drifting)}
    for kernel in (gaussian(Drifting), qs.join_kernels(both)):
        assert not undeclared & {law.name for law in qs.testing.laws_of("kernel", kernel)}
    assert undeclared <= {law.name for law in qs.testing.laws_of("kernel", qs.join_kernels({"still": Fading()}))}


def test_an_expected_failure_has_its_reason_and_passes():
    broken = law_of(lambda _: Reading(2.0, 1.0, "nats"), expected_failure="float32 is not enough here").verdict("x")
    assert broken.outcome == "expected" and broken.passed and broken.reason == "float32 is not enough here"
    assert law_of(lambda _: Reading(0.5, 1.0, "nats"), expected_failure="why").verdict("x").outcome == "holds"


def test_expected_failures_are_reported_and_name_laws_that_there_are():
    ported = component("kernel", lambda options, event: Fading(), supports=(qs.Real,), expected_failures={"times": "it is mine"})
    law = next(law for built in builds(ported) for law in built.laws if law.name == "times")
    assert law.expected_failure == "it is mine"
    *_, last = builds(component("sampler", lambda options: qs.Ancestral(), expected_failures={"tmies": "it is mine"}))
    assert "no law is called 'tmies'" in last.laws[0].verdict("x").reason


def test_an_expected_failure_needs_a_reason():
    with pytest.raises(ValueError, match="needs a written reason"):
        component("sampler", lambda options: qs.Ancestral(), expected_failures={"keys": " "})


def test_the_largest_of_many_scores_is_as_improbable_as_it_is_among_many():
    assert largest_of(3.0, 1) == pytest.approx(3.0)
    assert largest_of(1.0, 100) == 0.0
    assert 3.0 < largest_of(4.5, 100) < 4.5
    assert largest_of(60.0, 9) == pytest.approx(60.0, abs=0.1) and math.isnan(largest_of(math.nan, 9))
    normal = np.random.default_rng(2).normal(size=(2_000, 40))
    above = np.mean([largest_of(score, 40) > 1.96 for score in np.abs(normal).max(axis=1)])
    assert above == pytest.approx(0.05, abs=0.015)


def test_commands_and_recipes_are_checked_too():
    offers = qs.plugins().provided_by("recipes")
    assert {built.label for built in build_all(offers)} >= {"recipe swiss-roll", "recipe digits"}
    good, bare, wrong, gone = (
        qs.Command("good", "It is good.", lambda: None),
        qs.Command("bare", "It is bare.", "click:Group"),
        qs.NamedRecipe("wrong", "quasistatic_plugins.recipes", "nowhere.toml"),
        qs.NamedRecipe("gone", "no_such_package", "a.toml"),
    )
    verdicts = qs.testing.check([good, bare, wrong, gone])
    assert not any(verdict.passed for verdict in verdicts)
    assert "not a click command" in verdicts[0].reason and verdicts[2].law == "resolves"
    assert all(verdict.passed for verdict in qs.testing.check([qs.plugins().recipe("heartbeat")]))


def test_scores_are_standard_errors():
    draws = np.random.default_rng(0).normal(size=(40_000, 3))
    assert scores(draws, np.zeros(3)) < 4
    assert scores(draws, np.array([0, 0, 0.05])) == pytest.approx(10, abs=3)
    assert scores(draws, draws + 0.1) == pytest.approx(0.1 * 200 / math.sqrt(2), rel=0.1)
    assert scores(np.ones((10, 1)), np.ones(1)) == 0
    assert scores(draws[:, :1] * np.ones(40), np.full(40, 0.02)) < scores(draws[:, :1], np.full(1, 0.02))


def test_chi_square_is_a_score():
    shares, rng = np.array([0.5, 0.3, 0.1999, 0.0001]), np.random.default_rng(1)
    values = [chi_square(rng.multinomial(10_000, shares), shares) for _ in range(400)]
    assert np.mean(values) == pytest.approx(0, abs=0.15) and np.std(values) == pytest.approx(1, abs=0.15)
    assert chi_square(rng.multinomial(10_000, [0.47, 0.33, 0.2, 0]), shares) > 5


def test_kolmogorov_smirnov_is_a_score():
    rng = np.random.default_rng(3)
    values = np.array([kolmogorov_smirnov(rng.normal(size=(1_000, 2)), ndtr) for _ in range(400)])
    assert np.mean(values > 1.96) == pytest.approx(0.05, abs=0.02)
    assert kolmogorov_smirnov(np.sign(rng.normal(size=(1_000, 1))), ndtr) > 10
    laplace = rng.laplace(size=(20_000, 1)) / math.sqrt(2)
    assert scores(np.hstack([laplace, laplace**2]), np.array([0, 1])) < 4 < LIMIT < kolmogorov_smirnov(laplace, ndtr)


def test_a_density_inside_of_another_has_a_mean_ratio_of_one():
    rng, symbols = np.random.default_rng(4), np.array([False, True])
    rows = np.stack([rng.normal(size=4_000), rng.integers(0, 3, 4_000)], axis=1)
    log_probs = -0.5 * rows[:, 0] ** 2 - 0.5 * math.log(2 * math.pi) - math.log(3)
    free = np.full(2, -np.inf)
    read = {shift: inside(rows[::2], rows[1::2], log_probs[1::2] + shift, symbols, free) for shift in (0.0, 0.2)}
    assert read[0.0] < 4 and read[0.2] > 10


def test_a_density_of_positive_numbers_is_read_inside_of_its_bound():
    rows = np.random.default_rng(5).exponential(size=(4_000, 2))
    log_probs = -rows.sum(axis=1)
    symbols = np.zeros(2, bool)
    lows = {"known": np.zeros(2), "unknown": np.full(2, -np.inf)}
    read = {name: inside(rows[::2], rows[1::2], log_probs[1::2], symbols, low) for name, low in lows.items()}
    assert read["known"] < 4 and read["unknown"] > 10  # a normal distribution leaks below zero
    assert inside(rows[::2], rows[1::2], log_probs[1::2] + 0.2, symbols, lows["known"]) > 10
    far = 1e4 + np.random.default_rng(6).normal(size=(4_000, 2))  # the bound is out of sight
    log_probs = -0.5 * np.sum((far - 1e4) ** 2, axis=1) - math.log(2 * math.pi)
    assert inside(far[::2], far[1::2], log_probs[1::2], symbols, np.zeros(2)) < 4


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
    kernel = component("kernel", lambda options, event: Redraw(), supports=(qs.Categorical,))
    assert [built.label for built in builds(kernel)] == ["kernel mine on 2x1 of 3 categories", "kernel mine on 7 of 3 categories"]
    anything = component("kernel", lambda options, event: Fading())
    assert len(list(builds(anything))) == 7
    counts = component("kernel", lambda options, event: Fading(), supports=(qs.Counts,))
    assert [built.label for built in builds(counts, once=True)] == ["kernel mine on 2x1 counts"]


def test_a_kernel_is_read_on_a_larger_event_too():
    def faulty(options, event):
        return SixthElementDecodedEvenly(GaussianOptions(), event)

    small, larger = builds(component("kernel", faulty, supports=(qs.Real,)))
    assert {law.name for law in larger.laws} == {"shapes", "averaging", "zero-params", "ledger"}
    zero_params = [law for built in (small, larger) for law in built.laws if law.name == "zero-params"]
    assert [attrs.evolve(law, examples=1).verdict("x").outcome for law in zero_params] == ["holds", "broken"]
    fixed = component("kernel", faulty, examples=(qs.Measured((2,), [0.0, 0.5], [None, -1.0], [None, 1.0]),))
    assert len(list(builds(fixed))) == 1  # its size is a part of it


def test_a_kernel_is_built_for_the_examples_that_it_declares():
    positive, long = qs.Real((2, 1), low=0.0), qs.Real((5,), low=0.0)
    kernel = component("kernel", lambda options, event: Fading(event), supports=(qs.Real,), examples=(positive, long))
    found = [built.label for built in builds(kernel)]
    assert found == ["kernel mine on 2x1 real", "kernel mine on 5 real", "kernel mine on 7 real"]
    assert [built.label for built in builds(kernel, events=[qs.Real((3,))])] == ["kernel mine on 3 real"]


@pytest.mark.parametrize(
    ("kind", "choices", "said"),
    [
        ("kernel", {"examples": [qs.Real((2,))]}, "expected a tuple of fields such as (qs.Real((2, 1), low=0.0),), got [Real("),
        ("kernel", {"examples": (qs.Real,)}, "expected a tuple of fields such as"),
        ("source", {"examples": (qs.Real((2,)),)}, "only potentials, and kernels that join no others, have any"),
        ("kernel", {"examples": (qs.Real((2,)),), "joins": True}, "only potentials, and kernels that join no others"),
        ("kernel", {"examples": (qs.Real((2,)),), "supports": (qs.Binary,)}, "2 real is not of a field that `supports` names"),
    ],
)
def test_examples_that_cannot_be_are_refused(kind, choices, said):
    with pytest.raises((TypeError, ValueError), match=re.escape(said)):
        component(kind, lambda options, event: Fading(event), **choices)


def test_a_kernel_that_joins_others_is_built_for_three_parts():
    joins = component("kernel", lambda options, event, kernels: qs.join_kernels(kernels, event), joins=True)
    (built,), (quick,) = builds(joins), builds(joins, once=True)
    assert built.label == "kernel mine on flag: 1 of 2 categories, name: 2 of 3 categories, place: 2 real"
    assert quick.label == "kernel mine on name: 2 of 3 categories, place: 2 real"
    assert {"composition", "zero-params", "ledger", "bound"} <= {law.name for law in built.laws}


@pytest.mark.parametrize("name", ["composition", "bayes", "averaging"])
def test_a_product_of_finite_kernels_is_held_to_what_they_are(name):
    both = qs.join_kernels({"a": Redraw(), "b": Redraw(qs.Categorical((), 2), (0.4, 0.6))})
    laws = {law.name: law for law in qs.testing.laws_of("kernel", both)}
    assert "jarzynski" in laws and "rare-states" not in laws
    attrs.evolve(laws[name], examples=1)()


def test_a_law_has_a_place_of_its_own():
    assert {*REGISTRY} == {"kernel", "model", "objective", "sampler", "source", "observer", "potential"}
    assert all(entry.statement.endswith(".") and entry.source for entries in REGISTRY.values() for entry in entries.values())
    with pytest.raises(ValueError, match="twice"):
        enter("kernel", "bayes", "Again.", unseen="It all.")(lambda kernel, setting: None)


def test_a_kernel_may_refuse_some_events_but_not_all():
    def picky(options, event):
        if isinstance(event, qs.Levels):
            raise ValueError("no levels, please")
        return Fading()

    def sulky(options, event):
        raise ValueError("never")

    found = [built.label for built in builds(component("kernel", picky, supports=(qs.Real, qs.Levels)))]
    assert found == ["kernel mine on 2x1 real", "kernel mine on 7 real"]
    (broken,) = builds(component("kernel", sulky, supports=(qs.Real, qs.Levels)))
    assert [law.name for law in broken.laws] == ["build"]


def test_a_build_of_the_wrong_kind_did_not_pass():
    (built,) = builds(component("sampler", lambda options: Fading()))
    assert "AbstractSampler" in built.laws[0].verdict("x").reason


def test_other_options_are_named_and_checked_beside_the_defaults():
    own = component("observer", lambda options, out: qs.AbstractObserver())
    verdicts = qs.testing.check([own], {("observer", "mine"): [Plain(2.0)]})
    labels = ["observer mine without a folder", "observer mine with a folder"]
    assert {verdict.component for verdict in verdicts} == {*labels, *(label.replace("mine", "mine (size=2.0)") for label in labels)}
    assert all(verdict.passed for verdict in verdicts)


@attrs.frozen
class Needy:
    """Must be given."""

    path: str


def test_options_that_must_be_given_are_taken_as_given():
    own = qs.Component("observer", "mine", Needy, lambda options, out: qs.AbstractObserver())
    given, _ = builds(own, Needy("x"))
    assert given.label == "observer mine (path=x) without a folder"
    (unbuilt,) = builds(own)
    assert "path" in unbuilt.laws[0].verdict("x").reason


def test_the_decorator_makes_one_test_of_each_law():
    @qs.testing.laws("kernel", "binomial", base_rate=0.2)
    def test_binomial(law):
        law()

    (mark,) = test_binomial.pytestmark
    names, cases = mark.args
    assert names == "law" and len(cases) > 20
    assert cases[0].id == "kernel binomial (base_rate=0.2) on 2x1 binary: times"
    cases[0].values[0]()
    assert not any(case.marks for case in cases)


def test_an_unknown_component_is_refused_by_name():
    with pytest.raises(qs.errors.ComponentNotFound, match="did you mean 'binomial'"):
        qs.testing.laws("kernel", "binomal")


def test_the_programs_of_a_law_are_not_optimised_and_those_after_it_are():
    flag, seen = "jax_disable_most_optimizations", []

    def measure(component, setting):
        seen.append(jax.config.read(flag))
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        _compiled_quickly(measure)(None, Setting())
    assert seen == [True] and not jax.config.read(flag)
    long = {name for entries in REGISTRY.values() for name, entry in entries.items() if entry.long}
    assert long == {"rare-states"}


def test_programs_are_left_as_they_are_until_the_last_of_several_laws_ends():
    inside = []
    for step in (_HASTE.__enter__, _HASTE.__enter__, _HASTE.__exit__, _HASTE.__exit__):
        step()
        inside.append(jax.config.read(_HASTE.FLAG))
    assert inside == [True, True, True, False]


def test_a_quick_check_reads_what_a_kernel_states_about_its_process():
    found = {law.name: law.quick for kernel in (Redraw(), gaussian(Drifting)) for law in qs.testing.laws_of("kernel", kernel)}
    process = {
        "times",
        "composition",
        "stationarity",
        "bayes",
        "arrival",
        "samples",
        "normalised",
        "support",
        "shapes",
        "schedule",
    }
    reverse = {"averaging", "zero-params", "bound", "ledger", "jarzynski"}
    assert {name for name in process | reverse if not found[name]} == set()
    assert {"keys", "agreement", "precision", "rare-states", "bridge", "relaxation", "score"} <= {
        name for name in found if not found[name]
    }


@pytest.mark.parametrize("law", qs.testing.laws_of("kernel", Straight()), ids=lambda law: law.name)
def test_the_bench_of_a_gaussian_path_is_sound(law):
    attrs.evolve(law, examples=1)()


def test_a_refusal_is_raised_and_a_wrong_call_is_not():
    def refuses(name, kernel):
        if name == "symbols":
            raise TypeError("no symbols")
        return Reading(0.0, 1.0, name)

    assert [reading.unit for reading in on_those_taken(refuses)] == ["numbers", "Gaussian path"]
    (none,) = on_those_taken(refuses, {"symbols": Redraw()})
    assert not none.is_measured and none.unmeasured == "symbols is refused: no symbols"
    for wrong in (lambda: 1 + None, lambda: jnp.dot("a", 1), lambda: len(3)):
        with pytest.raises(TypeError) as caught:
            on_those_taken(lambda name, kernel, wrong=wrong: wrong())
        assert not is_refusal(caught.value)


def test_laws_leave_the_precision_of_the_process_alone():
    qs.testing.check([component("kernel", lambda options, event: Redraw(), supports=(qs.Categorical,))][:0])
    law = next(law for law in qs.testing.laws_of("kernel", Fading()) if law.name == "bayes")
    law()
    assert jnp.ones(1).dtype == jnp.float32 and not jax.config.jax_enable_x64


class Deaf(qs.AbstractModel):
    """Starts away from zero, does not read time, and has a weight that does nothing."""

    weight: jax.Array
    idle: jax.Array
    ports: qs.Ports = eqx.field(static=True)

    def __init__(self, ports):
        self.weight, self.idle, self.ports = jnp.ones((2, 2)), jnp.ones(3), ports

    def __call__(self, features, t, side=None, *, key=None):
        return features @ self.weight.T


PORTS = qs.Ports(jnp.zeros((3, 2)), jnp.zeros((3, 2)))


@pytest.mark.parametrize("name", ["zero-start", "reads-all", "trained"])
def test_a_network_that_is_no_network_is_caught(name):
    laws = {law.name: law for law in qs.testing.laws_of("model", Deaf(PORTS), PORTS)}
    assert not laws[name].verdict("x").passed
    assert laws["shapes"].verdict("x").passed and laws["agreement"].verdict("x").passed


@pytest.mark.parametrize(
    ("name", "share", "outcomes"),
    [("dense", 0.1, {"holds"}), ("dense", 0.5, {"holds"}), ("mixer", 0.1, {"holds"}), ("mixer", 0.6, {"not measured"})],
)
def test_a_dropout_that_keeps_the_mean_holds_unless_keys_change_all(name, share, outcomes):
    network = qs.plugins().component("model", name)
    ports = qs.Ports(jax.ShapeDtypeStruct((4, 4, 2), "float32"), jax.ShapeDtypeStruct((4, 4, 3), "float32"))
    model = network.load()(network.options(dropout=share), ports, key=jr.key(0))
    (law,) = (law for law in qs.testing.laws_of("model", model, ports) if law.name == "dropout")
    assert {law.verdict(name).outcome} == outcomes


def test_a_network_is_checked_for_its_ports():
    with pytest.raises(ValueError, match="ports"):
        qs.testing.laws_of("model", Deaf(PORTS))


class Leaky(qs.AbstractSource, qs.sources.AbstractTruth):
    """Unscaled, with its validation events among its training events, and a density that does not integrate to one."""

    event = qs.Real((1,))

    def __init__(self):
        self._x = np.random.default_rng(0).normal(size=(400, 1), scale=2.0).astype(np.float32)

    def split(self, name, count=None):
        return qs.Data({"train": self._x, "validation": self._x[:50], "test": self._x[-50:]}[name][:count])

    def stored(self):
        return qs.sources.ArrayRows(self._x)

    def draw(self, row, *, key):
        return row + 0.1 * jr.normal(key, row.shape) * jr.uniform(key), None

    def log_prob(self, xs):
        return -0.5 * (np.asarray(xs)[:, 0] / 2.0) ** 2 - 0.5 * math.log(2 * math.pi)


@pytest.mark.parametrize("name", ["disjoint", "scale", "draws", "true-log-prob"])
def test_a_source_that_leaks_is_caught(name):
    laws = {law.name: law for law in qs.testing.laws_of("source", Leaky())}
    assert not laws[name].verdict("x").passed
    assert all(laws[other].verdict("x").passed for other in ("splits", "support", "units"))


def test_an_observer_that_raises_is_caught():
    class Clumsy(qs.AbstractObserver):
        def validation(self, update, ledger, diffusion):
            raise KeyError("bound")

    (law,) = qs.testing.laws_of("observer", Clumsy())
    assert not law.verdict("x").passed and "KeyError" in law.verdict("x").reason
