"""Pictures in 256 levels, from any kind of file: split without leaks, in model units, and kept by a run without their bytes."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._data.draw import draw_picture
from quasistatic._data.origin import Origin
from quasistatic._data.picture_choices import PictureChoices
from quasistatic._data.reading import read_table
from quasistatic._data.record import Memory
from quasistatic._data.source import (
    SPLITS,
    AbstractBaselines,
    AbstractDrawing,
    AbstractKept,
    AbstractReading,
    AbstractSource,
    ArrayRows,
    Data,
    Kept,
    Split,
    events_of,
)
from quasistatic._data.units import Units
from quasistatic._process.distribution import Key, State
from quasistatic._process.event import AbstractField, Binary, Categorical, Levels, Real
from quasistatic.errors import DataError

LEVELS = 256
FEWEST = 10  # pictures
PRIOR = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0)  # pictures that what is common to all pixels may count as
ROWS = 10_000  # pictures at most to which a simple model is fitted
SHARE = -1  # of `Pictures.places`: where shares decide


@attrs.frozen(eq=False)
class Pictures:
    """Pictures as they were read: `pixels` (N, height, width) or (N, height, width, 3), uint8, and where they come from.

    Pictures of one group of `groups` (N,) are never in two splits. `places` (N,) are 0, 1, 2 for what belongs to the
    training, validation or test split already, and -1 for the rest. `labels` (N,) number the `classes`, `files` name the groups.
    """

    origin: Origin
    pixels: np.ndarray
    groups: np.ndarray
    places: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def tags(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """What stands beside some pictures in a table: where each comes from, and its class."""
        from_file = {"file": np.array(self.files)[self.groups[rows]]} if self.files else {}
        return {"picture": rows, **from_file, **({"label": np.array(self.classes)[self.labels[rows]]} if self.classes else {})}


def origin_of(where: str, files: Mapping[str, bytes]) -> Origin:
    """Of the bytes of several files, by name: their size together, and one digest of all."""
    return origin_of_digests(where, ((name, len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items()))


def origin_of_digests(where: str, files: Iterable[tuple[str, int, str]]) -> Origin:
    """Of several files, given by name, size and digest."""
    named = sorted(files)
    whole = hashlib.sha256("".join(f"{name}\0{digest}\n" for name, _, digest in named).encode(errors="surrogateescape"))
    return Origin(
        where if where == os.path.basename(where) and not os.path.exists(where) else os.path.abspath(where),
        sum(size for _, size, _ in named),
        whole.hexdigest(),
    )


def in_view(pixels: np.ndarray, is_colour: bool) -> np.ndarray:
    """Pictures (N, height, width) or (N, height, width, 3) as grey or as colour ones."""
    if is_colour:
        return pixels if pixels.ndim == 4 else np.repeat(pixels[..., None], 3, axis=-1)
    # the weights of ITU-R 601-2, with which pillow makes greys
    return pixels if pixels.ndim == 3 else np.round(pixels @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)


class PictureSource(AbstractSource, AbstractDrawing, AbstractReading, AbstractBaselines, AbstractKept):
    """Events (height, width) or (height, width, 3): levels, a uniform spread of each over its width, or bits.

    `read(where)` gives the pictures of a place, such as a folder, and raises DataError; other places are read with it too.
    Levels are centred by one number and scaled by another, both of the training split. Stored rows are
    {'pixels': uint8, 'label': int32}. Raises DataError for too few pictures, or too few groups of them.
    """

    units: Units
    _found: Callable[[], Pictures]

    def __init__(self, read: Callable[[str], Pictures], choices: PictureChoices, where: str):
        found = read(where)
        if len(found.pixels) < FEWEST:
            raise DataError(f"{found.origin.path}: holds {len(found.pixels)} pictures, expected at least {FEWEST}")
        numbers = _split(found, choices)
        field, units = _field(found.pixels[numbers["train"]], choices)
        sizes = ", ".join(f"{len(rows)} {name}" for name, rows in numbers.items())
        said = (*found.notes, *_notes(field, units, choices), f"splits: {sizes}")
        self._settle(read, choices, Memory(found.origin, field, units, None, numbers, said), found.classes)
        self._found = lambda: found

    @classmethod
    def restored(cls, read: Callable[[str], Pictures], choices: PictureChoices, where: str, kept: Kept) -> PictureSource:
        """What the source of a run was. Its files are read when its rows are asked for, and must be the same, to the byte.

        Raises DataError for a record that is none; later, for files that are gone or were changed.
        """
        memory, source = Memory.recall(kept), cls.__new__(cls)
        classes = kept.about.get("classes")
        if not (isinstance(classes, list) and all(isinstance(name, str) for name in classes)):
            raise DataError("the record of the data in run.json is none that this version reads: classes")

        @functools.cache
        def same() -> Pictures:
            found = read(memory.origin.path if os.path.exists(memory.origin.path) else where)
            if found.origin.sha256 != memory.origin.sha256:
                raise DataError(
                    f"{found.origin.path}: these are not the pictures that the run was trained on: files were added, removed "
                    "or changed since, so that none of its splits is measured. `sample` does without them; with the same "
                    "files in their place all else goes on"
                )
            return found

        source._settle(read, choices, memory, tuple(classes))
        source._found = same
        return source

    def _settle(self, read: Callable[[str], Pictures], choices: PictureChoices, memory: Memory, classes: tuple[str, ...]) -> None:
        self._read, self._choices, self._memory, self._classes = read, choices, memory, classes
        self.event, self.units, self.notes = memory.field, memory.units, memory.notes
        self.side = Categorical((), len(classes)) if choices.labels and len(classes) > 1 else None
        if choices.labels and self.side is None:
            raise DataError(f"source.labels: {memory.origin.path} has pictures of one class, or of none; expected at least 2")

    def kept(self) -> Kept:
        own = self._memory.keep()
        return Kept({**own.about, "classes": list(self._classes)}, own.arrays)

    def _rows(self, name: Split, count: int | None = None) -> dict[str, np.ndarray]:
        numbers, found = self._memory.numbers[name][:count], self._found()
        return {"pixels": found.pixels[numbers], "label": found.labels[numbers].astype(np.int32)}

    def split(self, name: Split, count: int | None = None) -> Data:
        rows = self._rows(name, count)
        # RandomState: its stream is frozen, and a count takes the first numbers of it
        spread = np.random.RandomState(SPLITS.index(name)).random_sample(rows["pixels"].shape) if self._choices.dequantise else 0.5
        x = self._modelled(rows["pixels"].astype(np.float64), spread).astype(np.float32)
        return Data(x, rows["label"] if self.side else None, self._found().tags(self._memory.numbers[name][:count]))

    def stored(self) -> ArrayRows:
        return ArrayRows(self._rows("train"))

    def draw(self, row: Mapping[str, Any], *, key: Key) -> tuple[State, State | None]:
        pixels = jnp.asarray(row["pixels"], jnp.float32)
        spread = jr.uniform(key, pixels.shape, jnp.float32) if self._choices.dequantise else 0.5
        return self._modelled(pixels, spread).astype(jnp.float32), row["label"] if self.side else None

    def _modelled(self, levels: Any, spread: Any) -> Any:
        """Levels in model units; `spread` moves each within its width, a half not at all."""
        if isinstance(self.event, Binary):
            return levels >= self._choices.threshold
        return (levels + (spread - 0.5) - self.units.shift) / self.units.scale

    def read_events(self, path: str | Path) -> Data:
        """Events of another place, read as this one was, or of an array in the units of the user. Raises DataError."""
        if str(path).endswith((".npy", ".npz")):
            return Data(events_of(self, read_table(path).values))
        found = self._read(str(path))
        pixels = in_view(found.pixels, len(self._memory.field.shape) == 3)
        shapes = pixels.shape[1:], self._memory.field.shape
        if shapes[0] != shapes[1]:
            given, wanted = ("x".join(map(str, shape)) for shape in shapes)
            raise DataError(f"{path}: its pictures are {given}, expected {wanted}")
        labels = None
        if self.side is not None:
            if missing := sorted(set(found.classes or ("",)) - set(self._classes)):
                raise DataError(f"{path}: holds the class {missing[0]!r}, expected one of {', '.join(self._classes)}")
            labels = np.array([self._classes.index(found.classes[label]) for label in found.labels], np.int32)
        x = self._modelled(pixels.astype(np.float64), 0.5).astype(np.float32)
        return Data(x, labels, found.tags(np.arange(len(x))))

    def baselines(self, xs: State) -> dict[str, np.ndarray]:
        """Independent pixels, each with its own levels; of dequantised ones an even density over the width of each level."""
        train, validation = (self._whole(self._rows(name, ROWS)["pixels"]) for name in ("train", "validation"))
        levels = self._whole(np.clip(np.round(self.units.to_user(np.asarray(xs))), 0, LEVELS - 1).astype(np.uint8), is_event=True)
        found = independent_pixels(train, validation, levels, 2 if isinstance(self.event, Binary) else LEVELS)
        # of a density in model units, where a level is 1 / scale wide
        shift = self.event.size * np.log(self.units.scale) if isinstance(self.event, Real) else 0.0
        return {"independent pixels": found + shift}

    def _whole(self, pixels: np.ndarray, is_event: bool = False) -> np.ndarray:
        """Levels or bits (N, pixels)."""
        is_read = isinstance(self.event, Binary) and not is_event
        return (pixels >= self._choices.threshold if is_read else pixels).reshape(len(pixels), -1).astype(np.uint8)

    def render(self, xs: State, axes: Any) -> None:
        """Side by side, black at the lowest level and white at the highest."""
        draw_picture(self.units.to_user(np.asarray(xs)), 1 if isinstance(self.event, Binary) else LEVELS - 1, axes)


def independent_pixels(train: np.ndarray, validation: np.ndarray, xs: np.ndarray, states: int) -> np.ndarray:
    """Log-probability in nats of each of `xs` (M, pixels), if every pixel had a distribution of its own.

    That is how often its states occur in `train` (N, pixels), and in all pixels of it, counted as so many pictures more
    as is best for `validation`.
    """
    everywhere = (np.bincount(train.ravel(), minlength=states) + 1.0) / (train.size + states)
    counts = np.stack([np.bincount(pixel, minlength=states) for pixel in train.T])

    def log_prob(events: np.ndarray, extra: float) -> np.ndarray:
        shares = np.log((counts + extra * everywhere) / (len(train) + extra))
        return shares[np.arange(len(counts)), events].sum(axis=1)

    return log_prob(xs, max(PRIOR, key=lambda extra: log_prob(validation, extra).mean()))


def _split(found: Pictures, choices: PictureChoices) -> dict[Split, np.ndarray]:
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
        raise DataError(
            f"{found.origin.path}: {len(groups)} of which none may be in two splits leave {empty[0]} empty: expected more files"
        )
    return numbers


def _field(train: np.ndarray, choices: PictureChoices) -> tuple[AbstractField, Units]:
    shape = train.shape[1:]
    if choices.view == "binary":
        return Binary(shape), Units()
    mean, deviation = float(train.mean(dtype=np.float64)), float(train.std(dtype=np.float64))
    if deviation == 0.0:
        raise DataError(f"every pixel of the training split has the level {mean:g}: there is nothing to learn")
    units = Units(mean, deviation)
    edge = 0.5 if choices.dequantise else 0.0
    low, high = units.to_model(np.array([0.0 - edge, LEVELS - 1 + edge])).tolist()
    return (Real(shape, low, high) if choices.dequantise else Levels(shape, low, high, LEVELS)), units


def _notes(field: AbstractField, units: Units, choices: PictureChoices) -> Iterable[str]:
    if isinstance(field, Binary):
        yield f"pixels are 1 from level {choices.threshold} on"
        return
    yield f"levels 0 to 255 are centred by {units.shift:.4g} and divided by {units.scale:.4g}, those of the training split"
    if choices.dequantise:
        yield "every level is spread evenly over its width (legacy): K in the units of the data is a bound on that of the levels"
    else:
        yield "K of levels is the logarithm of a probability: it has no unit of the data, and is at most 0"
