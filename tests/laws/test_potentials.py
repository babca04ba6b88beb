"""Potentials: what they do to distributions, and whether draws under one are those of the posterior."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic._process.model import ConstantModel
from quasistatic.oracles import log_likelihood
from quasistatic.testing._setting import Setting, enumerate_states
from quasistatic.testing._tools.bench import Redraw
from quasistatic.testing._tools.statistics import chi_square, counts_of
from quasistatic_plugins.conditioning import PaperOptions, ParticlesOptions
from quasistatic_plugins.conditioning.paper import Paper
from quasistatic_plugins.conditioning.particles import Particles

SIZE = 3.9  # standard errors: 1 in 10,000


class Linear(qs.AbstractModel):
    """The exact E[x given z_t] and the variances of its elements, for data in the plane with variance 1 and correlation rho."""

    rho: float = eqx.field(static=True)
    kernel: qs.AbstractKernel = eqx.field(static=True)

    def __call__(self, features, t, side=None, *, key=None):
        z, (a, noise) = features[..., 0], self.kernel._level(t)
        axes = jnp.array([[1.0, 1.0], [1.0, -1.0]], z.dtype) / np.sqrt(2)
        values = jnp.array([1.0 + self.rho, 1.0 - self.rho], z.dtype)
        total = a**2 * values + noise
        mean = axes @ (a * values / total * (axes.T @ z))
        ratio = jnp.log(axes**2 @ (values / total))
        return jnp.stack([(a * z - mean) / jnp.sqrt(noise), 8.0 * jnp.arctanh(ratio / 8.0)], axis=-1)


def plane(rho: float, steps: int, **options) -> qs.Diffusion:
    kernel = qs.make("kernel", "gaussian", qs.Real((2,)), **options)
    return qs.Diffusion(kernel, Linear(rho, kernel), steps)


@eqx.filter_jit
def drawn_by_particles(diffusion: qs.Diffusion, count: int, keys: jax.Array) -> tuple[jax.Array, jax.Array]:
    """One draw, and log Z, of a system of so many particles for each key."""

    def one(key):
        key_walk, key_choice = jr.split(key)
        found, _ = qs.trajectory.posterior(Particles(ParticlesOptions(count)), diffusion, diffusion.times(), key=key_walk)
        return found.x[qs.trajectory.systematic(found.log_weights, 1, key=key_choice)[0]], found.log_evidence

    return jax.vmap(one)(keys)


def end_of(
    diffusion: qs.Diffusion, to_data: bool = True, start: qs.Normal | None = None, sampler: Paper | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the draws where every step back is normal with a mean linear in z: no draw is made."""
    times = diffusion.times()
    start = start or (sampler.start(diffusion) if sampler else diffusion.kernel.equilibrium())
    zero = jnp.zeros_like(start.loc)

    def through(step):
        slope = jax.jacfwd(lambda z: step(z).loc)(zero)
        return slope, step(zero).loc, jnp.diag(step(zero).variance)

    def moved(carry, step):
        mean, covariance = carry
        slope, shift, added = through(step)
        return slope @ mean + shift, slope @ covariance @ slope.T + added

    def back(carry, at):
        s, t = at
        if sampler:
            return moved(carry, lambda z: sampler.back(diffusion, z, s, t)), None
        return moved(carry, lambda z: diffusion.reverse(diffusion.params(z, t), z, s, t)), None

    carry = (start.loc, jnp.diag(start.variance))
    carry, _ = jax.lax.scan(back, carry, (times[:-1], times[1:]), reverse=True)
    if to_data:
        first = times[0]
        carry = moved(carry, lambda z: diffusion.decode(diffusion.params(z, first), z, first))
    return tuple(np.asarray(each, np.float64) for each in carry)


