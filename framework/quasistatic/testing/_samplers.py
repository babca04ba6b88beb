"""Laws of samplers, on two small diffusions whose law of data is known."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic import trajectory
from quasistatic._diffusion import Diffusion
from quasistatic._kernel import AbstractKernel
from quasistatic._sample import sample as sample_of
from quasistatic._sampler import AbstractSampler
from quasistatic.testing._bench import Fading, Redraw
from quasistatic.testing._key_trace import key_faults
from quasistatic.testing._law import Reading, worst
from quasistatic.testing._reversal import model_law
from quasistatic.testing._setting import Constant, arbitrary, listed
from quasistatic.testing._statistics import LIMIT, chi_square, counts_of, moments, scores

DRAWS = 16_384


def _normal_target(steps: int) -> Diffusion:
    """A diffusion whose law of data is N(0.7, 1) on every chain."""
    kernel = Fading()
    return Diffusion(kernel, Constant(jnp.full((2, 1), 0.7)), steps)


def exact_on_normal(sampler: AbstractSampler) -> Reading:
    """Where every step back is exact the samples have the moments of the data, on any chain."""
    readings = []
    for steps in (1, 5):
        xs = sample_of(sampler, _normal_target(5), DRAWS, jr.key(50), steps)
        mean = np.full(2, 0.7)
        wanted = np.concatenate([mean, (np.eye(2) + np.outer(mean, mean)).ravel()])
        readings.append(Reading(scores(jax.vmap(moments)(xs), wanted), LIMIT, "standard errors", f"T = {steps}"))
    return worst(readings)


def exact_on_finite(sampler: AbstractSampler) -> Reading:
    """The samples follow the law of data of the reverse chain, which is enumerated, also for a network that is wrong."""
    readings = []
    for steps in (1, 4):
        diffusion = arbitrary(Redraw(), 4)
        xs, zs = listed(Redraw())
        law = model_law(diffusion, xs, zs, diffusion.times(steps))
        drawn = sample_of(sampler, diffusion, DRAWS, jr.key(51), steps)
        figure = chi_square(counts_of(drawn, xs), np.asarray(law / law.sum()))
        readings.append(Reading(figure, LIMIT, "standard errors", f"T = {steps}"))
    return worst(readings)


def events(sampler: AbstractSampler) -> Reading:
    """Samples are events, and event i depends on the key and i alone, not on how many are drawn."""
    bad = []
    kernels: list[AbstractKernel] = [Redraw(), Fading()]
    for kernel in kernels:
        diffusion, name = arbitrary(kernel, 3), type(kernel).__name__
        many, few = (sample_of(sampler, diffusion, count, jr.key(52)) for count in (300, 2))
        if many.shape != (300, *kernel.event.shape) or not np.all(np.isfinite(many)):
            bad.append(f"{name}: samples of shape {many.shape}, or not finite")
        elif not np.array_equal(many[:2], few):
            bad.append(f"{name}: event 0 or 1 changes with the number of samples")
        elif np.all(many == many[0]):
            bad.append(f"{name}: all samples are equal")
    return Reading(float(len(bad)), 0.0, "faults", "; ".join(bad))


def keys(sampler: AbstractSampler) -> Reading:
    """A key is split once, drawn from once, or folded with different numbers."""
    faults = []
    for diffusion in (arbitrary(Redraw(), 3), _normal_target(3)):
        times = diffusion.times()
        faults += key_faults(lambda key, d=diffusion, t=times: trajectory.reverse(sampler, d, t, key).x, jr.key(0))
    return Reading(float(len(faults)), 0.0, "faults", "; ".join(faults))
