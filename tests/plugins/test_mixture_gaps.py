"""The gaussian kernel whose zero params reverse a mixture of numbers that need not exist, beside states."""

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic_plugins.gaussian.mixture import NormalMixture, StatesMixture

# what the weather is; whether there is rain at all; and numbers: rain, and a temperature that is always there
EVENT = qs.Fields(
    {"dry": qs.Binary((1,)), "weather": qs.Categorical((1,), 3), "numbers": qs.Real((2,))},
    gates={"numbers": (qs.Gate("dry", 0, 0), None)},
)
NUMBERS = NormalMixture(
    jnp.log(jnp.array([0.5, 0.3, 0.2])),
    jnp.array([[-1.0, 0.4], [0.8, -0.6], [0.2, 1.5]]),
    None,
    jnp.array([[0.3, 0.5], [0.6, 0.2], [0.1, 0.4]]),
    (2,),
)
# log p(state | part) of dry (two states, and one that none has), and of weather
SHARES = jnp.log(
    jnp.array([[[0.9, 0.4, 0.1], [0.1, 0.6, 0.9], [1.0, 1.0, 1.0]], [[0.7, 0.1, 0.2], [0.2, 0.1, 0.5], [0.1, 0.8, 0.3]]])
)
MIXTURE = StatesMixture(NUMBERS, SHARES)


def kernel_of(mixture=None, **options):
    joined = qs.join_kernels(
        {
            "dry": qs.make("kernel", "binomial", EVENT["dry"]),
            "weather": qs.make("kernel", "uniform", EVENT["weather"]),
            "numbers": qs.make("kernel", "gaussian", EVENT["numbers"], reference="mixture", **options),
        },
        EVENT,
    )
    if mixture is None:
        return joined
    numbers = mixture.numbers
    arrays = {"log_weights": numbers.log_weights, "means": numbers.means, "variances": numbers.variances}
    arrays["log_shares"] = mixture.log_shares
    return joined.measured({f"numbers.{name}": np.asarray(array) for name, array in arrays.items()})


def events(count, seed=0):
    """Of `MIXTURE`."""
    rng = np.random.default_rng(seed)
    part = rng.choice(3, size=count, p=np.exp(NUMBERS.log_weights) / np.exp(NUMBERS.log_weights).sum())
    shares = np.exp(np.asarray(SHARES, np.float64))
    dry, weather = (
        (rng.random((count, 1)) > np.cumsum(own[:, part].T, axis=1)).argmin(axis=1) for own in (shares[0, :2], shares[1])
    )
    numbers = np.asarray(NUMBERS.means)[part] + np.sqrt(np.asarray(NUMBERS.variances))[part] * rng.standard_normal((count, 2))
    return EVENT.check(EVENT.cleared({"dry": dry[:, None], "weather": weather[:, None], "numbers": numbers}))


class Zero(qs.AbstractModel):
    zeros: Any

    def __call__(self, features, t, side=None, *, key=None):
        return self.zeros


def diffusion_of(kernel, steps):
    return qs.Diffusion(kernel, Zero(kernel.zero_params()), steps)


def given(x):
    """The mixture of the numbers of one event, given its states."""
    states = jnp.stack([x["dry"][0].astype(jnp.int32), x["weather"][0]])
    return MIXTURE.given(states, jnp.array([x["dry"][0] == 0, True]))


@pytest.mark.parametrize("there", [(True, True), (False, True), (True, False)])
def test_it_is_the_mixture_of_the_numbers_that_are_there_given_the_states(there):
    found, own = MIXTURE.given(jnp.array([1, 2]), jnp.array(there)), np.flatnonzero(there)
    weights = np.exp(np.asarray(NUMBERS.log_weights + SHARES[0, 1] + SHARES[1, 2], np.float64))
    axes = jnp.broadcast_to(jnp.eye(len(own)), (3, len(own), len(own)))
    log_weights = jnp.log(weights / weights.sum())
    expected = NormalMixture(log_weights, NUMBERS.means[:, own], axes, NUMBERS.variances[:, own], (len(own),))
    z, a, noise = jnp.array([0.7, -0.2]), jnp.asarray(0.8), jnp.asarray(0.36)
    assert float(found.log_prob(z)) == pytest.approx(float(expected.log_prob(z[own])), abs=1e-5)
    for one, two in zip(found.denoised(z, a, noise), expected.denoised(z[own], a, noise), strict=True):
        np.testing.assert_allclose(one[own], two, rtol=1e-5)
    drawn = jax.vmap(found.sample)(jr.split(jr.key(0), 4000))
    assert np.all(np.asarray(drawn)[:, [not each for each in there]] == 0.0)
    np.testing.assert_allclose(drawn[:, own].mean(axis=0), expected.denoised(z[own], 0.0, 1.0)[0], atol=0.06)


