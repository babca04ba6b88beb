"""How many bits the levels of pictures have, and how many of them are modelled."""

from __future__ import annotations

import io
from collections.abc import Iterator

import attrs
import numpy as np
from PIL import Image

import quasistatic as qs

BYTE = 8
MOST_BITS = 12  # float32 cannot distinguish more levels, whatever their mean
DEPTHS = (8, 10, 12, 14, 16)  # of the cameras and scanners that store levels in 16 bits


@attrs.frozen
class Depth:
    """Levels that a file stores in 16 bits use `found` of them; `bits` are modelled, and those below them are lost."""

    found: int = BYTE
    bits: int = BYTE

    @classmethod
    def choose(cls, pixels: np.ndarray, deep: np.ndarray, bits: int | None) -> Depth:
        """For pictures (N, ...), of which `deep` (N,) are of 16 bits in their files. Raises DataError where `bits` do not fit."""
        highest = int(pixels[deep].max()) if deep.any() else 0
        found = next(depth for depth in DEPTHS if highest < 2**depth)
        if bits is not None and bits > BYTE and not deep.all():
            raise qs.DataError(
                f"source.bits: {np.sum(~deep)} of {len(deep)} pictures have levels of {BYTE} bits, so expected {BYTE}"
            )
        return cls(found, bits or (min(found, MOST_BITS) if deep.all() else BYTE))

    @property
    def levels(self) -> int:
        """How many are modelled."""
        return 2**self.bits

    @property
    def _lost(self) -> int:
        return max(0, self.found - self.bits)

    def fit(self, pixels: np.ndarray, deep: np.ndarray) -> np.ndarray:
        """Pictures as they are in files, in the levels that are modelled."""
        shifts = np.where(deep, self._lost, 0).reshape(-1, *(1,) * (pixels.ndim - 1)).astype(pixels.dtype)
        return (pixels >> shifts if self._lost else pixels).astype(np.uint8 if self.bits == BYTE else np.uint16, copy=False)

    def problem(self, pixels: np.ndarray, deep: bool) -> str | None:
        """Why one picture has levels of another kind, or None."""
        if not deep and self.bits > BYTE:
            return f"its levels are of {BYTE} bits, those of the model of {self.bits}"
        if deep and pixels.max() >= 2**self.found:
            return f"its levels go up to {pixels.max()}, those of the model to {2**self.found - 1}"
        return None

    def written(self, levels: np.ndarray, form: str) -> bytes:
        """A file of pictures (N, height, width) or (N, height, width, 3) of modelled levels, a page each, which is read as them."""
        pages = [Image.fromarray((each.astype(np.uint16) << self._lost) if self.found > BYTE else each) for each in levels]
        file = io.BytesIO()
        pages[0].save(file, form, save_all=True, append_images=pages[1:])
        return file.getvalue()

    def notes(self, pixels: np.ndarray, deep: np.ndarray) -> Iterator[str]:
        """Sentences on pictures as they are in files."""
        if deep.any():
            which = "all" if deep.all() else f"{np.sum(deep)} of {len(deep)}"
            lost = f", without their lowest {self._lost} bits" if self._lost else ""
            yield (
                f"the levels of {which} pictures have 16 bits in their files, of which {self.found} are used (the highest is "
                f"{pixels[deep].max()}): {self.levels} levels are modelled{lost} (source.bits, from {BYTE} to {MOST_BITS})"
            )
        known = np.flatnonzero(np.bincount(pixels.ravel(), minlength=2))
        if len(known) == 2:
            yield f'only the levels {known[0]} and {known[1]} occur: source.view = "binary" models bits'
        elif len(known) <= 32:
            yield f"only {len(known)} levels occur, from {known[0]} to {known[-1]}, of {self.levels} that are modelled"
