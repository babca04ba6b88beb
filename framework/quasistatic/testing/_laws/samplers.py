"""Laws of samplers, on small kernels, for diffusions whose distribution of data is known."""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import ndtr

from quasistatic._process import trajectory
from quasistatic._process.diffusion import Diffusion, FirstStep
from quasistatic._process.distribution import Key, State, Time
from quasistatic._process.finite import FiniteKernel
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.model import AbstractModel, Side
from quasistatic._process.normal import Normal
from quasistatic._process.sample import SIZES
from quasistatic._process.sample import sample as sample_of
from quasistatic._process.sampler import AbstractSampler
from quasistatic._process.tree import Layout, take
from quasistatic.oracles import log_likelihood
from quasistatic.testing._law import PAPER, law
from quasistatic.testing._reading import LIMIT, Reading, faults, statistical, worst
from quasistatic.testing._setting import Setting, enumerate_states, layout_of, spread, types_of
from quasistatic.testing._tools.bench import Masked, OneVariance, Redraw, benches, joined, on_those_taken, tried_on_all
from quasistatic.testing._tools.key_trace import key_faults
from quasistatic.testing._tools.statistics import chi_square, counts_of, kolmogorov_smirnov, scores

DRAWS = 16_384
# of unit length, in the plane of the first two elements: normal events are normal along each
DIRECTIONS = np.stack([trig(np.pi * np.arange(4) / 4) for trig in (np.cos, np.sin)])
# steps of a chain that is long enough for any sampler, and how far its draws may then be off, in deviations of the data
LONG, FAR_OFF = 256, 0.05
# chains of the exact laws: one step, two, an odd number, an even one, and many
CHAINS = {"numbers": (1, 2, 5, 40), "Gaussian path": (1, 3)}


def _kernels() -> dict[str, AbstractKernel]:
    """The benches, and one for samplers of masked places."""
    return {**benches(), "masked symbols": Masked()}


def _is_exact(sampler: AbstractSampler) -> bool:
    return sampler.is_exact


