"""Classifier-free guidance: params are moved away from those of a network that does not know the side information."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from quasistatic._process.distribution import Key, State, Time
from quasistatic._process.gaussian import AbstractGaussianPath
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.model import AbstractModel, Side


class Guidance(eqx.Module):
    """(1 + w) params(side y) - w params(without), in the quantity that the kernel's `guided` names, for a `weight` w.

    At each time alone that is the distribution of data p(x given z) p(y given x, z)^(1 + w), or its mean, with elements taken as
    independent. The samples are not draws of p(x) p(y given x)^(1 + w): noising that distribution does not give the guided
    distributions of the times before, so that they depend on the chain too (Bradley & Nakkiran 2024). They are exact draws of
    the guided pair, and K of that pair is a bound on their log-likelihood. The sampler `particles` weighs them by how the product
    differs, and so draws from p(x) p(y given x)^(1 + w) / Z itself: see `Diffusion.factors`.

    Source: Ho & Salimans 2022, whose w is this one; with another network in the place of the own one, Karras et al. 2024; on an
    interval of noise levels, Kynkaanniemi et al. 2024.
    """

    weight: Float[Array, ""]
    without: AbstractModel | None
    negative: State | None = None
    interval: tuple[float, float] | None = eqx.field(static=True, default=None)

    def weight_at(self, kernel: AbstractKernel, t: Time) -> Float[Array, ""]:
        """w at time t: 0 where the log-SNR, or its mean over elements, is outside of `interval`."""
        if self.interval is None:
            return self.weight
        assert isinstance(kernel, AbstractGaussianPath)
        log_snr = jnp.mean(kernel.log_snr(t))
        return jnp.where((log_snr >= self.interval[0]) & (log_snr <= self.interval[1]), self.weight, 0.0)

    def params(self, model: AbstractModel, features: State, t: Time, side: Side | None, *, key: Key | None) -> State:
        """The params to move away from."""
        network, read = self.other(model, side)
        return network(features, t, read, key=key)

    def other(self, model: AbstractModel, side: Side | None) -> tuple[AbstractModel, Side | None]:
        """The network to move away from and what it reads: `model` without side information, or with another, or `without`.

        That one reads the side information too, if it was built to.
        """
        if self.without is not None:
            return self.without, side
        assert side is not None
        if self.negative is not None:
            return model, Side(self.negative, jnp.asarray(True))
        return model, Side(jax.tree.map(jnp.zeros_like, side.value), jnp.zeros_like(side.present))
