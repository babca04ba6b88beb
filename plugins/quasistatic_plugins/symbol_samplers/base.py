"""What samplers for symbols share: which pairs they take, where they start, what they draw from, and how data end."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

import quasistatic as qs
from quasistatic_plugins.symbol_samplers import AbstractOptions


class AbstractSymbolSampler(qs.AbstractSampler):
    """From the equilibrium back by what the network predicts of each place; the state is z unless a class adds to it."""

    options: eqx.AbstractVar[AbstractOptions]

    def check(self, diffusion: qs.Diffusion) -> None:
        finite(diffusion)

    @property
    def deviations(self) -> tuple[str, ...]:
        changes = {"temperature": self.options.temperature, "top-p": self.options.top_p}
        return tuple(f"{name} {value:g}" for name, value in changes.items() if value != 1.0)

    def init(self, diffusion: qs.Diffusion, *, key: jax.Array) -> Any:
        self.check(diffusion)
        return diffusion.kernel.equilibrium().sample(key)

    def finish(self, diffusion: qs.Diffusion, state: Any, t: jax.Array, *, key: jax.Array) -> Any:
        z = self.position(state)
        return self.sharpened(diffusion, diffusion.decode(diffusion.params(z, t), z, t)).sample(key)

    def data(self, diffusion: qs.Diffusion, z: Any, t: jax.Array) -> qs.Finite:
        """What is drawn from as data given z_t = z: one call of the network."""
        return self.sharpened(diffusion, diffusion.denoise(diffusion.params(z, t), z, t))

    def sharpened(self, diffusion: qs.Diffusion, data: qs.AbstractDistribution) -> qs.Finite:
        """The prediction at the temperature, without its tails. Raises TypeError where data are not symbols or bits."""
        if not isinstance(data, qs.distributions.AbstractDiscrete):
            raise TypeError(f"expected data with probabilities, got a {type(data).__name__}")
        log_probs, options = data.log_probabilities(), self.options
        if options.temperature != 1.0:
            log_probs = qs.numerics.log_normalise(log_probs / options.temperature)
        if options.top_p < 1.0:
            log_probs = _nucleus(log_probs, options.top_p)
        return qs.Finite(log_probs, finite(diffusion).event.dtype)


def finite(diffusion: qs.Diffusion) -> qs.FiniteKernel:
    """The kernel of a pair that these samplers take. Raises TypeError for another."""
    kernel = diffusion.kernel
    if not isinstance(kernel, qs.FiniteKernel):
        found = f"got {type(kernel).__name__} on {kernel.event.describe()}"
        raise TypeError(f"expected a kernel for symbols or bits in an event of one part, {found}; `ancestral` takes any kernel")
    return kernel


def _nucleus(log_probs: jax.Array, top_p: float) -> jax.Array:
    """Of each place the fewest values that have a probability of `top_p` together, (*event, n)."""
    order = jnp.argsort(-log_probs, axis=-1)
    ordered = jnp.exp(jnp.take_along_axis(log_probs, order, axis=-1))
    before = jnp.cumsum(ordered, axis=-1) - ordered
    ranks = jnp.argsort(order, axis=-1)
    is_kept = jnp.take_along_axis(before < top_p, ranks, axis=-1)
    return qs.numerics.log_normalise(jnp.where(is_kept, log_probs, qs.numerics.FLOOR))
