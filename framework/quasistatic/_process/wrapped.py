"""A kernel around another: all as it is there, but for what a subclass changes."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, Literal, Self

import equinox as eqx
import numpy as np

from quasistatic._process.distribution import AbstractDistribution, State, Time
from quasistatic._process.event import AbstractEvent
from quasistatic._process.kernel import AbstractKernel


class AbstractWrappedKernel(AbstractKernel):
    """The forward process is that of `kernel`, with all that is declared of it, and so are params; a subclass has `reverse`."""

    kernel: eqx.AbstractVar[AbstractKernel]
    is_exact_at_zero: ClassVar[bool] = False

    @abstractmethod
    def _with(self, kernel: AbstractKernel) -> Self:
        """The same with another kernel."""

    @property
    def event(self) -> AbstractEvent:
        return self.kernel.event

    @property
    def is_stationary(self) -> bool:
        return self.kernel.is_stationary

    @property
    def is_reversible(self) -> bool:
        return self.kernel.is_reversible

    @property
    def max_prior_nats(self) -> float:
        return self.kernel.max_prior_nats

    @property
    def is_sequential(self) -> bool:
        return self.kernel.is_sequential

    def given(self, side: State) -> Self:
        return self._with(self.kernel.given(side))

    def measure(self, events: Callable[[Literal["train", "validation"]], State]) -> dict[str, np.ndarray]:
        return self.kernel.measure(events)

    def measured(self, arrays: Mapping[str, np.ndarray]) -> Self:
        return self._with(self.kernel.measured(arrays))

    def times(self, steps: int) -> np.ndarray:
        return self.kernel.times(steps)

    def reference(self) -> AbstractDistribution | None:
        return self.kernel.reference()

    def equilibrium(self) -> AbstractDistribution:
        return self.kernel.equilibrium()

    def marginal(self, x: State, t: Time) -> AbstractDistribution:
        return self.kernel.marginal(x, t)

    def transition(self, z: State, s: Time, t: Time) -> AbstractDistribution:
        return self.kernel.transition(z, s, t)

    def posterior(self, x: State, z: State, s: Time, t: Time) -> AbstractDistribution:
        return self.kernel.posterior(x, z, s, t)

    def decode(self, params: State, z: State, t: Time) -> AbstractDistribution:
        return self.kernel.decode(params, z, t)

    def encode(self, z: State, t: Time) -> State:
        return self.kernel.encode(z, t)

    def zero_params(self) -> State:
        return self.kernel.zero_params()
