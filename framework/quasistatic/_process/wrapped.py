"""A kernel around another: all as it is there, but for what a subclass changes."""

from abc import abstractmethod
from typing import ClassVar, Self

import equinox as eqx
import numpy as np

from quasistatic._process.distribution import AbstractDistribution, State, Time
from quasistatic._process.event import AbstractEvent
from quasistatic._process.kernel import AbstractKernel


class AbstractWrappedKernel(AbstractKernel):
    """The forward process is that of `kernel`, and so are params; a subclass has `reverse`."""

    kernel: eqx.AbstractVar[AbstractKernel]
    is_exact_at_zero: ClassVar[bool] = False

    @abstractmethod
    def _with(self, kernel: AbstractKernel) -> Self:
        """The same with another kernel."""

    @property
    def event(self) -> AbstractEvent:
        return self.kernel.event

    @property
    def max_prior_nats(self) -> float:
        return self.kernel.max_prior_nats

    def given(self, side: State) -> Self:
        return self._with(self.kernel.given(side))

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