def _draws(sampler: AbstractSampler, setting: Setting) -> int:
    """Fewer of a sampler that carries many states for each."""
    return max(2048, DRAWS // sampler.states) * setting.draws_factor


class _Echo(AbstractModel):
    """Params that are the side information itself."""

    zero: State

    def __call__(self, features: State, t: Time, side: Side | None = None, *, key: Key | None = None) -> State:
        return self.zero if side is None else side.value


def _known_target(kernel: AbstractKernel, params: State, steps: int) -> Diffusion:
    """A diffusion whose network is right: it says these params everywhere, which its side information tells it."""
    return Diffusion(kernel, _Echo(kernel.zero_params()), steps).given(params)


def _normal_target(kernel: AbstractKernel, mean: float, steps: int) -> Diffusion:
    """A diffusion whose data are normal around `mean` on every chain, with the variances of the reference."""
    return _known_target(kernel, jnp.full_like(kernel.zero_params(), mean), steps)


@eqx.filter_jit
def _paths(sampler: AbstractSampler, diffusion: Diffusion, times: jax.Array, keys: Key) -> trajectory.Path:
    return jax.vmap(lambda key: trajectory.reverse(sampler, diffusion, times, key=key))(keys)


@law(
    "sampler",
    "taken",
    "There is a kernel that the sampler takes: symbols, masked ones, numbers or a Gaussian path. What it does not take it refuses "
    "with a TypeError of its own.",
    once=True,
    unseen="Kernels of other kinds, which it may take and walk wrongly.",
)
def taken(sampler: AbstractSampler, setting: Setting) -> Reading:
    def tried(name: str, kernel: AbstractKernel) -> Reading:
        diffusion = setting.diffusion_with_random_network(kernel, 3)
        jax.eval_shape(lambda: trajectory.reverse(sampler, diffusion, diffusion.times(), key=setting.key(0)).x)
        return faults([])

    return worst(tried_on_all(tried, _kernels()))


@law(
    "sampler",
    "exact-on-normal",
    "Where every step back is exact the samples have the distribution of the data, along any direction and on any chain, and the "
    "states that a path shows are distributed as those of the forward process at the same times.",
    f"{PAPER}, section 2.2",
    when=_is_exact,
    unseen="A sampler that does not claim to be exact; a fault in how two directions depend on each other in higher moments.",
)
def exact_on_normal(sampler: AbstractSampler, setting: Setting) -> Reading:
    def on(name: str, kernel: AbstractKernel) -> Reading:
        return worst(reading for steps in CHAINS.get(name, ()) for reading in _off_normal(sampler, setting, name, kernel, steps))

    return worst(on_those_taken(on, {name: kernel for name, kernel in benches().items() if name in CHAINS}))


def _off_normal(sampler: AbstractSampler, setting: Setting, name: str, kernel: AbstractKernel, steps: int) -> list[Reading]:
    diffusion, mean, size = _normal_target(kernel, setting.params_scale, steps), setting.params_scale, kernel.event.size
    times, where = diffusion.times(), f"{name}, T = {steps}"
    drawn = _paths(sampler, diffusion, times, setting.some_keys(50, 2 * _draws(sampler, setting) // size))
    # data and states, (events, T + 1, size), whose means fade; and the standard deviation of each
    seen = np.concatenate([np.asarray(drawn.x)[:, None], np.asarray(drawn.zs)], axis=1, dtype=np.float64)
    spread, (means, variances) = _variance(kernel), _carried(kernel, mean, times)
    levels = (seen[:, 0, :2] - mean) @ DIRECTIONS / spread**0.5
    wanted = variances[:, None, None] * np.eye(size) + means[:, None, None] ** 2
    return [
        statistical(scores(seen, np.broadcast_to(means[:, None], seen.shape[1:])), f"the means, {where}"),
        statistical(scores(seen[..., :, None] * seen[..., None, :], wanted), f"the squares, {where}"),
        statistical(kolmogorov_smirnov(levels, ndtr), f"the distribution, {where}"),
    ]


def _variance(kernel: AbstractKernel) -> float:
    """Of each element of the data that zero params reverse."""
    reference = kernel.reference()
    return float(np.mean(np.asarray(reference.variance))) if isinstance(reference, Normal | OneVariance) else math.nan


def _carried(kernel: AbstractKernel, mean: float, times: jax.Array) -> tuple[np.ndarray, np.ndarray]:
    """Means and variances, (T + 1,), of an element of normal data and of its states."""

    def at(x: float) -> tuple[np.ndarray, np.ndarray]:
        marginal: Any = jax.vmap(lambda t: kernel.marginal(jnp.full(kernel.event.structs.shape, x), t))(times)
        locs, variances = (np.asarray(leaf, np.float64).reshape(len(times), -1)[:, 0] for leaf in (marginal.loc, marginal.variance))
        return locs, variances

    signal, noise = at(1.0)
    return np.append(mean, signal * mean), np.append(_variance(kernel), signal**2 * _variance(kernel) + noise)


@law(
    "sampler",
    "exact-on-finite",
    "The samples follow the reverse chain's distribution of data, which is enumerated, also for a network that is wrong, with side "
    "information and without, with either first step, on chains of one step, of few and of many.",
    f"{PAPER}, section 2.2",
    when=_is_exact,
    unseen="A sampler that does not claim to be exact; kernels whose states cannot be enumerated.",
)
def exact_on_finite(sampler: AbstractSampler, setting: Setting) -> Reading:
    chains: tuple[tuple[int, FirstStep, bool], ...]
    chains = ((1, "learned", True), (2, "paper", True), (4, "learned", True), (15, "learned", False))

    def on(name: str, kernel: AbstractKernel) -> Reading:
        readings = []
        for steps, first_step, present in chains:
            diffusion = setting.diffusion_with_side_information(kernel, 4, first_step, present)
            xs, _ = enumerate_states(kernel)
            shares = np.exp(log_likelihood(diffusion, xs, diffusion.times(steps)))
            drawn = _paths(sampler, diffusion, diffusion.times(steps), setting.some_keys(51, _draws(sampler, setting)))
            score = chi_square(counts_of(drawn.x, xs), shares / shares.sum())
            side = "" if present else ", side information absent"
            readings.append(statistical(score, f"T = {steps}, first step {first_step}{side}"))
        return worst(readings)

    return worst(on_those_taken(on, {"symbols": Redraw()}))


@law(
    "sampler",
    "long-chain",
    f"Where the network is right, draws of a chain of {LONG} steps are the data's, to {FAR_OFF:g} of their deviation and to as "
    "much of their shares, on every kernel that the sampler takes.",
    when=lambda sampler: not sampler.is_exact,
    unseen="How far short chains are off, and how fast the error falls with T; a network that is wrong.",
)
def long_chain(sampler: AbstractSampler, setting: Setting) -> Reading:
    def on(name: str, kernel: AbstractKernel) -> Reading:
        params = jnp.full_like(kernel.zero_params(), setting.params_scale)
        if isinstance(kernel, FiniteKernel):
            params = setting.params(kernel, 57)
        diffusion = _known_target(kernel, params, LONG)
        drawn = _paths(sampler, diffusion, diffusion.times(), setting.some_keys(58, _draws(sampler, setting))).x
        found = _features(kernel, np.asarray(drawn, np.float64))
        wanted, unit = _features_of_data(kernel, params)
        noise = LIMIT * found.std(axis=0) / len(found) ** 0.5
        gaps = np.maximum(0.0, np.abs(found.mean(axis=0) - wanted) - noise) / unit
        return Reading(float(np.max(gaps)), FAR_OFF, "of the data's deviation", name)

    return worst(on_those_taken(on, _kernels()))


def _features(kernel: AbstractKernel, xs: np.ndarray) -> np.ndarray:
    """Which symbol each element is, or numbers and their squares, (events, features)."""
    rows = xs.reshape(len(xs), -1)
    if isinstance(kernel, FiniteKernel):
        return (rows[:, :, None] == np.arange(kernel.data_states)).reshape(len(xs), -1).astype(np.float64)
    return np.concatenate([rows, rows**2], axis=1)


def _features_of_data(kernel: AbstractKernel, params: State) -> tuple[np.ndarray, float]:
    """Their means over data of independent elements that the params declare, and the unit of these."""
    if isinstance(kernel, FiniteKernel):
        return np.asarray(jax.nn.softmax(kernel.log_reference() + params)).ravel(), 1.0
    means, variance = np.asarray(params, np.float64).ravel(), _variance(kernel)
    return np.concatenate([means, means**2 + variance]), variance**0.5 * (1.0 + float(np.max(np.abs(means))))


@law(
    "sampler",
    "events",
    "Samples are events, and event i depends on the key and i alone, not on how many are drawn.",
    unseen="Samples that depend on how many there are beyond two blocks.",
)
def events(sampler: AbstractSampler, setting: Setting) -> Reading:
    def on(name: str, kernel: AbstractKernel) -> Reading:
        diffusion, count = setting.diffusion_with_random_network(kernel, 3), SIZES[0] + 44
        many, few = (sample_of(diffusion, n, key=setting.key(52), sampler=sampler) for n in (count, 2))
        if many.shape != (count, *kernel.event.structs.shape) or not np.all(np.isfinite(many)):
            return faults([f"{name}: samples of shape {many.shape}, or not finite"])
        if not np.array_equal(many[:2], few):
            return faults([f"{name}: event 0 or 1 changes with the number of samples"])
        return faults([f"{name}: all samples are equal"] if np.all(many == many[0]) else [])

    return worst(on_those_taken(on, _kernels()))


@law(
    "sampler",
    "batches",
    "An event alone, in a batch, and in a batch spread over all devices is the same event.",
    float64=True,
    unseen="What differs by less than 1e-9.",
)
def batches(sampler: AbstractSampler, setting: Setting) -> Reading:
    def on(name: str, kernel: AbstractKernel) -> Reading:
        diffusion, keys = setting.diffusion_with_random_network(kernel, 3), setting.some_keys(53, 4 * jax.device_count())
        times = diffusion.times()
        whole = np.asarray(_paths(sampler, diffusion, times, keys).x, np.float64)
        others = {
            "alone": _paths(sampler, diffusion, times, keys[:1]).x,
            "on many devices": _paths(sampler, diffusion, times, spread(keys)).x,
        }
        gaps = {where: np.max(np.abs(whole[: len(x)] - np.asarray(x, np.float64))) for where, x in others.items()}
        return worst(Reading(float(gap), 1e-9, "in a number", f"{name}, {where}") for where, gap in gaps.items())

    return worst(on_those_taken(on, _kernels()))


@law(
    "sampler",
    "path",
    "A path has one noisy state for each of the T times, each of the type of the equilibrium's, and data as the event declares.",
    unseen="Whether the states are those of a process: `exact-on-normal` looks at them.",
)
def path(sampler: AbstractSampler, setting: Setting) -> Reading:
    def on(name: str, kernel: AbstractKernel) -> Reading:
        z, bad = layout_of(kernel.equilibrium().sample(setting.key(0))), []
        for steps in (1, 4):
            diffusion = setting.diffusion_with_random_network(kernel, steps)
            drawn = jax.eval_shape(lambda d=diffusion: trajectory.reverse(sampler, d, d.times(), key=setting.key(54)))
            # one of T states: a slice of the leading axis
            states = jax.eval_shape(lambda zs: take(zs, 0), drawn.zs)
            count = {leaf.shape[0] for leaf in jax.tree.leaves(drawn.zs)}
            found, wanted = (Layout.of(tree) for tree in (drawn.x, kernel.event.structs))
            if count != {steps} or Layout.of(states) != z or found != wanted:
                bad.append(f"{name}, T = {steps}: states {types_of(drawn.zs)}, data {types_of(drawn.x)}")
        return faults(bad, "wrong types or shapes")

    return worst(on_those_taken(on, {**_kernels(), "three parts": joined()}))


@law(
    "sampler",
    "info",
    "What a step reports are scalars, under the same names at every step and on every kernel.",
    unseen="What the values mean.",
)
def info(sampler: AbstractSampler, setting: Setting) -> Reading:
    found: dict[str, dict[str, tuple[int, ...]]] = {}

    def on(name: str, kernel: AbstractKernel) -> Reading:
        diffusion = setting.diffusion_with_random_network(kernel, 3)
        times = diffusion.times()
        state = sampler.init(diffusion, key=setting.key(55))
        for early in (1, 0):  # outside of a loop, which would hide a difference
            step_key = setting.key(56 + early)
            state, reported = sampler.step(diffusion, state, times[early], times[early + 1], key=step_key)
            found[f"{name}, step {early + 1}"] = {key: jnp.shape(value) for key, value in reported.items()}
        wanted = dict.fromkeys(next(iter(found.values())), ())
        return faults(f"{where}: {shapes}, expected {wanted}" for where, shapes in found.items() if shapes != wanted)

    return worst(on_those_taken(on, _kernels()))


@law(
    "sampler",
    "keys",
    "A key is split once, drawn from once, or folded with different numbers.",
    once=True,
    unseen="Keys that are made while a program is compiled.",
)
def keys(sampler: AbstractSampler, setting: Setting) -> Reading:
    def on(name: str, kernel: AbstractKernel) -> Reading:
        diffusion = setting.diffusion_with_random_network(kernel, 3)
        times = diffusion.times()
        return faults(key_faults(lambda key: trajectory.reverse(sampler, diffusion, times, key=key).x, setting.key(0)))

    return worst(on_those_taken(on, _kernels()))
