"""Samplers for symbols: their order by enumeration, what is exact, where tails are, what is refused."""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic._process.finite import all_states, column

MANAGER = qs.PluginManager(["quasistatic_plugins.symbol_samplers"])
ANY, MASKS = ("tau-leaping", "trapezoidal"), ("first-hitting", "confidence", "remasking")
PLACES, DRAWS = 3, 20_000


def sampler(name: str, **options: Any) -> Any:
    return qs.make("sampler", name, manager=MANAGER, **options)


class Exact(qs.AbstractModel):
    """What data of known log-probabilities (n^places,) are at each place, given the noisy states of all."""

    log_probs: np.ndarray
    kernel: qs.FiniteKernel
    calls: list[int] = eqx.field(static=True, default_factory=list)

    def __call__(self, features: jax.Array, t: jax.Array, side: Any = None, *, key: Any = None) -> jax.Array:
        self.calls.append(1)
        n, size = self.kernel.data_states, self.kernel.event.size
        xs = all_states((size,), n)
        likelihoods = jnp.broadcast_to(column(self.kernel.log_matrix(None, t), features[..., 0]), (size, n))
        of_places = likelihoods[jnp.arange(size), xs]
        others = jnp.sum(jnp.where(jnp.eye(size, dtype=bool), 0.0, of_places[:, None, :]), axis=-1) + self.log_probs[:, None]
        others = jnp.maximum(others, qs.numerics.FLOOR)[..., None]
        found = jax.nn.logsumexp(jnp.where(xs[:, :, None] == jnp.arange(n), others, qs.numerics.FLOOR), axis=0)
        return jnp.maximum(found, qs.numerics.FLOOR) - self.kernel.log_reference()


def chain(moves: np.ndarray) -> np.ndarray:
    """Probabilities of the words of three symbols of a Markov chain that starts evenly."""
    xs = np.array(all_states((PLACES,), len(moves)))
    return moves[xs[:, 0], xs[:, 1]] * moves[xs[:, 1], xs[:, 2]] / len(moves)


MILD = chain(np.array([[0.65, 0.35], [0.45, 0.55]]))
BOUND = chain(np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5]]))


def pair_of(kernel: str, shares: np.ndarray, **options: Any) -> qs.Diffusion:
    made = qs.make("kernel", kernel, qs.Categorical((PLACES,), round(len(shares) ** (1 / PLACES))), **options)
    assert isinstance(made, qs.FiniteKernel)
    return qs.Diffusion(made, Exact(np.asarray(qs.numerics.floored_log(jnp.asarray(shares))), made), 8)


def masked(shares: np.ndarray) -> qs.Diffusion:
    return pair_of("absorbing", shares, reference="uniform")


def joint(data: Any, states: jax.Array) -> jax.Array:
    """Probabilities of states (S, places) under independent places."""
    return jnp.prod(jnp.exp(data.log_probabilities())[jnp.arange(states.shape[1]), states], axis=-1)