def test_states_that_are_not_known_yet_say_nothing():
    found = MIXTURE.given(jnp.array([-1, -1]), jnp.array([True, True]))
    np.testing.assert_allclose(found.log_weights, NUMBERS.log_weights, atol=1e-6)
    found = MIXTURE.given(jnp.array([-1, 2]), jnp.array([True, True]))
    np.testing.assert_allclose(found.log_weights, jax.nn.log_softmax(NUMBERS.log_weights + SHARES[1, 2]), atol=1e-6)


@pytest.mark.parametrize("t", [0.2, 0.5, 0.8])
def test_nothing_depends_on_a_number_that_does_not_exist(t):
    kernel = kernel_of(MIXTURE, features="residual")

    def of(number):
        z = {"dry": jnp.array([1.0]), "weather": jnp.array([2]), "numbers": jnp.array([number, 0.3])}
        decoded = kernel.decode(kernel.zero_params(), z, jnp.asarray(t)).parts["numbers"]
        return jax.tree.map(lambda leaf: leaf[1], (decoded.loc, decoded.variance)), kernel.encode(z, jnp.asarray(t))

    one, two = of(0.0), of(4.0)
    for here, other in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_array_equal(here, other)


def test_one_part_is_reversed_exactly_on_every_path():
    """The log-weight of zero params is then log rho of what is there: nothing is lost, whatever T is."""
    mixture = StatesMixture(NormalMixture(jnp.zeros(1), NUMBERS.means[:1], None, NUMBERS.variances[:1], (2,)), SHARES[..., :1])
    kernel = kernel_of(mixture, first_noise=0.03)
    diffusion, numbers = diffusion_of(kernel, 9), kernel.parts["numbers"]
    times, there = jnp.asarray(kernel.times(9), jnp.float32), jax.jit(jax.vmap(lambda x: given(x).there))
    one = numbers.marginal(jnp.ones(2), jnp.ones(()))
    a, noise = one.loc, one.variance
    mean, variance = mixture.numbers.means[0], mixture.numbers.variances[0]

    @jax.jit
    @jax.vmap
    def lost(x, key):
        path = qs.trajectory.forward(kernel, x, times, key=key)
        states = sum(kernel.parts[name].reference().log_prob(x[name]) for name in ("dry", "weather"))
        # what is kept of numbers at t = 1 is no equilibrium of this mixture: its own end takes the place of that
        z = path.zs["numbers"][-1]
        end = qs.Normal(a * mean, a**2 * variance + noise).log_probs(z) - numbers.equilibrium().log_probs(z)
        truth = qs.Normal(mean, variance).log_probs(x["numbers"])
        return qs.trajectory.log_weight(diffusion, path, times).sum() - states + jnp.where(given(x).there, end - truth, 0.0).sum()

    xs = events(64)
    assert 10 < np.sum(~np.asarray(there(xs))) < 54
    np.testing.assert_allclose(lost(xs, jr.split(jr.key(3), 64)), 0.0, atol=2e-4)


def test_zero_params_reach_the_mixture_in_a_fine_chain():
    kernel, xs = kernel_of(MIXTURE), events(256, seed=1)
    exact = np.asarray(jax.vmap(lambda x: given(x).log_prob(x["numbers"]))(xs))
    ledger = qs.ledger(diffusion_of(kernel, 300), xs, key=jr.key(1))
    lost = exact + ledger.by_part["numbers"].sum(axis=1)
    assert abs(lost.mean()) < 0.03 + 4 * lost.std() / 16


def test_the_fit_is_to_numbers_that_are_there_and_to_states():
    xs = events(3000, seed=2)
    arrays = kernel_of().measure(lambda split: jax.tree.map(lambda leaf: leaf[:2400] if split == "train" else leaf[2400:], xs))
    assert set(arrays) == {f"numbers.{name}" for name in ("log_weights", "means", "variances", "log_shares")}
    fitted = kernel_of().measured(arrays).parts["numbers"].beside

    def mean_of(mixture):
        def of(x):
            states = jnp.stack([x["dry"][0].astype(jnp.int32), x["weather"][0]])
            return mixture.given(states, jnp.array([x["dry"][0] == 0, True])).log_prob(x["numbers"])

        return np.asarray(jax.vmap(of)(events(2000, seed=3))).mean()

    assert mean_of(fitted) > mean_of(MIXTURE) - 0.05
    blind = StatesMixture(NUMBERS, jnp.zeros_like(SHARES))
    assert mean_of(fitted) > mean_of(blind) + 0.05
    # what stands where there is no number is not looked at
    moved = {**xs, "numbers": np.where(EVENT.there(xs)["numbers"], xs["numbers"], 9.0)}
    again = kernel_of().measure(lambda split: jax.tree.map(lambda leaf: leaf[:2400] if split == "train" else leaf[2400:], moved))
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, again[name])
