"""Laws of samplers, on two small diffusions whose law of data is known."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic import trajectory
from quasistatic._diffusion import Diffusion
from quasistatic._distribution import Key
from quasistatic._kernel import AbstractKernel
from quasistatic._sample import CHUNK
from quasistatic._sample import sample as sample_of
from quasistatic._sampler import AbstractSampler
from quasistatic.testing._bench import Fading, Redraw
from quasistatic.testing._key_trace import key_faults
from quasistatic.testing._law import Reading, faults, statistical, worst
from quasistatic.testing._reversal import model_law
from quasistatic.testing._setting import Constant, Setting, in_float64, listed, spread
from quasistatic.testing._statistics import chi_square, counts_of, moments, scores

DRAWS = 16_384


def _normal_target(mean: float, steps: int) -> Diffusion:
    """A diffusion whose law of data is N(mean, 1) on every chain."""
    return Diffusion(Fading(), Constant(jnp.full((2, 1), mean)), steps)


def exact_on_normal(sampler: AbstractSampler, setting: Setting) -> Reading:
    """Where every step back is exact the samples have the moments of the data, on any chain."""
    readings = []
    for steps in (1, 5):
        xs = sample_of(sampler, _normal_target(setting.size, 5), DRAWS * setting.more, setting.key(50), steps)
        mean = np.full(2, setting.size)
        wanted = np.concatenate([mean, (np.eye(2) + np.outer(mean, mean)).ravel()])
        readings.append(statistical(scores(jax.vmap(moments)(xs), wanted), f"T = {steps}"))
    return worst(readings)


def exact_on_finite(sampler: AbstractSampler, setting: Setting) -> Reading:
    """The samples follow the law of data of the reverse chain, which is enumerated, also for a network that is wrong."""
    readings = []
    for steps in (1, 4):
        diffusion = setting.wrong(Redraw(), 4)
        xs, _ = listed(diffusion.kernel)
        law = model_law(diffusion, diffusion.times(steps))
        drawn = sample_of(sampler, diffusion, DRAWS * setting.more, setting.key(51), steps)
        readings.append(statistical(chi_square(counts_of(drawn, xs), np.asarray(law / law.sum())), f"T = {steps}"))
    return worst(readings)


def events(sampler: AbstractSampler, setting: Setting) -> Reading:
    """Samples are events, and event i depends on the key and i alone, not on how many are drawn."""
    bad = []
    kernels: list[AbstractKernel] = [Redraw(), Fading()]
    for kernel in kernels:
        diffusion, name = setting.wrong(kernel, 3), type(kernel).__name__
        many, few = (sample_of(sampler, diffusion, count, setting.key(52)) for count in (CHUNK + 44, 2))
        if many.shape != (CHUNK + 44, *kernel.event.shape) or not np.all(np.isfinite(many)):
            bad.append(f"{name}: samples of shape {many.shape}, or not finite")
        elif not np.array_equal(many[:2], few):
            bad.append(f"{name}: event 0 or 1 changes with the number of samples")
        elif np.all(many == many[0]):
            bad.append(f"{name}: all samples are equal")
    return faults(bad)


@eqx.filter_jit
def _paths(sampler: AbstractSampler, diffusion: Diffusion, times: jax.Array, keys: Key) -> trajectory.Path:
    return jax.vmap(lambda key: trajectory.reverse(sampler, diffusion, times, key))(keys)


@in_float64
def batches(sampler: AbstractSampler, setting: Setting) -> Reading:
    """An event alone, in a batch, and in a batch spread over all devices is the same event."""
    readings = []
    for kernel in (Redraw(), Fading()):
        diffusion, keys = setting.wrong(kernel, 3), jr.split(setting.key(53), 4 * jax.device_count())
        times = diffusion.times()
        whole = np.asarray(_paths(sampler, diffusion, times, keys).x, np.float64)
        others = {
            "alone": _paths(sampler, diffusion, times, keys[:1]).x,
            "in a smaller batch": _paths(sampler, diffusion, times, keys[:3]).x,
            "on many devices": _paths(sampler, diffusion, times, spread(keys)).x,
        }
        gaps = {name: np.max(np.abs(whole[: len(x)] - np.asarray(x, np.float64))) for name, x in others.items()}
        readings += [Reading(float(gap), 1e-9, "in a figure", f"{type(kernel).__name__}, {name}") for name, gap in gaps.items()]
    return worst(readings)


def path(sampler: AbstractSampler, setting: Setting) -> Reading:
    """A path has one noisy state for each of the T times, each of the type of the first, and data of the type of data."""
    bad = []
    for kernel in (Redraw(), Fading()):
        wanted_z, wanted_x = kernel.equilibrium().sample(setting.key(0)), kernel.reference().sample(setting.key(0))
        for steps in (1, 4):
            diffusion, name = setting.wrong(kernel, steps), f"{type(kernel).__name__}, T = {steps}"
            drawn = trajectory.reverse(sampler, diffusion, diffusion.times(), setting.key(54))
            wanted = (wanted_z.dtype, (steps, *wanted_z.shape), wanted_x.dtype, wanted_x.shape)
            found = (drawn.zs.dtype, drawn.zs.shape, drawn.x.dtype, drawn.x.shape)
            if found != wanted:
                bad.append(f"{name}: types and shapes of states and data {found}, expected {wanted}")
    return faults(bad)


def keys(sampler: AbstractSampler, setting: Setting) -> Reading:
    """A key is split once, drawn from once, or folded with different numbers."""
    bad = []
    for diffusion in (setting.wrong(Redraw(), 3), _normal_target(setting.size, 3)):
        times = diffusion.times()
        bad += key_faults(lambda key, d=diffusion, t=times: trajectory.reverse(sampler, d, t, key).x, setting.key(0))
    return faults(bad)
