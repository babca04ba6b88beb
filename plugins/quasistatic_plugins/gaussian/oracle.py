"""Normal data under the Gaussian kernel: everything in closed form.

With a linear reverse chain the model's distribution of data is normal and the log-weight is a quadratic in the path, so the
likelihood, K and every moment of the weight are finite sums. Use float64 (jax's x64 mode).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import quasistatic as qs
from quasistatic_plugins.gaussian.kernel import LIMIT, AbstractDenoisingKernel
from quasistatic_plugins.gaussian.path import AbstractGaussianKernel


def _array(value: Sequence[Any] | np.ndarray | jax.Array) -> np.ndarray:
    return np.asarray(value, float)


@attrs.frozen(eq=False)
class GaussianData:
    """A normal distribution of events (size,): `mean` (size,), `covariance` (size, size). Entropies and divergences in nats."""

    mean: np.ndarray = attrs.field(converter=_array)
    covariance: np.ndarray = attrs.field(converter=_array)

    @property
    def size(self) -> int:
        return len(self.mean)

    def entropy(self) -> float:
        """H(X)."""
        return 0.5 * float(np.linalg.slogdet(2.0 * math.pi * math.e * self.covariance)[1])

    def information(self, log_snr: np.ndarray | jax.Array) -> np.ndarray:
        """I(X; Z_t) at log signal-to-noise ratios (T,)."""
        spectrum = np.linalg.eigvalsh(self.covariance)
        return 0.5 * np.log1p(np.exp(np.asarray(log_snr))[:, None] * spectrum).sum(axis=1)

    def nodes(self) -> tuple[np.ndarray, np.ndarray]:
        """Points (2 * size, size) and weights that give every mean of a quadratic."""
        spread = math.sqrt(self.size) * np.linalg.cholesky(self.covariance).T
        return self.mean + np.concatenate([spread, -spread]), np.full(2 * self.size, 0.5 / self.size)

    def log_prob(self, x: np.ndarray) -> float:
        """log of the density at one event (size,)."""
        away = np.asarray(x) - self.mean
        log_volume = np.linalg.slogdet(2.0 * math.pi * self.covariance)[1]
        return -0.5 * float(away @ np.linalg.solve(self.covariance, away) + log_volume)

    def kl(self, other: GaussianData) -> float:
        """KL(self || other)."""
        xs, weights = self.nodes()
        return -self.entropy() - float(weights @ [other.log_prob(x) for x in xs])

    def model(self, kernel: AbstractGaussianKernel) -> AffineDenoiser:
        """The network that gives E[x given z_t] exactly and, where the kernel learns it, each element's variance.

        In one dimension, or for a diagonal covariance, a kernel with `variance = learned` is then the exact reversal.
        """
        spectrum, axes = np.linalg.eigh(self.covariance)
        return AffineDenoiser(kernel, jnp.asarray(self.mean), jnp.asarray(spectrum), jnp.asarray(axes))


class AffineDenoiser(qs.AbstractModel):
    """Params for normal data, for kernels that predict the data, the noise or the velocity; the covariance as its eigenvectors."""

    kernel: AbstractGaussianKernel
    mean: jax.Array
    spectrum: jax.Array
    axes: jax.Array

    def __check_init__(self) -> None:
        if not isinstance(self.kernel, AbstractDenoisingKernel) or np.any(self.kernel.event.are_discrete):
            raise ValueError("AffineDenoiser: expected a kernel that predicts data, noise or velocity of real data")

    def __call__(
        self, features: jax.Array, t: jax.Array, side: qs.Side | None = None, *, key: jax.Array | None = None
    ) -> jax.Array:
        kernel, z = self.kernel, features[..., 0]
        log_snr = kernel.schedule.log_odds(t)
        a, noise = jnp.exp(0.5 * qs.log_survival(log_snr)), jnp.exp(qs.log_noise(log_snr))
        # what is left of the data's variance along each axis, in units of the noise
        left = self.spectrum / (a**2 * self.spectrum + noise)
        mean = self.mean + a * self.axes @ (left * (self.axes.T @ (z - a * self.mean)))
        zero = kernel.zero_params()
        # the mean of decode is linear in the first param
        start, end = (self._mean(zero.at[..., 0].set(p), z, t) for p in (0.0, 1.0))
        param = (mean - start) / (end - start)
        if zero.shape[-1] == 1:
            return param[..., None]
        return jnp.stack([param, LIMIT * jnp.arctanh(jnp.log(self.axes**2 @ left) / LIMIT)], axis=-1)

    def _mean(self, params: jax.Array, z: jax.Array, t: jax.Array) -> jax.Array:
        data = self.kernel.decode(params, z, t)
        assert isinstance(data, qs.AbstractWithMean)
        return data.mean()


@attrs.frozen(eq=False)
class AffineChain:
    """A reverse chain of normal, linear steps: from z, step k draws the state before it, N(slopes[k] z + offsets[k], noises[k]).

    Step 0 leads to data, step T is equilibrium (slope 0). Shapes (T + 1, size, size), (T + 1, size), (T + 1, size, size).
    """

    slopes: np.ndarray
    offsets: np.ndarray
    noises: np.ndarray

    def data(self) -> GaussianData:
        """The model's distribution of data."""
        mean, covariance = self.offsets[-1], self.noises[-1]
        for slope, offset, noise in zip(self.slopes[-2::-1], self.offsets[-2::-1], self.noises[-2::-1], strict=True):
            mean, covariance = slope @ mean + offset, slope @ covariance @ slope.T + noise
        return GaussianData(mean, covariance)


