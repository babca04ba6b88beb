"""Pictures as they were read, from any kind of file, with where they come from and what could not be read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import attrs
import numpy as np

import quasistatic as qs

SHARE = -1  # of `Pictures.places`: where shares decide
NAMED = 200  # records that are left out, of which the names are given


@attrs.frozen(eq=False)
class Pictures:
    """Pictures as they were read: `pixels` (N, height, width) or (N, height, width, 3), uint8 or uint16, and their origin.

    Pictures of one group of `groups` (N,) are never in two splits. `places` (N,) are 0, 1, 2 for what belongs to the
    training, validation or test split already, and -1 for the rest. `labels` (N,) number the `classes`, `files` name the groups.
    `pages` (N,) count from 1 those of a file, where one has several; `deep` (N,) are true where levels are of 16 bits in the
    file. `outside` are the files that could not be read, numbered among all records.
    """

    origin: qs.files.Origin
    pixels: np.ndarray
    groups: np.ndarray
    places: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    pages: np.ndarray | None = None
    deep: np.ndarray = attrs.field()
    outside: tuple[qs.sources.Outside, ...] = ()

    @deep.default
    def _never_deep(self) -> np.ndarray:
        return np.zeros(len(self.pixels), bool)

    def tags(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """What stands beside some pictures in a table: which of all records each is, where it comes from, and its class."""
        numbers = np.setdiff1d(np.arange(len(self.pixels) + len(self.outside)), [each.number for each in self.outside])
        from_file = {"file": np.array(self.files)[self.groups[rows]]} if self.files else {}
        from_page = {} if self.pages is None else {"page": self.pages[rows]}
        label = {"label": np.array(self.classes)[self.labels[rows]]} if self.classes else {}
        return {"picture": numbers[rows], **from_file, **from_page, **label}

    def name(self, row: int) -> str:
        """What one picture is called in a sentence."""
        if not self.files:
            return f"picture {row}"
        page = "" if self.pages is None else f" page {self.pages[row]}"
        return f"{self.files[self.groups[row]]}{page}"


def in_view(pixels: np.ndarray, is_colour: bool) -> np.ndarray:
    """Pictures (N, height, width) or (N, height, width, 3) as grey or as colour ones."""
    if is_colour:
        return pixels if pixels.ndim == 4 else np.repeat(pixels[..., None], 3, axis=-1)
    # the weights of ITU-R 601-2, with which pillow makes greys
    return pixels if pixels.ndim == 3 else np.round(pixels @ np.array([0.299, 0.587, 0.114])).astype(pixels.dtype)


def refuse_outside(found: Pictures) -> None:
    """Raises DataError where files could not be read, which names them and a way out."""
    if found.outside:
        total = len(set(found.files)) + len(found.outside)
        raise qs.DataError(
            f"{found.origin.path}: {len(found.outside)} of {total} pictures cannot be used; "
            f'source.unreadable = "skip" leaves them out: {named_outside(found.outside)}'
        )


def named_outside(outside: Sequence[qs.sources.Outside]) -> str:
    """Records by what is wrong with them."""
    by_reason = defaultdict(list)
    for each in outside[:NAMED]:
        page = f" page {each.tags['page']}" if each.tags.get("page") else ""
        by_reason[each.reason].append(f"{each.tags.get('file', f'picture {each.number}')}{page}")
    known = "; ".join(f"{', '.join(names)} ({reason})" for reason, names in by_reason.items())
    return known + (f"; and {len(outside) - NAMED} more" if len(outside) > NAMED else "")
