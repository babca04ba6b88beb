"""A source of pictures in levels: split without leaks, in model units, and kept by a run without their bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic.kits.pictures.copies import copies, copies_notes
from quasistatic.kits.pictures.drawing import draw_picture
from quasistatic.kits.pictures.levels import BYTE, MOST_BITS, Depth
from quasistatic.kits.pictures.options import PictureChoices
from quasistatic.kits.pictures.report import AbstractPictureReport
from quasistatic.kits.pictures.stored import SHARE, Pictures, in_view, named_outside, refuse_outside
from quasistatic.kits.record import SPLITS, Memory

FEWEST = 10  # pictures
PRIOR = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0)  # pictures that what is common to all pixels may count as
ROWS = 10_000  # pictures at most to which a simple model is fitted


class PictureSource(
    qs.AbstractSource,
    qs.sources.AbstractDrawing,
    qs.sources.AbstractReading,
    qs.sources.AbstractWriting,
    qs.sources.AbstractBaselines,
    qs.sources.AbstractKept,
    AbstractPictureReport,
):
    """Events (height, width) or (height, width, 3): levels, a uniform spread of each over its width, or bits.

    `read(where)` gives the pictures of a place, such as a folder, and raises DataError; other places are read with it too.
    Levels are centred by one number and scaled by another, both of the training split. Stored rows are
    {'pixels': uint8 or uint16, 'label': int32}. Of levels that need more than 8 bits `bits` are modelled, by default all
    that are used, 12 at most. Files that cannot be read are left out, or where `strict` an error. Raises DataError for too few
    pictures, or too few groups of them.
    """

    units: qs.Units
    endings = (".tif",)
    _found: Pictures | None
    _places = qs.files.Places()

    def __init__(
        self,
        read: Callable[[str], Pictures],
        choices: PictureChoices,
        where: str,
        *,
        bits: int | None = None,
        strict: bool = False,
    ):
        found = read(where)
        if strict:
            refuse_outside(found)
        if len(found.pixels) < FEWEST:
            raise qs.DataError(f"{found.origin.path}: holds {len(found.pixels)} pictures, expected at least {FEWEST}")
        depth = Depth.choose(found.pixels, found.deep, BYTE if choices.view == "binary" else bits)
        depth_notes = depth.notes(found.pixels, found.deep) if choices.view != "binary" else ()
        found = attrs.evolve(found, pixels=depth.fit(found.pixels, found.deep))
        numbers = _split(found, choices)
        field, units = _field(found.pixels[numbers["train"]], choices, depth.levels)
        sizes = ", ".join(f"{len(rows)} {name}" for name, rows in numbers.items())
        repeated = copies_notes(copies(each.tobytes() for each in found.pixels), numbers, found.name, "pictures")
        notes = (*found.notes, *depth_notes, *_notes(field, units, choices, depth.levels), f"splits: {sizes}", *repeated)
        self._settle(read, choices, where, Memory(found.origin, field, units, None, numbers, notes), found.classes, depth)
        self._found = found

    @classmethod
    def restored(cls, read: Callable[[str], Pictures], choices: PictureChoices, where: str, kept: qs.sources.Kept) -> PictureSource:
        """What the source of a run was. Its files are read when its rows are used, and must be the same, to the byte.

        Raises DataError for a record that is damaged; later, for files that are gone or were changed.
        """
        memory, source = Memory.recall(kept), cls.__new__(cls)
        classes = kept.about.get("classes")
        if not (isinstance(classes, list) and all(isinstance(name, str) for name in classes)):
            raise qs.files.unreadable_record("classes")
        try:
            # runs of before kept none, and modelled the highest 8 of 16 bits
            depth = Depth(**{"found": 2 * BYTE, "bits": BYTE, **kept.about.get("depth", {})})
            if not BYTE <= depth.bits <= MOST_BITS or not BYTE <= depth.found <= 2 * BYTE:
                raise ValueError("bits")
        except (TypeError, ValueError) as error:
            raise qs.files.unreadable_record("depth") from error
        source._settle(read, choices, where, memory, tuple(classes), depth)
        source._places = kept.places
        return source

    def _settle(
        self,
        read: Callable[[str], Pictures],
        choices: PictureChoices,
        where: str,
        memory: Memory,
        classes: tuple[str, ...],
        depth: Depth,
    ) -> None:
        self._read, self._choices, self._where, self._memory, self._classes = read, choices, where, memory, classes
        self._depth, self._found = depth, None
        self.event, self.units, self.notes = memory.field, memory.units, memory.notes
        self.side = qs.Categorical((), len(classes)) if choices.labels and len(classes) > 1 else None
        if choices.labels and self.side is None:
            raise qs.DataError(f"source.labels: {memory.origin.path} has pictures of one class, or of none; expected at least 2")

    def _pictures(self) -> Pictures:
        """Those of all splits, which a run that is reopened reads once."""
        if self._found is None:
            found = qs.files.Reopened(self._memory.origin, self._places, self._look, self._where or None).data
            self._found = attrs.evolve(found, pixels=self._depth.fit(found.pixels, found.deep))
        return self._found

    def _look(self, place: str) -> tuple[qs.files.Origin, Callable[[], Pictures]]:
        found = self._read(place)
        return found.origin, lambda: found

    def kept(self) -> qs.sources.Kept:
        own = self._memory.keep()
        return qs.sources.Kept({**own.about, "classes": list(self._classes), "depth": attrs.asdict(self._depth)}, own.arrays)

    def _rows(self, name: qs.Split, count: int | None = None) -> dict[str, np.ndarray]:
        numbers, found = self._memory.numbers[name][:count], self._pictures()
        return {"pixels": found.pixels[numbers], "label": found.labels[numbers].astype(np.int32)}

    def split(self, name: qs.Split, count: int | None = None) -> qs.Data:
        rows = self._rows(name, count)
        # RandomState: its stream is frozen, and a count takes the first numbers of it
        spread = np.random.RandomState(SPLITS.index(name)).random_sample(rows["pixels"].shape) if self._choices.dequantise else 0.5
        x = self._modelled(rows["pixels"].astype(np.float64), spread).astype(np.float32)
        return qs.Data(x, rows["label"] if self.side else None, self._pictures().tags(self._memory.numbers[name][:count]))

    def stored(self) -> qs.sources.ArrayRows:
        return qs.sources.ArrayRows(self._rows("train"))

    def draw(self, row: Mapping[str, Any], *, key: jax.Array) -> tuple[Any, Any | None]:
        pixels = jnp.asarray(row["pixels"], jnp.float32)
        spread = jr.uniform(key, pixels.shape, jnp.float32) if self._choices.dequantise else 0.5
        return self._modelled(pixels, spread).astype(jnp.float32), row["label"] if self.side else None

    def _modelled(self, levels: Any, spread: Any) -> Any:
        """Levels in model units; `spread` moves each within its width, a half not at all."""
        if isinstance(self.event, qs.Binary):
            return levels >= self._choices.threshold
        return (levels + (spread - 0.5) - self.units.shift) / self.units.scale

    def read_events(self, path: str | Path) -> qs.Data:
        """Events of another place, read as this one was, or of an array in the units of the user.

        What cannot be read, and what has other levels or classes, is in `Data.outside`. Raises DataError where that is all.
        """
        if str(path).endswith((".npy", ".npz")):
            return self._of_array(qs.files.read_array(path).values)
        found = self._read(str(path))
        pixels = in_view(found.pixels, len(self._memory.field.shape) == 3)
        shapes = pixels.shape[1:], self._memory.field.shape
        if shapes[0] != shapes[1]:
            given, wanted = ("x".join(map(str, shape)) for shape in shapes)
            raise qs.DataError(f"{path}: its pictures are {given}, expected {wanted}")
        tags = found.tags(np.arange(len(pixels)))
        problems = [self._problem(found, row) for row in range(len(pixels))]
        outside = [
            qs.sources.Outside(int(tags["picture"][row]), problem, {name: column[row].item() for name, column in tags.items()})
            for row, problem in enumerate(problems)
            if problem is not None
        ]
        all_outside = tuple(sorted((*found.outside, *outside), key=lambda each: each.number))
        rows = np.array([row for row, problem in enumerate(problems) if problem is None], int)
        if not len(rows):
            raise qs.DataError(f"{path}: none of its pictures is an event of this model: {named_outside(all_outside)}")
        x = self._modelled(self._depth.fit(pixels[rows], found.deep[rows]).astype(np.float64), 0.5).astype(np.float32)
        labels = None
        if self.side is not None:
            labels = np.array([self._classes.index(_class_of(found, row)) for row in rows], np.int32)
        return qs.Data(x, labels, found.tags(rows), all_outside)

    def _of_array(self, values: np.ndarray) -> qs.Data:
        """Events of an array (N, ...) in the user's units; those with levels that there are not are outside."""
        is_event = values.shape[1:] == self._memory.field.shape and values.dtype.kind in "biuf"
        fits = self.event.contains(self.units.to_model(values)).reshape(len(values), -1) if is_event else np.ones((1, 1), bool)
        rows = np.flatnonzero(fits.all(axis=1))
        if not is_event or not len(rows):
            return qs.Data(qs.sources.from_user(self, values))
        outside = []
        for row in np.flatnonzero(~fits.all(axis=1)).tolist():
            place = int(np.argmin(fits[row]))
            wanted = "0 or 1" if isinstance(self.event, qs.Binary) else f"a level from 0 to {self._depth.levels - 1}"
            reason = f"element {place} is {values[row].ravel()[place].item():g}, expected {wanted}"
            outside.append(qs.sources.Outside(row, reason, {"picture": row}))
        return qs.Data(qs.sources.from_user(self, values[rows]), tags={"picture": rows}, outside=tuple(outside))

    def _problem(self, found: Pictures, row: int) -> str | None:
        """Why a picture that was read is no event of this model, or None."""
        pixels = found.pixels[row]
        is_new = pixels.ndim > len(self._memory.field.shape) and bool((pixels != pixels[..., :1]).any())
        if is_new and self._choices.view == "auto":
            return 'it is in colour, and the model of greys; source.view = "grey" makes greys of colours'
        if self.side is not None and _class_of(found, row) not in self._classes:
            return f"its class is {_class_of(found, row)!r}, expected one of {', '.join(self._classes)}"
        return self._depth.problem(pixels, bool(found.deep[row]))

    def write_events(self, xs: Any, ending: str) -> bytes:
        """A TIFF with a page for each event, which is read as the same levels."""
        white = 1 if isinstance(self.event, qs.Binary) else self._depth.levels - 1
        levels = np.clip(np.round(self.units.to_user(np.asarray(xs))), 0, white)
        scale = 2**BYTE - 1 if isinstance(self.event, qs.Binary) else 1
        return self._depth.written((scale * levels).astype(np.uint8 if self._depth.bits == BYTE else np.uint16), "TIFF")

    def baselines(self, xs: Any) -> dict[str, np.ndarray]:
        """Independent pixels, each with its own levels; of dequantised ones an even density over the width of each level."""
        train, validation = (self._whole(self._rows(name, ROWS)["pixels"]) for name in ("train", "validation"))
        white = self._depth.levels - 1
        levels = self._whole(np.clip(np.round(self.units.to_user(np.asarray(xs))), 0, white).astype(np.uint16), is_event=True)
        found = independent_pixels(train, validation, levels, 2 if isinstance(self.event, qs.Binary) else white + 1)
        # of a density in model units, where a level is 1 / scale wide
        shift = self.event.size * np.log(self.units.scale) if isinstance(self.event, qs.Real) else 0.0
        return {"independent pixels": found + shift}

    def _whole(self, pixels: np.ndarray, is_event: bool = False) -> np.ndarray:
        """Levels or bits (N, pixels)."""
        is_read = isinstance(self.event, qs.Binary) and not is_event
        return (pixels >= self._choices.threshold if is_read else pixels).reshape(len(pixels), -1).astype(np.uint16)

    def render(self, xs: Any, axes: Any) -> None:
        """Side by side, black at the lowest level and white at the highest."""
        draw_picture(self.units.to_user(np.asarray(xs)), 1 if isinstance(self.event, qs.Binary) else self._depth.levels - 1, axes)


