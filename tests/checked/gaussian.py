"""Normal noise: Ho et al. 2020, Kingma et al. 2021."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs

X, Z = np.array([0.3, -1.2, 2.1]), np.array([1.1, 0.2, -0.7])
EVENT = qs.Real((3,))


def ho_posterior() -> float:
    """Mean and variance of q(x_{t-1} given x_t, x_0) for t = 2 .. 1000 of their schedule, eq. 6 and 7; relative to each."""
    beta = np.linspace(1e-4, 0.02, 1000)
    alpha = 1.0 - beta
    bar = np.cumprod(alpha)
    kernel = qs.make("kernel", "gaussian", EVENT, first_noise=1.0 - float(bar[0]), last_survival=float(bar[-1]))
    # their levels on our time, in which the log signal-to-noise ratio falls evenly
    log_snr = np.log(bar) - np.log1p(-bar)
    times = (log_snr - log_snr[0]) / (log_snr[-1] - log_snr[0])
    found = jax.vmap(lambda s, t: kernel.posterior(jnp.asarray(X), jnp.asarray(Z), s, t))(times[:-1], times[1:])
    to_data = np.sqrt(bar[:-1]) * beta[1:] / (1.0 - bar[1:])
    to_state = np.sqrt(alpha[1:]) * (1.0 - bar[:-1]) / (1.0 - bar[1:])
    mean = to_data[:, None] * X + to_state[:, None] * Z
    variance = (1.0 - bar[:-1]) / (1.0 - bar[1:]) * beta[1:]
    return max(relative(found.loc, mean), relative(found.variance, variance[:, None]))


def kingma_terms() -> float:
    """Terms of the bound for a network that predicts noise: the prior's, and those of the steps by signal-to-noise. In nats."""
    steps, predicted = 20, np.array([[0.4], [-0.9], [1.3]])
    kernel = qs.make("kernel", "gaussian", EVENT, mean="noise", variance="posterior", schedule="cosine", last_survival=1e-3)
    diffusion, worst = qs.Diffusion(kernel, Constant(jnp.asarray(predicted)), steps), []
    gammas = [-float(kernel.schedule.log_odds(jnp.asarray(t))) for t in diffusion.times(None)]
    for early, late, s, t in zip(gammas, gammas[1:], diffusion.times(None), diffusion.times(None)[1:], strict=False):
        # sigma^2 = sigmoid(gamma), alpha^2 = sigmoid(-gamma), SNR = exp(-gamma)
        sigma, alpha = sigmoid(late) ** 0.5, sigmoid(-late) ** 0.5
        noise = sigma * Z + predicted[:, 0]  # params are what is added to the guess for unit-normal data
        guess = (Z - sigma * noise) / alpha
        theirs = 0.5 * (np.exp(-early) - np.exp(-late)) * np.sum((X - guess) ** 2)
        eps = (Z - alpha * X) / sigma
        by_noise = 0.5 * np.expm1(late - early) * np.sum((eps - noise) ** 2)
        params = diffusion.params(jnp.asarray(Z), t)
        learned = diffusion.reverse(params, jnp.asarray(Z), s, t)
        ours = float(kernel.posterior(jnp.asarray(X), jnp.asarray(Z), s, t).kl(learned, key=jr.key(0)))
        worst += [abs(ours / theirs - 1.0), abs(ours / by_noise - 1.0)]
    sigma2, alpha2 = sigmoid(gammas[-1]), sigmoid(-gammas[-1])
    prior = 0.5 * np.sum(sigma2 + alpha2 * X**2 - 1.0 - np.log(sigma2))
    ours = sum(map(float, diffusion.prior(jnp.asarray(X), key=jr.key(0)).values()))
    return max(*worst, abs(ours / prior - 1.0))


class Constant(qs.AbstractModel):
    """Predicts the same whatever it reads."""

    params: jax.Array

    def __call__(self, features, t, side=None, *, key=None):
        return self.params


def sigmoid(value: float) -> float:
    return 1.0 / (1.0 + np.exp(-value))


def relative(found: jax.Array, wanted: np.ndarray) -> float:
    return float(np.max(np.abs(np.asarray(found) / wanted - 1.0)))