def affine_chain(diffusion: qs.Diffusion, times: np.ndarray | None = None) -> AffineChain:
    """The reverse chain through `times` (T,), by default those of training; steps must be linear, with constant variances."""
    at = np.asarray(diffusion.times() if times is None else times, np.float64)
    diffusion = replace(diffusion, grid=qs.grids.FixedGrid(1))  # compiled once for all grids
    origin = jnp.zeros(diffusion.kernel.event.structs.shape)
    last = (jnp.zeros((origin.size, origin.size)), *qs.oracles.moments(diffusion.kernel.equilibrium()))
    steps = [_step(diffusion, s, t) for s, t in itertools.pairwise(at)]
    return AffineChain(*map(np.stack, zip(_first(diffusion, at[0]), *steps, last, strict=True)))


Step = tuple[jax.Array, jax.Array, jax.Array]


@eqx.filter_jit
def _first(diffusion: qs.Diffusion, t: jax.Array) -> Step:
    return _line(diffusion, lambda z: diffusion.decode(diffusion.params(z, t), z, t))


@eqx.filter_jit
def _step(diffusion: qs.Diffusion, s: jax.Array, t: jax.Array) -> Step:
    return _line(diffusion, lambda z: diffusion.reverse(diffusion.params(z, t), z, s, t))


def _line(diffusion: qs.Diffusion, back: Callable[[jax.Array], qs.AbstractDistribution]) -> Step:
    """Slope, offset and noise of a step back."""
    origin = jnp.zeros(diffusion.kernel.event.structs.shape)
    offset, noise = qs.oracles.moments(back(origin))
    ends = jax.vmap(lambda z: qs.oracles.moments(back(z))[0], out_axes=1)(jnp.eye(origin.size))
    return ends - offset[:, None], offset, noise


@attrs.frozen(eq=False)
class LogWeightDistribution:
    """The log-weight of forward paths from one event: w = offset + sum of slope * e + curvature * e^2 / 2, e unit normal.

    In nats; one e for each number of a path.
    """

    offset: float
    slope: np.ndarray
    curvature: np.ndarray

    @property
    def bound(self) -> float:
        """K(x), the mean."""
        return self.offset + 0.5 * float(self.curvature.sum())

    @property
    def variance(self) -> float:
        return float((self.slope**2 + 0.5 * self.curvature**2).sum())

    def log_moment(self, power: float) -> float:
        """log E exp(power * w); infinite where the integral diverges. Power 1 gives log p(x) (Jarzynski 1997)."""
        left = 1.0 - power * self.curvature
        if left.min() <= 0:
            return math.inf
        return power * self.offset + 0.5 * float((power**2 * self.slope**2 / left - np.log(left)).sum())

    @property
    def upper_bound(self) -> float:
        """The mean over the model's own paths to x: at least log p(x)."""
        left = 1.0 - self.curvature
        over = self.slope**2 * (1.0 + left) / left**2 + self.curvature / left
        return self.offset + 0.5 * float(over.sum())

    @property
    def ess_fraction(self) -> float:
        """Share of the forward paths that effectively count in an average of exp(w); 0 where its variance is infinite."""
        return math.exp(2.0 * self.log_moment(1) - self.log_moment(2))


def log_weight_distribution(chain: AffineChain, log_snr: np.ndarray | jax.Array, x: np.ndarray) -> LogWeightDistribution:
    """The distribution of the log-weight for one event x (size,), given the log-SNRs (T,) at the chain's times, all finite.

    Costs a matrix of (T * size)^2 numbers and its eigenvectors.
    """
    log_snr, x = np.asarray(log_snr), np.asarray(x, float)
    size, many = len(x), len(log_snr)
    a = np.exp(-0.5 * np.logaddexp(0.0, -log_snr))
    # z = centre + factor @ e: Cov(z_s, z_t given x) = a_s a_t / snr_s for s < t, the same for each element
    covariance = np.outer(a, a) * np.exp(-np.maximum(log_snr[:, None], log_snr))
    root = np.linalg.cholesky(covariance)
    factor = np.kron(root, np.eye(size)).reshape(many, size, -1)
    centre = np.outer(a, x)
    # whitened residuals of the model's steps along the path x, z_1 .. z_T: log p is minus half their square
    white = np.linalg.inv(np.linalg.cholesky(chain.noises))
    after = np.concatenate([centre, np.zeros((1, size))])
    before = np.concatenate([x[None], centre])
    start = white @ (before - np.einsum("kij,kj->ki", chain.slopes, after) - chain.offsets)[..., None]
    response = np.concatenate([np.zeros_like(factor[:1]), factor])
    response[:-1] -= chain.slopes[:-1] @ factor
    linear = (white @ response).reshape((many + 1) * size, -1)
    curvature, axes = np.linalg.eigh(np.eye(many * size) - linear.T @ linear)
    volume = np.log(np.abs(np.linalg.det(white))).sum() + size * np.log(np.diag(root)).sum()
    offset = volume - 0.5 * (start**2).sum() - 0.5 * size * math.log(2.0 * math.pi)
    return LogWeightDistribution(float(offset), -axes.T @ linear.T @ start.ravel(), curvature)