def _class_of(found: Pictures, row: int) -> str:
    return found.classes[found.labels[row]] if found.classes else ""


def independent_pixels(train: np.ndarray, validation: np.ndarray, xs: np.ndarray, states: int) -> np.ndarray:
    """Log-probability in nats of each of `xs` (M, pixels), if every pixel had a distribution of its own.

    That is how often its states occur in `train` (N, pixels), and in all pixels of it, counted as so many pictures more
    as is best for `validation`.
    """
    everywhere = (np.bincount(train.ravel(), minlength=states) + 1.0) / (train.size + states)
    counts = np.stack([np.bincount(pixel, minlength=states) for pixel in train.T])

    def log_prob(events: np.ndarray, extra: float) -> np.ndarray:
        seen = counts[np.arange(len(counts)), events]
        return np.log((seen + extra * everywhere[events]) / (len(train) + extra)).sum(axis=1)

    return log_prob(xs, max(PRIOR, key=lambda extra: log_prob(validation, extra).mean()))


def _split(found: Pictures, choices: PictureChoices) -> dict[qs.Split, np.ndarray]:
    """Which pictures are in which split, in random order. Raises DataError for too few groups."""
    # RandomState: its stream is frozen for all versions of numpy
    random = np.random.RandomState(choices.split_seed % 2**32)
    free = found.places == SHARE
    groups = random.permutation(np.unique(found.groups[free]))
    test_share = 0.0 if np.any(found.places == SPLITS.index("test")) else choices.test_share
    test = max(1, round(len(groups) * test_share)) if test_share else 0
    validation = 0 if np.any(found.places == SPLITS.index("validation")) else max(1, round(len(groups) * choices.validation_share))
    places = found.places.copy()
    for place, chosen in ((2, groups[:test]), (1, groups[test : test + validation]), (0, groups[test + validation :])):
        places[free & np.isin(found.groups, chosen)] = place
    order = random.permutation(len(places))
    numbers = {name: order[places[order] == place] for place, name in enumerate(SPLITS)}
    if empty := [name for name, rows in numbers.items() if not len(rows)]:
        raise qs.DataError(
            f"{found.origin.path}: {len(groups)} of which none may be in two splits leave {empty[0]} empty: expected more files"
            + ("" if found.pages is None else ", or source.split_pages = true, for pages of a file in several splits")
        )
    return numbers