@pytest.mark.parametrize(
    ("ramp", "steps", "mean", "variance", "tolerance"),
    [
        (False, 1000, 0.6665, 0.3337, 1e-4),
        (False, 40, 0.6655, 0.3415, 1e-4),
        # of the exponent (T - i) / T; here the i-th of T times is (i - 1) / (T - 1), which at T = 40 is no small difference
        (True, 1000, 0.4615, 0.4328, 5e-4),
        (True, 40, 0.4498, 0.4455, 9e-3),
    ],
)
def test_the_scheme_of_the_paper_has_its_known_bias(ramp, steps, mean, variance, tolerance):
    """N(0, 1) data, noise of variance 1, the schedule of the reference code: the posterior has y / 2 and 1 / 2.

    The numbers are those of the exact recursion of mean and variance, worked out apart from this code.
    """
    kernel = qs.make("kernel", "gaussian", qs.Real((1,)), schedule="reference", mean="eq65-code", reference_steps=steps)
    diffusion = qs.Diffusion(kernel, ConstantModel(kernel.zero_params()), steps)
    with jax.enable_x64(True):
        seen = diffusion.tilted(qs.Observed(jnp.ones(1), jnp.ones(1)))
        # the reference code begins at y itself, but for the ramp, and stops at the first noisy state
        start = None if ramp else qs.Normal(jnp.ones(1), jnp.zeros(1))
        found, spread = end_of(seen, to_data=False, start=start, sampler=Paper(PaperOptions(ramp)))
    assert found[0] == pytest.approx(mean, abs=tolerance) and spread[0, 0] == pytest.approx(variance, abs=tolerance)


@pytest.mark.parametrize(("rho", "mean", "variance"), [(0.9, 0.724, 0.315), (0.5, 0.346, 0.825)])
def test_in_painting_by_the_paper_has_its_known_bias(rho, mean, variance):
    """One of two coordinates is known to be 1; the posterior of the other has rho and 1 - rho^2."""
    diffusion = plane(rho, 1000, schedule="reference", reference_steps=1000)
    known = qs.Known(jnp.array([1.0, 0.0]), jnp.array([True, False]))
    found, spread = end_of(diffusion.tilted(known), to_data=False, sampler=Paper(PaperOptions()))
    assert found[1] == pytest.approx(mean, abs=2e-3) and spread[1, 1] == pytest.approx(variance, abs=2e-3)


@pytest.mark.parametrize("steps", [2, 10])
def test_independent_elements_are_conditioned_exactly_on_any_grid(steps):
    """The tilted walk alone: N(0, 1) data with unit noise end with y / 2 and 1 / 2."""
    kernel = qs.make("kernel", "gaussian", qs.Real((1,)), last_survival=1e-6)
    diffusion = qs.Diffusion(kernel, ConstantModel(kernel.zero_params()), steps)
    found, spread = end_of(diffusion.tilted(qs.Observed(jnp.full(1, 1.5), jnp.ones(1))))
    assert found[0] == pytest.approx(0.75, abs=2e-3) and spread[0, 0] == pytest.approx(0.5, abs=2e-3)


def conditioned(mean, covariance, potential):
    """Mean and covariance of N(mean, covariance) times the potential, and log Z."""
    if isinstance(potential, qs.Known):
        (known,) = np.nonzero(potential.mask)
        matrix, y, noise = np.eye(2)[known], np.asarray(potential.x)[known], np.zeros((1, 1))
    else:
        matrix, y, noise = np.eye(2), np.asarray(potential.y, np.float64), np.diag(np.asarray(potential.variance, np.float64))
    total = matrix @ covariance @ matrix.T + noise
    gain = covariance @ matrix.T @ np.linalg.inv(total)
    away = y - matrix @ mean
    log_z = -0.5 * (away @ np.linalg.solve(total, away) + np.linalg.slogdet(2 * np.pi * total)[1])
    return mean + gain @ away, covariance - gain @ matrix @ covariance, log_z


POTENTIALS = {
    "in-painting": qs.Known(jnp.array([1.5, 0.0]), jnp.array([True, False])),
    "denoising": qs.Observed(jnp.array([1.5, -0.5]), jnp.array([1.0, 0.3])),
}


@pytest.mark.parametrize("rho", [0.5, 0.9])
@pytest.mark.parametrize("name", POTENTIALS)
def test_particles_give_the_posterior_of_correlated_coordinates(rho, name):
    diffusion, potential = plane(rho, 30), POTENTIALS[name]
    mean, covariance, log_z = conditioned(*end_of(diffusion), potential)  # of this chain, whatever its steps leave out
    count = 1024
    xs, evidence = (
        np.asarray(each, np.float64) for each in drawn_by_particles(diffusion.tilted(potential), 128, jr.split(jr.key(0), count))
    )
    free = np.diag(covariance) > 1e-6
    assert np.allclose(xs[:, ~free], mean[~free], atol=1e-6)
    assert np.all(np.abs(xs.mean(axis=0) - mean)[free] < SIZE * np.sqrt(np.diag(covariance)[free] / count))
    assert np.all(np.abs(xs.var(axis=0) / np.maximum(np.diag(covariance), 1e-9) - 1)[free] < SIZE * np.sqrt(2 / count))
    ratio = np.exp(evidence - log_z)
    assert abs(ratio.mean() - 1) < SIZE * ratio.std() / np.sqrt(count)


