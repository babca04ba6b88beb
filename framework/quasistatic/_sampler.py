"""Samplers: where to start and how to take one step back. The loop is `trajectory.reverse`."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import equinox as eqx
import jax

from quasistatic._diffusion import Diffusion
from quasistatic._distribution import Key, State


class AbstractSampler(eqx.Module):
    """How one event is made, a step at a time.

    `is_exact` promises draws of the reverse path measure itself, the model whose bound is K.
    """

    is_exact: ClassVar[bool] = False

    @abstractmethod
    def init(self, diffusion: Diffusion, key: Key) -> State:
        """z at t = 1."""

    @abstractmethod
    def step(
        self, diffusion: Diffusion, z: State, s: jax.Array, t: jax.Array, key: Key, given: jax.Array | None
    ) -> State:
        """z_s from z_t = z, s < t."""

    @abstractmethod
    def finish(self, diffusion: Diffusion, z: State, t: jax.Array, key: Key, given: jax.Array | None) -> State:
        """Data from z at the first time t."""
