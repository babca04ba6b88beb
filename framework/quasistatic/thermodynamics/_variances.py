"""The variance of a step back: what each way to choose it costs, and the best constant one, which is free."""

from dataclasses import replace
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import Key, State, Time
from quasistatic._process.grid import Steps
from quasistatic._process.variances import FittedVariances
from quasistatic.thermodynamics._levels import log_snr, per_level

Variance = Literal["posterior", "isotropic", "elements", "diagonal", "full"]


def step_cost(rise: float, covariances: np.ndarray, variance: Variance) -> np.ndarray:
    """The term of -K of a Gaussian step back with the right mean, over which the signal-to-noise ratio rises by this much, (N,).

    `covariances` (N, size, size) are Cov(x given z) of N states. The step's variance is that of the posterior, which takes x for
    known; the best one for all states and elements, or for each element in all states; or the best in each state, of each
    element alone, or as a matrix. Their means fall in this order, all above the information that is restored. Nats.
    """
    if variance == "full":
        return 0.5 * np.linalg.slogdet(np.eye(covariances.shape[-1]) + rise * covariances)[1]
    own = np.diagonal(covariances, axis1=1, axis2=2)
    if variance == "posterior":
        return 0.5 * rise * own.sum(axis=1)
    taken = {"isotropic": np.full_like(own, own.mean()), "elements": np.broadcast_to(own.mean(axis=0), own.shape), "diagonal": own}
    chosen = 1.0 + rise * taken[variance]
    return 0.5 * ((1.0 + rise * own) / chosen - 1.0 + np.log(chosen)).sum(axis=1)


def with_fitted_variances(
    diffusion: Diffusion, xs: State, *, key: Key, steps: Steps = None, side: State | None = None
) -> Diffusion:
    """The same network with the best variances that do not depend on the state, one for each element and step of this chain.

    They are the squared errors E[(x - E[x given z])^2] over events `xs` (N, ...); K of other events with them is a bound as any
    other (Bao et al. 2022, of which this is the case of separate elements). It beats every fixed variance, and need not beat
    a learned one. Raises TypeError for another than Gaussian noise, ValueError for a fixed first step.
    """
    if diffusion.first_step != "learned":
        raise ValueError(f"with_fitted_variances: expected a first step that is learned, got {diffusion.first_step!r}")
    log_snr(diffusion.kernel, np.ones(1))

    times = np.asarray(diffusion.times(steps), np.float64)
    found = per_level(_squares, diffusion, xs, key, times, side).mean(axis=0)
    fitted = FittedVariances(*(jnp.asarray(values, jnp.result_type(float)) for values in (times, found)))
    return replace(diffusion, variances=fitted)


def _squares(given: Diffusion, x: State, t: Time, key: Key) -> jax.Array:
    """(x - E[x given z])^2 of one event, of its shape."""
    z = given.kernel.marginal(x, t).sample(key)
    return (x - given.mean(z, t)) ** 2
