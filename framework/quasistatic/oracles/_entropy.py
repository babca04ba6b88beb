"""What a chain restores and what it wastes: information, entropy production, conditional entropies."""

from __future__ import annotations

import itertools

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from quasistatic._process.distribution import AbstractDistribution, AbstractIntegrable, State
from quasistatic._process.finite import FiniteKernel
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.product import AbstractProductKernel
from quasistatic.oracles._ledger import ExactLedger, Times, Weights, checked_times, checked_weights, expect


def information(kernel: AbstractKernel, xs: State, weights: Weights | None, times: Times) -> np.ndarray:
    """I(X; Z_t) in nats at `times` (T,) on a finite space, by enumeration of the states; raises TypeError for other spaces."""
    shares = checked_weights(xs, weights)
    return np.array([_information(kernel, xs, shares, t) for t in checked_times(times)])


@eqx.filter_jit
def _information(kernel: AbstractKernel, xs: State, weights: np.ndarray, t: jax.Array) -> jax.Array:
    states = noisy_states(kernel)
    log_q = jax.vmap(lambda x: jax.vmap(kernel.marginal(x, t).log_prob)(states))(xs)
    joint = weights[:, None] * jnp.exp(log_q)
    return jnp.sum(jnp.where(joint > 0, joint * (log_q - jnp.log(joint.sum(axis=0))), 0.0))


def is_finite(kernel: AbstractKernel) -> bool:
    """Whether all states can be enumerated: a `FiniteKernel`, or a product of them."""
    if isinstance(kernel, AbstractProductKernel):
        return all(is_finite(part) for part in kernel.parts.values())
    return isinstance(kernel, FiniteKernel)


def noisy_states(kernel: AbstractKernel) -> State:
    """All noisy states (M, ...) of a finite space; raises TypeError for other spaces."""
    equilibrium = kernel.equilibrium()
    if not (is_finite(kernel) and isinstance(equilibrium, AbstractIntegrable)):
        raise TypeError(f"{type(kernel).__name__} is not a FiniteKernel, or a product of them: its states cannot be enumerated")
    return equilibrium.nodes()[0]


@attrs.frozen(eq=False)
class EntropyProduction:
    """Total entropy production -H(X) - K in time, in nats; no part is negative.

    `end` is KL(q(z_1) || equilibrium); `steps` (T,) are the divergences of the true step back from the learned one,
    E KL(q(z_s given z_t) || p(z_s given z_t)), the first of them to data.
    """

    end: float
    steps: np.ndarray

    @property
    def total(self) -> float:
        """-H(X) - K."""
        return self.end + float(self.steps.sum())


def entropy_production(ledger: ExactLedger, information: np.ndarray, entropy: float) -> EntropyProduction:
    """Dissipation of every step, from the ledger, the information I(X; Z_t) (T,) at its times and the data's entropy H(X).

    A step's term of -K is not all waste: most of it is information restored, and only the rest is produced entropy. For
    continuous data H(X) is the differential entropy.
    """
    measured = np.array([ledger.first, *ledger.gaps])
    restored = -np.diff(np.array([entropy, *information]))
    return EntropyProduction(ledger.prior - float(information[-1]), measured - restored)


@attrs.frozen(eq=False)
class ConditionalEntropies:
    """H(Z_s given Z_t) of the T - 1 steps s < t, between its bounds; each (T - 1,), in nats.

    `lower` and `paper_upper` are the bounds of Sohl-Dickstein et al. 2015, section 2.6. Its upper bound H(Z_t given Z_s) needs the
    entropy of Z not to fall with time, which holds for data of unit variance under Gaussian noise and for a fair coin, but not
    in general. `corrected_upper` holds always: the divergence from equilibrium cannot rise. Under Gaussian noise it is tightest for
    centred data; it says nothing (is huge) where equilibrium excludes states, as under absorption.
    """

    lower: np.ndarray
    exact: np.ndarray
    paper_upper: np.ndarray
    corrected_upper: np.ndarray

    @property
    def paper_upper_holds(self) -> np.ndarray:
        """Whether the entropy of Z does not fall from s to t, the paper's condition; (T - 1,)."""
        return self.exact <= self.paper_upper + 1e-9


def conditional_entropies(
    kernel: AbstractKernel, xs: State, weights: Weights | None, times: Times, information: np.ndarray
) -> ConditionalEntropies:
    """Entropies of the true steps back for weighted data, from the information I(X; Z_t) (T,) at `times` (T,)."""
    shares, at = checked_weights(xs, weights), checked_times(times)
    steps = [_entropies(kernel, xs, shares, s, t) for s, t in itertools.pairwise(at)]
    lower, upper, excess = np.array(steps).reshape(-1, 3).T
    return ConditionalEntropies(lower, lower - np.diff(information), upper, upper + excess)


@eqx.filter_jit
def _entropies(kernel: AbstractKernel, xs: State, weights: np.ndarray, s: jax.Array, t: jax.Array) -> jax.Array:
    """H(z_s given z_t, x), H(z_t given z_s), and how much E log pi rises."""

    def one(x: State) -> jax.Array:
        before, after = kernel.marginal(x, s), kernel.marginal(x, t)
        log_pi = kernel.equilibrium().log_prob
        back = expect(after, lambda z: _entropy(kernel.posterior(x, z, s, t)))
        forth = expect(before, lambda z: _entropy(kernel.transition(z, s, t)))
        return jnp.stack([back, forth, expect(after, log_pi) - expect(before, log_pi)])

    return weights @ jax.lax.map(one, xs)


def _entropy(distribution: AbstractDistribution) -> jax.Array:
    return -expect(distribution, distribution.log_prob)