@eqx.filter_jit
def law_of(method: Any, pair: qs.Diffusion, times: jax.Array) -> jax.Array:
    """The distribution of data of a leaping sampler, by all its states."""
    kernel: Any = pair.kernel
    zs, xs = (all_states((PLACES,), count) for count in (kernel.states, kernel.data_states))

    def step(p: jax.Array, at: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        s, t = at

        def after(z: jax.Array) -> jax.Array:
            if method.calls_per_step == 1:
                return joint(method.back(pair, z, s, t), zs)
            data, leap = method.leap(pair, z, s, t)
            return joint(leap, zs) @ jax.vmap(lambda middle: joint(method.rest(pair, data, z, middle, s, t), zs))(zs)

        return p @ jax.lax.map(after, zs), None

    p = jax.lax.scan(step, joint(kernel.equilibrium(), zs), (times[:-1], times[1:]), reverse=True)[0]
    last = jax.lax.map(lambda z: joint(pair.decode(pair.params(z, times[0]), z, times[0]), xs), zs)
    return p @ last


def slopes(name: str, pair: qs.Diffusion, shares: np.ndarray, steps: tuple[int, int]) -> tuple[float, float]:
    """How fast total variation and KL(data || samples) fall with the number of steps, as powers."""
    found = []
    for count in steps:
        drawn = np.asarray(law_of(sampler(name), pair, pair.times(count)))
        assert drawn.sum() == pytest.approx(1.0)
        there = shares > 0
        kl = float(np.sum(shares[there] * np.log(shares[there] / drawn[there])))
        found.append((0.5 * float(np.abs(drawn - shares).sum()), kl))
    (less_tv, less_kl), (more_tv, more_kl) = found
    ratio = math.log(steps[1] / steps[0])
    return math.log(less_tv / more_tv) / ratio, math.log(less_kl / more_kl) / ratio


@pytest.mark.parametrize(("kernel", "options"), [("absorbing", {"reference": "uniform"}), ("uniform", {})])
@pytest.mark.parametrize(("name", "order"), [("tau-leaping", 1), ("trapezoidal", 2)])
@pytest.mark.usefixtures("x64")
def test_the_order_of_a_leap_is_the_slope_of_its_error(name: str, order: int, kernel: str, options: dict[str, Any]) -> None:
    """KL is of second order in how far probabilities are off, where samples have the support of the data."""
    assert sampler(name).order == order
    variation, divergence = slopes(name, pair_of(kernel, MILD, **options), MILD, (12, 24))
    assert variation == pytest.approx(order, abs=0.15) and divergence == pytest.approx(2 * order, abs=0.3)


def test_words_that_data_lack_make_kl_of_first_order(x64: None) -> None:
    """It is then the share of samples that are no data; and where one place rules out symbols of another, the cut is hit."""
    for name in ANY:
        _, divergence = slopes(name, masked(BOUND), BOUND, (12, 24))
        assert divergence == pytest.approx(1.0, abs=0.15)


@eqx.filter_jit
def drawn(method: Any, pair: qs.Diffusion, times: jax.Array, keys: jax.Array) -> jax.Array:
    return jax.vmap(lambda key: qs.trajectory.reverse(method, pair, times, key=key, keep=False).x)(keys)


def kl_of_draws(method: Any, pair: qs.Diffusion, shares: np.ndarray, steps: int | None = None) -> float:
    """KL(samples || data) in units of its standard error, less what it is on average for exact draws."""
    n = pair.kernel.event.categories
    xs = np.asarray(drawn(method, pair, method.times(pair, steps), jr.split(jr.key(0), DRAWS)), np.int64)
    counts = np.bincount(xs @ n ** np.arange(PLACES - 1, -1, -1), minlength=len(shares))
    if counts[shares == 0].any():
        return math.inf
    there = (shares > 0) & (counts > 0)
    doubled = 2.0 * float(np.sum(counts[there] * np.log(counts[there] / DRAWS / shares[there])))
    freedom = int((shares > 0).sum()) - 1
    return (doubled - freedom) / math.sqrt(2.0 * freedom)


@pytest.mark.parametrize(("name", "options"), [("first-hitting", {}), ("confidence", {}), ("confidence", {"by": "entropy"})])
def test_one_place_at_each_call_is_exact(name: str, options: dict[str, Any]) -> None:
    """Also where a word that data lack is easily drawn, and in whatever order places come: three places, three calls."""
    assert kl_of_draws(sampler(name, **options), masked(BOUND), BOUND) < 4.0
    assert kl_of_draws(sampler(name, **options), masked(BOUND), BOUND, 2) > 50.0  # two places at once
    assert kl_of_draws(sampler("tau-leaping"), masked(BOUND), BOUND, 3) > 50.0


def test_a_loop_repairs_what_was_drawn_together() -> None:
    """Where time stands still words that data lack are masked again and drawn anew; without it remasking is tau-leaping."""
    pair = masked(BOUND)

    def wrong(method: Any) -> float:
        xs = np.asarray(drawn(method, pair, method.times(pair, 40), jr.split(jr.key(1), 4000)))
        return float(np.mean(BOUND.reshape(3, 3, 3)[tuple(xs.T)] == 0.0))

    never = wrong(sampler("remasking", schedule="cap", strength=0.0))
    assert never == pytest.approx(wrong(sampler("tau-leaping")), abs=0.015)
    assert wrong(sampler("remasking", schedule="loop", strength=0.05)) < 0.9 * never


@pytest.mark.parametrize("schedule", ["cap", "rescale", "loop"])
def test_remasking_keeps_the_distributions_of_all_times(schedule: Any) -> None:
    """As many places are masked as in the forward process."""
    pair, method = masked(MILD), sampler("remasking", schedule=schedule, strength=0.1)
    times = method.times(pair, 12)
    zs = jax.vmap(lambda key: qs.trajectory.reverse(method, pair, times, key=key).zs)(jr.split(jr.key(2), 4000))
    np.testing.assert_allclose(np.mean(np.asarray(zs) == 2, axis=(0, 2)), np.asarray(times), atol=0.02)


def test_the_network_is_called_as_often_as_is_said() -> None:
    pair = masked(MILD)
    model: Any = pair.model
    for name, steps, calls in (("first-hitting", 3, 3), ("first-hitting", 2, 2), ("trapezoidal", 3, 5), ("remasking", 4, 4)):
        method = sampler(name)
        times, before = method.times(pair, steps), len(model.calls)
        state = method.init(pair, key=jr.key(0))
        for number in range(len(times) - 1, 0, -1):
            state, _ = method.step(pair, state, times[number - 1], times[number], key=jr.key(number))
        x = method.finish(pair, state, times[0], key=jr.key(9))
        assert len(model.calls) - before == calls == method.calls(len(times)) and int(x.max()) < 2
    _, info = qs.sample(pair, 4, key=jr.key(0), sampler=sampler("first-hitting"), calls=50, return_info=True)
    assert (info.calls, info.deviations) == (3, ())


class Rare(qs.AbstractModel):
    """Of 17 symbols one has nearly all the probability, and each of the others one in a million."""

    def __call__(self, features: jax.Array, t: jax.Array, side: Any = None, *, key: Any = None) -> jax.Array:
        return jnp.broadcast_to(jnp.where(jnp.arange(17) == 0, 0.0, math.log(1e-6)), (*features.shape[:-1], 17))


@pytest.mark.parametrize("name", ["tau-leaping", "confidence"])
def test_what_is_rare_is_drawn_at_its_rate(name: str) -> None:
    kernel = qs.make("kernel", "absorbing", qs.Categorical((500,), 17), reference="uniform")
    xs = qs.sample(qs.Diffusion(kernel, Rare(), 2), 4000, key=jr.key(3), sampler=sampler(name), steps=2)
    assert np.sum(xs > 0) == pytest.approx(32, abs=5 * 5.7)


def test_temperature_and_top_p_are_deviations_that_are_named() -> None:
    pair, plain = masked(MILD), sampler("tau-leaping")
    z, t = jnp.array([2, 0, 2]), jnp.asarray(0.5)
    cold = np.asarray(sampler("tau-leaping", temperature=0.5).data(pair, z, t).mean())
    shares = np.asarray(plain.data(pair, z, t).mean())
    np.testing.assert_allclose(cold, shares**2 / (shares**2).sum(axis=-1, keepdims=True), rtol=1e-5)
    likely = np.asarray(sampler("tau-leaping", top_p=0.5).data(pair, z, t).mean())
    np.testing.assert_allclose(likely[0], [1.0, 0.0], atol=1e-6)
    _, info = qs.sample(pair, 4, key=jr.key(0), sampler=sampler("confidence", temperature=0.5, top_p=0.9), return_info=True)
    assert str(info).endswith("; not the model's: temperature 0.5, top-p 0.9")
    assert sampler("remasking", schedule="confidence").deviations == ("remasking by confidence",)


def test_a_leap_is_a_step_of_the_model_and_takes_bits() -> None:
    kernel = qs.make("kernel", "binomial", qs.Binary((5,)))
    model = qs.make("model", "dense", qs.Ports.of(kernel), key=jr.key(0), width=4, depth=1)
    pair, z, s, t = qs.Diffusion(kernel, model, 6), jnp.array([0.0, 1.0, 1.0, 0.0, 1.0]), jnp.asarray(0.3), jnp.asarray(0.5)
    found, wanted = sampler("tau-leaping").back(pair, z, s, t), pair.reverse(pair.params(z, t), z, s, t)
    np.testing.assert_allclose(found.mean(), wanted.mean(), rtol=1e-5)
    for name in ANY:
        xs = qs.sample(pair, 20, key=jr.key(1), sampler=sampler(name))
        assert xs.dtype == np.float32 and set(np.unique(xs)) <= {0.0, 1.0}
    with pytest.raises(TypeError, match=r"expected a kernel that masks symbols, .* `tau-leaping` and `trapezoidal` take all"):
        qs.sample(pair, 2, key=jr.key(0), sampler=sampler("first-hitting"))


@pytest.mark.parametrize("name", [*ANY, *MASKS])
def test_another_kernel_is_refused_with_what_fits(name: str) -> None:
    kernel = qs.make("kernel", "gaussian", qs.Real((2,)))
    model = qs.make("model", "dense", qs.Ports.of(kernel), key=jr.key(0), width=4, depth=1)
    with pytest.raises(TypeError, match="`ancestral` takes any"):
        qs.sample(qs.Diffusion(kernel, model, 4), 2, key=jr.key(0), sampler=sampler(name))
    ordered = qs.make("kernel", "absorbing", qs.Categorical((3,), 2), order="last-first")
    if name in MASKS:
        with pytest.raises(TypeError, match="one after another, `ancestral` is exact"):
            sampler(name).check(qs.Diffusion(ordered, qs.make("model", "dense", qs.Ports.of(ordered), key=jr.key(0), width=4), 4))


@pytest.mark.parametrize("name", MASKS)
def test_padding_stays_as_it_is(name: str) -> None:
    pair = masked(MILD)
    hidden = qs.Diffusion(pair.kernel.given({qs.PADDING: jnp.array([0.0, 1.0, 1.0])}), pair.model, 8)
    xs = np.asarray(drawn(sampler(name), hidden, jnp.array([0.25, 0.5, 1.0]), jr.split(jr.key(4), 200)))
    assert (xs[:, 1:] == 0).all() and set(np.unique(xs[:, 0])) == {0, 1}


def test_impossible_options_are_refused() -> None:
    with pytest.raises(qs.errors.RecipeError, match="loop_to: expected less than loop_from"):
        sampler("remasking", schedule="loop", loop_to=0.6)