@pytest.mark.parametrize(
    "potential",
    [
        qs.Known(jnp.array([1, 0], jnp.int32), jnp.array([True, False])),
        qs.Flipped(jnp.array([1, 2], jnp.int32), jnp.asarray(0.2)),
    ],
    ids=["in-painting", "denoising"],
)
def test_particles_give_the_enumerated_posterior_of_a_network_that_is_wrong(potential):
    diffusion = Setting().diffusion_with_random_network(Redraw(), 4)
    xs, _ = enumerate_states(diffusion.kernel)
    weights = np.exp(log_likelihood(diffusion, xs, diffusion.times()) + np.asarray(jax.vmap(potential.log_factor)(xs)))
    count = 4096
    drawn, evidence = drawn_by_particles(diffusion.tilted(potential), 32, jr.split(jr.key(1), count))
    assert chi_square(counts_of(drawn, xs), weights / weights.sum()) < SIZE
    ratio = np.exp(np.asarray(evidence, np.float64)) / weights.sum()
    assert abs(ratio.mean() - 1) < SIZE * ratio.std() / np.sqrt(count)


def test_without_weights_correlated_coordinates_are_biased():
    """What the weights are for."""
    diffusion = plane(0.9, 30)
    found, _ = end_of(diffusion.tilted(POTENTIALS["in-painting"]))
    assert found[1] < 0.8 * 0.9 * 1.5


@pytest.mark.parametrize("field", [qs.Real((2, 3)), qs.Levels((2, 3), -1.0, 1.0, 5), qs.Binary((2, 3))])
def test_known_elements_are_kept_to_the_last_bit_and_others_are_not(field):
    kernel = qs.make("kernel", "binomial" if isinstance(field, qs.Binary) else "gaussian", field)
    diffusion = qs.Diffusion(kernel, ConstantModel(kernel.zero_params()), 3)
    mask = np.arange(6).reshape(2, 3) % 2 == 0
    x = np.stack([np.ones((2, 3)), np.zeros((2, 3))]).astype(np.float32)
    stack = qs.Known(jnp.asarray(x), jnp.asarray(np.stack([mask] * 2)))
    many, few = (qs.sample(diffusion, n, key=jr.key(0), potential=stack) for n in (200, 3))
    assert np.array_equal(many[:3], few), "the event does not depend on how many are drawn"
    assert np.array_equal(many[0::2][:, mask], np.ones((100, 3))) and np.array_equal(many[1::2][:, mask], np.zeros((100, 3)))
    assert many[:, ~mask].std() > 0.2


def test_factors_commute_and_their_evidence_adds_up():
    data = qs.Normal(jnp.array([0.3, -1.0]), jnp.array([0.5, 2.0]))
    one = qs.Observed(jnp.array([1.0, 1.0]), jnp.array([0.7, 0.2]))
    other = qs.make("potential", "linear", qs.Real((2,)), strength=0.4)
    (a, log_a), (b, log_b) = ((one * other).tilt(data), (other * one).tilt(data))
    assert np.allclose(a.loc, b.loc, atol=1e-6) and np.allclose(a.variance, b.variance) and np.isclose(log_a, log_b)
    assert np.isclose((one * other).log_factor(data.loc), one.log_factor(data.loc) + other.log_factor(data.loc))


def test_levels_are_weighed_one_by_one():
    """A normal seen through bins is not a normal any more once it is observed with noise."""
    binned = qs.distributions.BinnedNormal(qs.Normal(jnp.array([0.2]), jnp.array([0.3])), -1.0, 1.0, 5)
    levels = np.linspace(-1, 1, 5)
    before = np.array([float(binned.log_prob(jnp.array([level]))) for level in levels])
    tilted, log_mean = qs.Observed(jnp.array([0.9]), jnp.array([0.1])).tilt(binned)
    wanted = before - 0.5 * ((0.9 - levels) ** 2 / 0.1 + np.log(2 * np.pi * 0.1))
    assert np.isclose(log_mean, np.logaddexp.reduce(wanted), atol=1e-5)
    found = [float(tilted.log_prob(jnp.array([level]))) for level in levels]
    assert np.allclose(found, wanted - np.logaddexp.reduce(wanted), atol=1e-4)


