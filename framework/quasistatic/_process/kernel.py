"""The forward process and what follows from it, for one event.

Data sit before every time. Noisy states z_t live on times t in [0, 1]; t = 1 is (close to) equilibrium. A kernel is a
semigroup in real time: it answers for any s < t, traced or not. So a chain of T steps, a finer grid at evaluation and a
coarser one at sampling are the same code with other times.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, Self

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from quasistatic._process.distribution import AbstractDistribution, Key, Scalar, State, Time
from quasistatic._process.event import AbstractEvent


class AbstractKernel(eqx.Module):
    """Destruction of one event, and its reversal with the params that a network gives.

    x is data, built like `event`; z is a noisy state; both, and params, are any pytrees of arrays. `is_exact_at_zero`
    promises that all-zero params are the exact time reversal of the process started in `reference()`.
    """

    event: eqx.AbstractVar[AbstractEvent]
    is_exact_at_zero: eqx.AbstractVar[bool]

    @property
    def is_stationary(self) -> bool:
        """Whether every step leaves `equilibrium()` as it is; if not, that is only where the process has come to by t = 1."""
        return True

    @property
    def is_reversible(self) -> bool:
        """Whether in equilibrium a step and its reversal are equally probable; by default where the reference is stationary."""
        rho = self.reference()
        return self.is_stationary and rho is not None and bool(eqx.tree_equal(rho, self.equilibrium()))

    @property
    def max_prior_nats(self) -> float:
        """Upper bound on KL(q(z_1 given x) || equilibrium) per element, in nats, for data of mean square 1."""
        return 0.01

    @property
    def is_sequential(self) -> bool:
        """Whether elements are destroyed one after another, the last first: in a chain of at least as many even steps as there
        are elements, never two in one step, and each from as it is in data to as it is at t = 1.
        """
        return False

    def given(self, side: State) -> Self:
        """The kernel of an event with this side information (a mask, a size); by default it does not look at it."""
        return self

    def measure(self, events: Callable[[Literal["train", "validation"]], State]) -> dict[str, np.ndarray]:
        """What the kernel wants to know of the data, once, before training; by default nothing.

        `events(split)` gives all events (N, ...) of a split in model units. A run keeps the arrays with its recipe.
        """
        return {}

    def measured(self, arrays: Mapping[str, np.ndarray]) -> Self:
        """The kernel that knows what `measure` gave."""
        return self

    @abstractmethod
    def times(self, steps: int) -> np.ndarray:
        """The natural chain of T = `steps` increasing times (T,); the last is 1."""

    @abstractmethod
    def reference(self) -> AbstractDistribution | None:
        """The distribution of data rho that zero params reverse, also the null model; None for data in levels."""

    @abstractmethod
    def equilibrium(self) -> AbstractDistribution:
        """pi(z), where everything ends."""

    @abstractmethod
    def marginal(self, x: State, t: Time) -> AbstractDistribution:
        """q(z_t given data x)."""

    @abstractmethod
    def transition(self, z: State, s: Time, t: Time) -> AbstractDistribution:
        """q(z_t given z_s = z), s < t."""

    @abstractmethod
    def posterior(self, x: State, z: State, s: Time, t: Time) -> AbstractDistribution:
        """q(z_s given z_t = z and data x), s < t."""

    @abstractmethod
    def decode(self, params: State, z: State, t: Time) -> AbstractDistribution:
        """p(x given z_t = z), the learned distribution of data."""

    @abstractmethod
    def reverse(self, params: State, z: State, s: Time, t: Time) -> AbstractDistribution:
        """p(z_s given z_t = z), s < t: the posterior averaged over `decode`, where that closes."""

    def guided(self, params: State, without: State, weight: Scalar) -> State:
        """Params of classifier-free guidance: those with side information, moved away from those `without` it.

        By default params + weight * (params - without), leaf by leaf. That is right where params are log-weights (of categories,
        of bits) or predict the data or its noise; a kernel whose params hold something else as well (a variance) overrides it.
        """
        return jax.tree.map(lambda one, other: one + weight * (one - other), params, without)

    @abstractmethod
    def encode(self, z: State, t: Time) -> State:
        """What the network reads of z_t: floats, or integers for a network that embeds them."""

    @abstractmethod
    def zero_params(self) -> State:
        """The params of a network that knows nothing: zeros, in the shapes that a network must give."""


class AbstractBridged(AbstractKernel):
    """A kernel that can average its posterior over any distribution of data of its family; `reverse` follows from it."""

    @abstractmethod
    def bridge(self, data: AbstractDistribution, z: State, s: Time, t: Time) -> AbstractDistribution:
        """q(z_s given z_t = z and x) averaged over x from `data`, s < t."""

    def reverse(self, params: State, z: State, s: Time, t: Time) -> AbstractDistribution:
        return self.bridge(self.decode(params, z, t), z, s, t)


class Jumps(NamedTuple):
    """One forward path over T times, as its steps that change the state: `before` and `after` (M, *state).

    The step of number k leads to times[k] from times[k - 1], from data for k = 0. A row counts only where `counts` is true.
    """

    numbers: Int[Array, " jumps"]
    before: State
    after: State
    counts: Bool[Array, " jumps"]


class AbstractJumping(AbstractKernel):
    """A kernel most of whose steps change nothing, and a step that changes nothing costs nothing, whatever the network says.

    So the log-weight of a path takes no more calls of the network than it has jumps, however many steps there are.
    """

    @property
    @abstractmethod
    def most_jumps(self) -> int:
        """M: no path has more."""

    @abstractmethod
    def jumps(self, x: State, times: Float[Array, " T"], *, key: Key) -> Jumps:
        """The jumps of one path of the forward process from data x."""


class AbstractFlowing(AbstractKernel):
    """A kernel on real states whose learned marginals are also carried by an ordinary differential equation."""

    @abstractmethod
    def flow(self, params: State, z: State, t: Time) -> State:
        """dz/dt at z_t = z, of the shape of z: the mean of the drifts of the forward and of the learned reverse process.

        Source: Nelson 1966 (current velocity); Song et al. 2021, section 4.3.
        """
