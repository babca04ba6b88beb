"""Samplers: where to start and how to take one step back. The loop is `trajectory.reverse`."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Self

import equinox as eqx
import jax
from jaxtyping import Array, Float

from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import Key, State, Time
from quasistatic._process.grid import Steps

SamplerState = Any  # a pytree of arrays: what a sampler carries from step to step
Info = dict[str, Array]  # scalars that a step reports


class AbstractSampler(eqx.Module):
    """How one event is made, a step at a time.

    A sampler carries a state of its own (particles, log-weights, what the network predicted at earlier steps), and says with
    `position` where the event is. `is_exact` promises draws of the reverse path measure itself, the model whose bound is K.
    `init`, which sees the diffusion first, calls `check`.
    """

    is_exact: ClassVar[bool] = False

    def check(self, diffusion: Diffusion) -> None:
        """Raises TypeError, with what would fit, for a pair that it cannot sample; by default it takes any."""

    @property
    def order(self) -> int:
        """p, where T steps leave the distribution of data off by T^-p; 1 for all that takes one call of the network a step."""
        return 1

    @property
    def calls_per_step(self) -> int:
        """How many calls of the network a step takes."""
        return 1

    @property
    def deviations(self) -> tuple[str, ...]:
        """What makes draws differ from the model's, however many steps they take, such as "temperature 0.7"; by default nothing."""
        return ()

    def calls(self, steps: int) -> int:
        """How many calls of the network an event takes through T = `steps` times: T - 1 steps, and one call for the data."""
        return self.calls_per_step * (steps - 1) + 1

    def steps_within(self, calls: int) -> int:
        """The largest T that takes no more than so many calls of the network. Raises ValueError for no call."""
        if calls < 1:
            raise ValueError(f"calls: expected at least 1, got {calls}")
        return (calls - 1) // self.calls_per_step + 1

    def times(self, diffusion: Diffusion, steps: Steps = None) -> Float[Array, " T"]:
        """The T times that it goes through, by default those of `Diffusion.times`: T = `steps` placed where it is best."""
        return diffusion.times(steps)

    @property
    def states(self) -> int:
        """How many noisy states it carries for one event: fewer events are then computed together."""
        return 1

    @abstractmethod
    def init(self, diffusion: Diffusion, *, key: Key) -> SamplerState:
        """The state at t = 1."""

    @abstractmethod
    def step(self, diffusion: Diffusion, state: SamplerState, s: Time, t: Time, *, key: Key) -> tuple[SamplerState, Info]:
        """The state at s from that at t, s < t, and scalars worth knowing (the same names at every step)."""

    @abstractmethod
    def finish(self, diffusion: Diffusion, state: SamplerState, t: Time, *, key: Key) -> State:
        """Data from the state at the first time t."""

    def position(self, state: SamplerState) -> State:
        """The noisy state z, which paths and pictures show; by default the state is z itself."""
        return state


class Posterior(eqx.Module):
    """Data `x` (P, ...) with `log_weights` (P,) that sum to one as weights, and an estimate of log Z.

    The estimate is unbiased as one of Z, and so low on average as one of log Z.
    """

    x: State
    log_weights: jax.Array
    log_evidence: jax.Array


class AbstractWeighted(AbstractSampler):
    """A sampler of P weighted particles for one event: all of them are draws, each as much as it weighs.

    Its steps report `ess`, the effective number of particles as a share of P.
    """

    @abstractmethod
    def posterior(self, diffusion: Diffusion, state: SamplerState, t: Time, *, key: Key) -> Posterior:
        """All particles as data, from the state at the first time t."""

    @abstractmethod
    def of_size(self, count: int) -> Self:
        """The same with P = `count`."""


class Ancestral(AbstractSampler):
    """Equilibrium, every learned step back, data: exact draws of the reverse path measure.

    It defines the model whose bound is K (Sohl-Dickstein et al. 2015, section 2.2).
    """

    is_exact: ClassVar[bool] = True

    def init(self, diffusion: Diffusion, *, key: Key) -> State:
        return diffusion.kernel.equilibrium().sample(key)

    def step(self, diffusion: Diffusion, state: State, s: Time, t: Time, *, key: Key) -> tuple[State, Info]:
        return diffusion.reverse(diffusion.params(state, t), state, s, t).sample(key), {}

    def finish(self, diffusion: Diffusion, state: State, t: Time, *, key: Key) -> State:
        return diffusion.decode(diffusion.params(state, t), state, t).sample(key)