def test_a_level_that_is_known_says_nothing_about_the_others():
    """Without a look at every level, which takes most of the time of in-painting: the same as with one."""
    binned = qs.distributions.BinnedNormal(qs.Normal(jnp.array([0.2, -0.9, 3.0]), jnp.array([0.3, 0.01, 0.5])), -1.0, 1.0, 5)
    one_by_one = jnp.stack([binned.log_probs(jnp.full(3, level)) for level in np.linspace(-1, 1, 5)], axis=-1)
    assert np.allclose(binned.by_level().log_probabilities(), one_by_one, atol=1e-4)  # far out in both tails too
    known = qs.Known(jnp.array([0.5, -1.0, 1.0]), jnp.array([True, False, True]))
    (found, log_mean), (wanted, log_wanted) = known.tilt(binned), known.tilt(binned.by_level())
    assert isinstance(found, qs.distributions.BinnedNormal) and np.isclose(log_mean, log_wanted, atol=1e-5)
    of_levels, expected = np.exp(found.by_level().log_probabilities()), np.exp(wanted.log_probabilities())
    assert np.allclose(of_levels, expected, atol=1e-6) and expected[[0, 2], [3, 4]].tolist() == [1.0, 1.0]
    draws = np.asarray(jax.vmap(found.sample)(jr.split(jr.key(0), 500)))
    assert (draws[:, 0] == 0.5).all() and (draws[:, 2] == 1.0).all() and len(np.unique(draws[:, 1])) == 2


@pytest.mark.parametrize("levels", [2_001, 65_536])
def test_a_level_that_is_known_lets_no_neighbour_through(levels):
    """However near levels are to one another; a number that is on no level, and of no shape of an event, is refused."""
    data = qs.distributions.Leveled(qs.Finite(jnp.full((1, levels), -math.log(levels))), -1.0, 2.0 / (levels - 1))
    for number in (0, 700, levels - 1):
        x = jnp.asarray([np.float32(np.float64(-1.0) + number * (2.0 / (levels - 1)))])
        known = qs.Known(x, jnp.array([True]))
        tilted, log_mean = known.tilt(data)
        assert int(jnp.argmax(tilted.log_probabilities()[0])) == number
        assert float(tilted.entropy()) == pytest.approx(0.0, abs=1e-6) and log_mean == pytest.approx(-math.log(levels), abs=1e-4)
        assert known.log_factor(tilted.sample(jr.key(0))) == 0.0 > known.log_factor(x + data.spacing)
    outside = qs.Known(jnp.array([1.5]), jnp.array([True]))
    assert outside.tilt(data)[1] < -1e20
    with pytest.raises(ValueError, match="expected x of shape"):
        qs.Known(jnp.zeros((3, 1)), jnp.ones((3, 1), bool)).tilt(data)


def test_a_part_of_an_event_is_tilted_alone():
    data = qs.product({"place": qs.Normal(jnp.zeros(2), jnp.ones(2)), "flag": qs.Finite(jnp.log(jnp.full((1, 2), 0.5)))})
    tilted, log_mean = qs.OnPart(POTENTIALS["in-painting"], "place").tilt(data)
    assert tilted.parts["flag"] is data.parts["flag"] and tilted.parts["place"].loc[0] == 1.5
    assert np.isclose(log_mean, -0.5 * (1.5**2 + np.log(2 * np.pi)), atol=1e-6)


def test_what_cannot_be_tilted_is_said():
    with pytest.raises(TypeError, match=r"Flipped\.tilt: not known for a Normal"):
        qs.Flipped(jnp.zeros(2), jnp.asarray(0.1)).tilt(qs.Normal(jnp.zeros(2), jnp.ones(2)))
    kernel = qs.make("kernel", "gaussian", qs.Real((2,)), mean="eq65")
    tilted = qs.Diffusion(kernel, ConstantModel(kernel.zero_params()), 3).tilted(POTENTIALS["denoising"])
    with pytest.raises(TypeError, match=r"expected a kernel that is an AbstractBridged, got a Eq65Kernel"):
        tilted.reverse(kernel.zero_params(), jnp.zeros(2), jnp.asarray(0.4), jnp.asarray(0.6))


