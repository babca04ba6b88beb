"""Samplers: where to start and how to take one step back. The loop is `trajectory.reverse`."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import equinox as eqx
from jaxtyping import Array

from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import Key, State, Time

SamplerState = Any  # a pytree of arrays: what a sampler carries from step to step
Info = dict[str, Array]  # scalars that a step reports


class AbstractSampler(eqx.Module):
    """How one event is made, a step at a time.

    A sampler carries a state of its own (particles, log-weights, earlier steps), and says with `position` where the event
    is. `is_exact` promises draws of the reverse path measure itself, the model whose bound is K.
    """

    is_exact: ClassVar[bool] = False

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
