"""What samplers for Gaussian noise share: which pairs they take, where they start, how data end, and their times."""

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import quasistatic as qs
from quasistatic_plugins.gaussian_samplers import AbstractOptions


class AbstractGaussianSampler(qs.AbstractSampler):
    """From the equilibrium through the times by what the network predicts of the data; the state is z unless a class remembers."""

    options: eqx.AbstractVar[AbstractOptions]

    def check(self, diffusion: qs.Diffusion) -> None:
        gaussian(diffusion)

    def calls(self, steps: int) -> int:
        return super().calls(steps) - (1 if self.options.analytic and steps > 1 else 0)

    def steps_within(self, calls: int) -> int:
        return super().steps_within(calls + 1 if self.options.analytic else calls)

    def start_of_step(self, diffusion: qs.Diffusion, z: jax.Array, t: jax.Array) -> jax.Array:
        """E[x given z_t = z] where a step starts; of the first step without the network, if the options say so.

        Source: Dockhorn, Vahdat & Kreis 2022, section 3.2, for data of any mean and variance.
        """
        if not self.options.analytic:
            return diffusion.mean(z, t)
        plain = replace(diffusion, model=_Zeros(diffusion.kernel.zero_params()), guidance=None)
        return jax.lax.cond(t < 1.0, lambda: diffusion.mean(z, t), lambda: plain.mean(z, t))

    def init(self, diffusion: qs.Diffusion, *, key: jax.Array) -> Any:
        self.check(diffusion)
        return diffusion.kernel.equilibrium().sample(key)

    def finish(self, diffusion: qs.Diffusion, state: Any, t: jax.Array, *, key: jax.Array) -> Any:
        z = self.position(state)
        if self.options.data == "mean":
            return diffusion.mean(z, t)
        return diffusion.decode(diffusion.params(z, t), z, t).sample(key)

    def times(self, diffusion: qs.Diffusion, steps: Any = None) -> jax.Array:
        natural = diffusion.times(steps)
        if self.options.grid == "natural" or np.ndim(steps) > 0:
            return natural
        # no time is earlier than the network was trained at
        first = float(diffusion.times()[0])
        return qs.grids.spaced(gaussian(diffusion), len(natural), self.options.grid, first=first, rho=self.options.rho)


class _Zeros(qs.AbstractModel):
    """The network that knows nothing."""

    params: Any

    def __call__(self, features: Any, t: jax.Array, side: Any = None, *, key: jax.Array | None = None) -> Any:
        return self.params


def gaussian(diffusion: qs.Diffusion) -> qs.AbstractGaussianPath:
    """The kernel of a pair that these samplers take. Raises TypeError for another."""
    kernel = diffusion.kernel
    if not isinstance(kernel, qs.AbstractGaussianPath):
        what = f"an AbstractGaussianPath, got {type(kernel).__name__}"
    elif isinstance(kernel.event, qs.Measured):
        what = "of numbers or levels, got one of measured values, whose noise is not that of the data alone"
    else:
        return kernel
    raise TypeError(f"expected a kernel with Gaussian noise, {what}; the sampler `ancestral` takes any kernel")


def half_log_snr(kernel: qs.AbstractGaussianPath, t: jax.Array) -> jax.Array:
    """log a / d, a scalar or of the shape of the event."""
    return 0.5 * kernel.log_snr(t)


def gap(later: jax.Array, earlier: jax.Array) -> jax.Array:
    """How far log a / d rises from one to another, never 0, so that it may be divided by; inf to or from an end of time."""
    return jnp.where(later == earlier, jnp.finfo(jnp.result_type(float)).tiny, later - earlier)