def _field(train: np.ndarray, choices: PictureChoices, count: int) -> tuple[qs.AbstractField, qs.Units]:
    shape = train.shape[1:]
    if choices.view == "binary":
        return qs.Binary(shape), qs.Units()
    mean, deviation = float(train.mean(dtype=np.float64)), float(train.std(dtype=np.float64))
    if deviation == 0.0:
        raise qs.DataError(f"every pixel of the training split has the level {mean:g}: there is nothing to learn")
    units = qs.Units(mean, deviation)
    edge = 0.5 if choices.dequantise else 0.0
    low, high = units.to_model(np.array([0.0 - edge, count - 1 + edge])).tolist()
    return (qs.Real(shape, low, high) if choices.dequantise else qs.Levels(shape, low, high, count)), units


def _notes(field: qs.AbstractField, units: qs.Units, choices: PictureChoices, count: int) -> Iterable[str]:
    if isinstance(field, qs.Binary):
        yield f"pixels are 1 from level {choices.threshold} on"
        return
    yield f"levels 0 to {count - 1} are centred by {units.shift:.4g} and divided by {units.scale:.4g}, those of the training split"
    if choices.dequantise:
        yield "every level is spread evenly over its width (legacy): K in the units of the data is a bound on that of the levels"
    else:
        yield "K of levels is the logarithm of a probability: it has no unit of the data, and is at most 0"
