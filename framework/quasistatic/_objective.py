"""What training minimises, for one event."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Self

import equinox as eqx
import jax

from quasistatic._diffusion import Diffusion
from quasistatic._distribution import Key, State

if TYPE_CHECKING:
    import numpy as np


class AbstractObjective(eqx.Module):
    """A loss in nats for one event. No batch, no device.

    `is_bound` promises that its mean over `u` and `key` is -K(x) without the prior term, which nothing trained moves.
    """

    is_bound: ClassVar[bool] = False

    @abstractmethod
    def __call__(
        self, diffusion: Diffusion, x: State, u: jax.Array, key: Key, given: jax.Array | None = None
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        """The loss and scalars worth watching.

        `u` is uniform on (0, 1) and chooses the time. It is separate from `key` because the engine spreads the u of a
        batch evenly over (0, 1): the estimate stays unbiased and loses most of its variance over times.
        """

    def prepare(self, diffusion: Diffusion, xs: np.ndarray, given: np.ndarray | None, key: Key) -> Self:
        """A look at some training events, once, before the first step; the objective to train with."""
        return self
