"""Between the user's units and the model's: on the host, in float64, never inside a compiled program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np


@attrs.frozen(eq=False)
class Units:
    """user = shift + scale * model, where `shift` and `scale` are one number or one for each element of an event.

    With `mixing`, a matrix (size, size), model units are uncorrelated: user = shift + scale * (mixing @ model).
    """

    shift: np.ndarray | float = 0.0
    scale: np.ndarray | float = 1.0
    mixing: np.ndarray | None = None

    def to_model(self, x: Any) -> Any:
        """Events (N, ...) in model units; symbols stay the whole numbers that they are."""
        if self._are_the_same:
            return x
        scaled = (np.asarray(x, np.float64) - self.shift) / self.scale
        return scaled if self.mixing is None else _on_flat(lambda flat: np.linalg.solve(self.mixing, flat), scaled)

    def to_user(self, x: Any) -> Any:
        """The way back."""
        if self._are_the_same:
            return x
        x = np.asarray(x, np.float64)
        mixed = x if self.mixing is None else _on_flat(lambda flat: self.mixing @ flat, x)
        return mixed * self.scale + self.shift

    def log_volume(self, shape: Sequence[int]) -> float:
        """log |d user / d model| of an event of this shape: how much lower its log density is in the user's units, in nats."""
        stretched = float(np.log(np.broadcast_to(self.scale, tuple(shape))).sum())
        return stretched if self.mixing is None else stretched + float(np.linalg.slogdet(self.mixing)[1])

    @property
    def _are_the_same(self) -> bool:
        plain = np.ndim(self.scale) == np.ndim(self.shift) == 0 and self.mixing is None
        return plain and self.scale == 1.0 and self.shift == 0.0


def _on_flat(matrix: Any, x: np.ndarray) -> np.ndarray:
    """A linear map of flat events, of events (N, ...)."""
    return matrix(x.reshape(len(x), -1).T).T.reshape(x.shape)
