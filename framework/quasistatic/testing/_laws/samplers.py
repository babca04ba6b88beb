"""Laws of samplers, on two small diffusions whose distribution of data is known."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import ndtr

from quasistatic._process import trajectory
from quasistatic._process.diffusion import Diffusion, FirstStep
from quasistatic._process.distribution import Key, State, Time
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.model import AbstractModel, Side
from quasistatic._process.sample import SIZES
from quasistatic._process.sample import sample as sample_of
from quasistatic._process.sampler import AbstractSampler
from quasistatic._process.tree import Layout, take
from quasistatic.oracles import log_likelihood
from quasistatic.testing._law import PAPER, law
from quasistatic.testing._reading import Reading, faults, statistical, worst
from quasistatic.testing._setting import Setting, enumerate_states, layout_of, spread, types_of
from quasistatic.testing._tools.bench import Fading, Redraw, joined
from quasistatic.testing._tools.key_trace import key_faults
from quasistatic.testing._tools.statistics import chi_square, counts_of, kolmogorov_smirnov, scores

DRAWS = 16_384
# of unit length, in the plane of the events of a bench: normal events are normal along each
DIRECTIONS = np.stack([trig(np.pi * np.arange(4) / 4) for trig in (np.cos, np.sin)])


def _is_exact(sampler: AbstractSampler) -> bool:
    return sampler.is_exact


def _draws(sampler: AbstractSampler, setting: Setting) -> int:
    """Fewer of a sampler that carries many states for each."""
    return max(2048, DRAWS // sampler.states) * setting.draws_factor


def _benches() -> dict[str, AbstractKernel]:
    return {"symbols": Redraw(), "numbers": Fading()}


class _Echo(AbstractModel):
    """Params that are the side information itself."""

    def __call__(self, features: State, t: Time, side: Side | None = None, *, key: Key | None = None) -> State:
        return jnp.zeros((2, 1)) if side is None else side.value


def _normal_target(mean: float, steps: int) -> Diffusion:
    """A diffusion whose data are N(mean, 1) on every chain, as its side information says."""
    return Diffusion(Fading(), _Echo(), steps).given(jnp.full((2, 1), mean))


@eqx.filter_jit
def _paths(sampler: AbstractSampler, diffusion: Diffusion, times: jax.Array, keys: Key) -> trajectory.Path:
    return jax.vmap(lambda key: trajectory.reverse(sampler, diffusion, times, key=key))(keys)


@law(
    "sampler",
    "exact-on-normal",
    "Where every step back is exact the samples have the distribution of the data, along any direction and on any chain, and the "
    "states that a path shows are distributed as those of the forward process at the same times.",
    f"{PAPER}, section 2.2",
    when=_is_exact,
)
def exact_on_normal(sampler: AbstractSampler, setting: Setting) -> Reading:
    readings = []
    for steps in (1, 5):
        diffusion, mean = _normal_target(setting.params_scale, steps), np.full(2, setting.params_scale)
        times = diffusion.times()
        drawn = _paths(sampler, diffusion, times, setting.some_keys(50, _draws(sampler, setting)))
        # data and states, (events, T + 1, 2): all of unit variance, with means that fade
        seen = np.concatenate([np.asarray(drawn.x)[:, None], np.asarray(drawn.zs)], axis=1, dtype=np.float64)
        means = np.sqrt(1.0 - np.append(0.0, times))[:, None] * mean
        squares = seen[..., :, None] * seen[..., None, :]
        readings.append(statistical(scores(seen, means), f"the means, T = {steps}"))
        readings.append(statistical(scores(squares, np.eye(2) + means[:, :, None] * means[:, None]), f"the squares, T = {steps}"))
        readings.append(statistical(kolmogorov_smirnov((seen[:, 0] - mean) @ DIRECTIONS, ndtr), f"the distribution, T = {steps}"))
    return worst(readings)


@law(
    "sampler",
    "exact-on-finite",
    "The samples follow the reverse chain's distribution of data, which is enumerated, also for a network that is wrong, with side "
    "information and with either first step.",
    f"{PAPER}, section 2.2",
    when=_is_exact,
)
def exact_on_finite(sampler: AbstractSampler, setting: Setting) -> Reading:
    readings = []
    chains: tuple[tuple[int, FirstStep], ...] = ((1, "learned"), (4, "learned"), (4, "paper"))
    for steps, first_step in chains:
        diffusion = setting.diffusion_with_side_information(Redraw(), 4, first_step)
        xs, _ = enumerate_states(diffusion.kernel)
        shares = np.exp(log_likelihood(diffusion, xs, diffusion.times(steps)))
        drawn = _paths(sampler, diffusion, diffusion.times(steps), setting.some_keys(51, _draws(sampler, setting)))
        score = chi_square(counts_of(drawn.x, xs), shares / shares.sum())
        readings.append(statistical(score, f"T = {steps}, first step {first_step}"))
    return worst(readings)


@law("sampler", "events", "Samples are events, and event i depends on the key and i alone, not on how many are drawn.")
def events(sampler: AbstractSampler, setting: Setting) -> Reading:
    bad = []
    for name, kernel in _benches().items():
        diffusion, count = setting.diffusion_with_random_network(kernel, 3), SIZES[0] + 44
        many, few = (sample_of(diffusion, n, key=setting.key(52), sampler=sampler) for n in (count, 2))
        if many.shape != (count, 2) or not np.all(np.isfinite(many)):
            bad.append(f"{name}: samples of shape {many.shape}, or not finite")
        elif not np.array_equal(many[:2], few):
            bad.append(f"{name}: event 0 or 1 changes with the number of samples")
        elif np.all(many == many[0]):
            bad.append(f"{name}: all samples are equal")
    return faults(bad)


@law("sampler", "batches", "An event alone, in a batch, and in a batch spread over all devices is the same event.", float64=True)
def batches(sampler: AbstractSampler, setting: Setting) -> Reading:
    readings = []
    for name, kernel in _benches().items():
        diffusion, keys = setting.diffusion_with_random_network(kernel, 3), setting.some_keys(53, 4 * jax.device_count())
        times = diffusion.times()
        whole = np.asarray(_paths(sampler, diffusion, times, keys).x, np.float64)
        others = {
            "alone": _paths(sampler, diffusion, times, keys[:1]).x,
            "on many devices": _paths(sampler, diffusion, times, spread(keys)).x,
        }
        gaps = {where: np.max(np.abs(whole[: len(x)] - np.asarray(x, np.float64))) for where, x in others.items()}
        readings += [Reading(float(gap), 1e-9, "in a number", f"{name}, {where}") for where, gap in gaps.items()]
    return worst(readings)


@law(
    "sampler",
    "path",
    "A path has one noisy state for each of the T times, each of the type of the equilibrium's, and data as the event declares.",
)
def path(sampler: AbstractSampler, setting: Setting) -> Reading:
    bad = []
    for name, kernel in {**_benches(), "three parts": joined()}.items():
        z = layout_of(kernel.equilibrium().sample(setting.key(0)))
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


@law("sampler", "info", "What a step reports are scalars, under the same names at every step and on every kernel.")
def info(sampler: AbstractSampler, setting: Setting) -> Reading:
    found = {}
    for name, kernel in _benches().items():
        diffusion = setting.diffusion_with_random_network(kernel, 3)
        times = diffusion.times()
        state = sampler.init(diffusion, key=setting.key(55))
        for early in (1, 0):  # outside of a loop, which would hide a difference
            step_key = setting.key(56 + early)
            state, reported = sampler.step(diffusion, state, times[early], times[early + 1], key=step_key)
            found[f"{name}, step {early + 1}"] = {key: jnp.shape(value) for key, value in reported.items()}
    wanted = dict.fromkeys(next(iter(found.values())), ())
    return faults(f"{where}: {shapes}, expected {wanted}" for where, shapes in found.items() if shapes != wanted)


@law("sampler", "keys", "A key is split once, drawn from once, or folded with different numbers.", once=True)
def keys(sampler: AbstractSampler, setting: Setting) -> Reading:
    bad = []
    for diffusion in (setting.diffusion_with_random_network(Redraw(), 3), _normal_target(setting.params_scale, 3)):
        times = diffusion.times()
        bad += key_faults(lambda key, d=diffusion, t=times: trajectory.reverse(sampler, d, t, key=key).x, setting.key(0))
    return faults(bad)