def test_factors_one_after_another_are_their_product():
    diffusion, key = plane(0.9, 5), jr.key(0)
    one, other = POTENTIALS.values()
    twice, at_once = diffusion.tilted(one).tilted(other), diffusion.tilted(one * other)
    assert eqx.tree_equal(twice, at_once) and eqx.tree_equal(twice.untilted, diffusion)
    drawn = [qs.sample(each, 4, key=key) for each in (twice, at_once, diffusion)]
    assert np.array_equal(drawn[0], drawn[1]) and not np.array_equal(drawn[1], drawn[2])


def test_without_a_potential_the_scheme_of_the_paper_is_ancestral():
    diffusion, key = plane(0.9, 5), jr.key(0)
    assert np.array_equal(*(qs.sample(diffusion, 4, key=key, sampler=each) for each in (Paper(PaperOptions()), qs.Ancestral())))
    stack = jax.tree.map(lambda leaf: leaf[None], POTENTIALS["denoising"])
    plain, ramp = (qs.sample(diffusion, 4, key=key, potential=stack, sampler=Paper(PaperOptions(each))) for each in (False, True))
    assert np.isfinite(plain).all() and not np.array_equal(plain, ramp)


def test_one_call_of_a_causal_network_has_all_terms_of_a_tilted_pair():
    kernel = qs.make("kernel", "absorbing", qs.Categorical((4,), 3), order="last-first")
    model = qs.make("model", "transformer", qs.Ports.of(kernel), key=jr.key(0), width=16, depth=1, causal=True)
    xs = np.array([[1, 0, 2, 2], [1, 2, 2, 0]], np.int32)
    known = qs.Known(jnp.array([1, 0, 2, 0], jnp.int32), jnp.array([True, False, True, False]))
    given = qs.Diffusion(kernel, model, 6).tilted(known)
    once = qs.ledger(given, xs, key=jr.key(0))
    assert once.evaluations == 1
    # each step of every path, by a network that does not declare itself causal
    slowly = eqx.tree_at(lambda pair: pair.model, given, InSecret(model))
    assert qs.ledger(slowly, xs, key=jr.key(0)).per_event == pytest.approx(once.per_event, abs=1e-4)
    hidden = qs.ledger(qs.Diffusion(kernel, model, 6), xs, key=jr.key(0)).per_event
    assert np.all(once.per_event > hidden + 0.5)  # two of four symbols cost nothing


class InSecret(qs.AbstractModel):
    """The network, without the promise that it is causal."""

    model: qs.AbstractModel

    def __call__(self, features, t, side=None, *, key=None):
        return self.model(features, t, side, key=key)


class Pair(qs.AbstractModel):
    """The exact network for two bits that are even and alike in nine of ten events, from what each noisy bit says."""

    def __call__(self, features, t, side=None, *, key=None):
        other = features[::-1, 0]
        one, zero = jnp.logaddexp(math.log(0.9) + other, math.log(0.1)), jnp.logaddexp(math.log(0.1) + other, math.log(0.9))
        return (one - zero)[:, None]


def test_the_ledger_given_what_is_seen_bounds_log_p_of_what_is_hidden():
    """Draws without weights follow the noisy path of what is seen: more than nothing is known of the hidden bit, and not all."""
    kernel = qs.make("kernel", "binomial", qs.Binary((2,)), features="evidence")
    diffusion = qs.Diffusion(kernel, Pair(), 60)
    terms = {}
    for x, share in (((1.0, 1.0), 0.9), ((1.0, 0.0), 0.1)):
        xs = np.repeat(np.array([x], np.float32), 3000, axis=0)
        for mask in ((True, False), (False, False), (True, True)):
            given = diffusion.tilted(qs.Known(jnp.asarray(x), jnp.asarray(mask)))
            terms[x, mask] = share * qs.ledger(given, xs, key=jr.key(0)).per_event
        plain = share * qs.ledger(diffusion, xs, key=jr.key(0)).per_event
        np.testing.assert_allclose(terms[x, (False, False)], plain, atol=1e-5)
        np.testing.assert_allclose(terms[x, (True, True)], 0.0, atol=1e-5)
    hidden = terms[(1.0, 1.0), (True, False)] + terms[(1.0, 0.0), (True, False)]  # by symmetry those of all four events
    error = hidden.std() / len(hidden) ** 0.5
    entropy = -0.9 * math.log(0.9) - 0.1 * math.log(0.1)
    assert -math.log(2.0) + 0.05 < hidden.mean() < -entropy - 4.0 * error
