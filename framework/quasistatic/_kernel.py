"""The forward process and what follows from it, for one event.

Data sit before every time. Noisy states z_t live on times t in [0, 1]; t = 1 is (close to) equilibrium. A kernel is a
semigroup in real time: it answers for any s < t, traced or not. So a chain of T steps, a finer grid at evaluation and a
coarser one at sampling are the same code with other times.
"""

from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from quasistatic._distribution import AbstractDistribution, State
from quasistatic._event import Event


class AbstractKernel(eqx.Module):
    """Destruction of one event, and its reversal from what a network says.

    `features` and `params` are the numbers per element that the network reads and must give. `exact_at_zero` promises
    that all-zero params are the exact time reversal of the process started in `reference()`.
    """

    event: eqx.AbstractVar[Event]
    features: eqx.AbstractVar[int]
    params: eqx.AbstractVar[int]
    exact_at_zero: eqx.AbstractVar[bool]

    @property
    def arrival_nats(self) -> float:
        """What the end may still know of the data: at most this KL(q(z_1 given x) || equilibrium), nats per element."""
        return 0.01

    @abstractmethod
    def grid(self, steps: int) -> np.ndarray:
        """The natural chain of T = `steps` increasing times; the last is 1."""

    @abstractmethod
    def reference(self) -> AbstractDistribution | None:
        """The law of data rho that zero params reverse, also the null model; None for quantised data."""

    @abstractmethod
    def equilibrium(self) -> AbstractDistribution:
        """pi(z), where everything ends."""

    @abstractmethod
    def marginal(self, x: State, t: jax.Array) -> AbstractDistribution:
        """q(z_t given data x)."""

    @abstractmethod
    def transition(self, z: State, s: jax.Array, t: jax.Array) -> AbstractDistribution:
        """q(z_t given z_s = z), s < t."""

    @abstractmethod
    def posterior(self, x: State, z: State, s: jax.Array, t: jax.Array) -> AbstractDistribution:
        """q(z_s given z_t = z and data x), s < t."""

    @abstractmethod
    def decode(self, params: State, z: State, t: jax.Array) -> AbstractDistribution:
        """p(x given z_t = z): what the network says the data are, a law of data."""

    @abstractmethod
    def reverse(self, params: State, z: State, s: jax.Array, t: jax.Array) -> AbstractDistribution:
        """p(z_s given z_t = z): the posterior averaged over `decode`, where that closes."""

    @abstractmethod
    def encode(self, z: State, t: jax.Array) -> State:
        """What the network may see of z_t: floats of shape (*event, features)."""

    def zero_params(self) -> State:
        """The params of a network that knows nothing, shape (*event, params)."""
        return jnp.zeros((*self.event.shape, self.params))
