"""How far guided samples are from the product of distributions that guidance stands for, and what particles make of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from scipy.special import logsumexp

import quasistatic as qs
from quasistatic_plugins.conditioning import ParticlesOptions
from quasistatic_plugins.conditioning.particles import Particles

LARGEST = 4096  # states of an event, at most, whose distribution is computed in full


@attrs.frozen
class Distance:
    """Of samples with one weight w of guidance, in nats per event.

    `path` is KL(guided paths || paths of the product), at least that of the samples, with its standard error; `exact` that of the
    samples, where all events can be enumerated. `ess` is the effective sample size of the particles that repair them, at the
    smallest, as a share; `log_evidence` log of the integral of p(x given y)^(1 + w) p(x)^(-w), with its standard error.
    """

    weight: float
    path: float
    path_standard_error: float
    exact: float | None
    ess: float
    log_evidence: float
    log_evidence_standard_error: float


@eqx.filter_jit
def _system(
    sampler: Particles, diffusion: qs.Diffusion, key: jax.Array, steps: int | None
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """log-weights (P,) of one system at data, log Z, and the smallest effective sample size on its way, as a share."""
    found, share = qs.trajectory.posterior(sampler, diffusion, diffusion.times(steps), key=key)
    log_weights = found.log_weights + found.log_evidence + jnp.log(len(found.log_weights))
    return log_weights, found.log_evidence, share


def distances(
    diffusion: qs.Diffusion, weights: Sequence[float], *, particles: int, systems: int, steps: int | None, key: jax.Array
) -> list[Distance]:
    """For each weight, of a pair with its side information, by so many systems of particles; see `Distance`.

    Raises ValueError where the pair cannot be guided.
    """
    keys = jr.split(key, len(weights))
    return [_distance(diffusion, weight, particles, systems, steps, one) for weight, one in zip(weights, keys, strict=True)]


def _distance(diffusion: qs.Diffusion, weight: float, particles: int, systems: int, steps: int | None, key: jax.Array) -> Distance:
    guided = diffusion.guided(jnp.asarray(weight, jnp.result_type(float)))
    keys = jr.split(key, 2 * systems)
    apart, together = (Particles(ParticlesOptions(particles, threshold)) for threshold in (0.0, 0.5))
    log_weights = np.array([_system(apart, guided, one, steps)[0] for one in keys[:systems]], np.float64)
    runs = [_system(together, guided, one, steps)[1:] for one in keys[systems:]]
    evidences, shares = (np.array(column, np.float64) for column in zip(*runs, strict=True))
    path, path_error = _jackknife(log_weights)
    evidence, evidence_error = _jackknife(evidences[:, None], of_mean=True)
    return Distance(weight, path, path_error, _exact(guided, steps), float(shares.min()), evidence, evidence_error)


def _jackknife(log_weights: np.ndarray, of_mean: bool = False) -> tuple[float, float]:
    """log of the mean weight less, unless `of_mean`, the mean of its logarithm, over systems (S, P), with its standard error."""

    def value(rows: np.ndarray) -> float:
        log_mean = float(logsumexp(rows) - math.log(rows.size))
        return log_mean if of_mean else log_mean - float(rows.mean())

    count = len(log_weights)
    left = np.array([value(np.delete(log_weights, number, axis=0)) for number in range(count)])
    return value(log_weights), float(np.sqrt((count - 1) * left.var()))


def _exact(guided: qs.Diffusion, steps: int | None) -> float | None:
    """KL of the samples in nats, by the distributions of all pairs in full; None where there are too many events."""
    kernel = guided.kernel
    if not isinstance(kernel, qs.FiniteKernel) or max(kernel.states, kernel.data_states) ** kernel.event.size > LARGEST:
        return None
    xs = np.asarray(kernel.reference().nodes()[0])
    times = guided.times(steps)
    log_p = qs.oracles.log_likelihood(guided, xs, times)
    log_product = sum(float(power) * qs.oracles.log_likelihood(pair, xs, times) for pair, power in guided.factors)
    log_product = log_product - logsumexp(log_product)
    return float(np.sum(np.exp(log_p) * (log_p - log_product)))
