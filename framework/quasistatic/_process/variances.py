"""Variances of the steps back that were measured, in the place of those that the kernel or the network gives."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from quasistatic._process.distribution import AbstractDistribution, State, Time
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.normal import Normal, mean_of


class FittedVariances(eqx.Module):
    """Squared `errors` (M, *event) of E[x given z_t] at `times` (M,), for Gaussian noise: the best variances that are constants.

    Source: Bao et al. 2022, for separate elements.
    """

    times: Float[Array, " M"]
    errors: Float[Array, " M *event"]

    def _error(self, t: Time) -> jax.Array:
        columns = self.errors.reshape(len(self.errors), -1)
        return jax.vmap(lambda column: jnp.interp(t, self.times, column), 1)(columns).reshape(self.errors.shape[1:])

    def of_data(self, data: AbstractDistribution, t: Time) -> AbstractDistribution:
        """p(x given z_t) of real data with the fitted variance; of other data as it is."""
        return Normal(data.loc, self._error(t)) if isinstance(data, Normal) else data

    def normal(self, data: AbstractDistribution, t: Time) -> Normal:
        """The mean of p(x given z_t), with the fitted variance."""
        return Normal(mean_of(data), self._error(t))

    def average(self, kernel: AbstractKernel, data: AbstractDistribution, z: State, s: Time, t: Time) -> Normal:
        """The posterior averaged over normal data: its mean is linear in x, so two of them are all of them.

        Raises TypeError for another than Gaussian noise, or data that are no normal distribution.
        """
        if not isinstance(data, Normal):
            raise TypeError(f"fitted variances: expected a normal distribution of data, got a {type(data).__name__}")
        known, other = (kernel.posterior(x, z, s, t) for x in (data.loc, data.loc + 1.0))
        if not (isinstance(known, Normal) and isinstance(other, Normal)):
            raise TypeError(f"fitted variances: expected Gaussian noise, {type(kernel).__name__} gives a {type(known).__name__}")
        return Normal(known.loc, known.variance + (other.loc - known.loc) ** 2 * data.variance)
