"""What training minimises, for one event."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Self

import equinox as eqx
from jaxtyping import Array, Float

from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import Key, Scalar, State


class AbstractObjective(eqx.Module):
    """A loss in nats for one event. No batch, no device.

    `is_bound` promises that its mean over `u` and `key` is -K(x) without the prior term, which nothing trained moves.
    """

    is_bound: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, diffusion: Diffusion, x: State, u: Float[Array, ""], *, key: Key) -> tuple[Scalar, dict[str, Scalar]]:
        """The loss, and scalars by name whose means over the batch reach the observers.

        `u` is uniform on (0, 1) and chooses the time. It is separate from `key` because the engine spreads the u of a
        batch evenly over (0, 1): the estimate stays unbiased and loses most of its variance over times.
        """

    def prepare(self, diffusion: Diffusion, xs: State, side: State | None = None, *, key: Key) -> Self:
        """A look at some training events (N, ...), once, before the first update; the objective to train with."""
        return self
