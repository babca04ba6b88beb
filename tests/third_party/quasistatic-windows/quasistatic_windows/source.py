"""Windows of one long series. The splits are of whole blocks of the file, so no sample of one split is in another."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import quasistatic as qs
from quasistatic_windows import WindowsOptions

BLOCKS = 20
SPLITS = {"test": slice(0, 4), "validation": slice(4, 6), "train": slice(6, BLOCKS)}
PCM = {1: "u1", 2: "<i2", 4: "<i4"}  # by bytes of a sample


class Windows(qs.AbstractSource, qs.sources.AbstractDrawing):
    """Events (length,). The mean and the one scale come from the training windows."""

    def __init__(self, options: WindowsOptions):
        series = read(options)
        block = len(series) // BLOCKS
        if block < options.length:
            raise qs.DataError(
                f"{options.path}: holds {len(series)} samples; source.length = {options.length} needs at least "
                f"{BLOCKS * options.length}, as the file is cut into {BLOCKS} blocks for the splits"
            )
        blocks = series[: BLOCKS * block].reshape(BLOCKS, block)
        # RandomState: its stream is frozen for all versions of numpy
        order = np.random.RandomState(options.seed % 2**32).permutation(BLOCKS)
        windows = sliding_window_view(blocks, options.length, axis=1)[order, :: options.hop]
        train = windows[SPLITS["train"]]
        if not train.std() > 0:
            raise qs.DataError(f"{options.path}: every training sample is {train.flat[0]:g}, so there is nothing to learn")
        self.event, self.units, self._windows = qs.Real((options.length,)), qs.Units(train.mean(), float(train.std())), windows
        self.notes = (f"read {len(series)} samples from {options.path}: {windows.shape[1]} windows in each of {BLOCKS} blocks",)

    def split(self, name: str, count: int | None = None) -> qs.Data:
        chosen = self._windows[SPLITS[name]].reshape(-1, *self.event.shape)[:count]
        return qs.Data(self.units.to_model(chosen).astype(np.float32))

    def stored(self) -> qs.sources.Rows:
        return qs.sources.ArrayRows(self.split("train").x)

    def draw(self, row: jax.Array, *, key: jax.Array) -> tuple[jax.Array, None]:
        return jnp.asarray(row), None

    def render(self, xs: np.ndarray, axes: Any) -> None:
        axes.plot(self.units.to_user(np.asarray(xs)).T, linewidth=0.8)


def read(options: WindowsOptions) -> np.ndarray:
    """All samples (N,), in float64. Raises DataError with what is wrong with the file and a way out."""
    if Path(options.path).suffix.lower() == ".wav":
        return read_wav(options.path)
    table = qs.files.read_array(options.path)  # it names missing files and missing numbers itself
    values, names = table.values.reshape(len(table.values), -1), table.columns or ()
    if options.column not in names and (options.column or values.shape[1] != 1):
        shown = ", ".join(names) or f"{values.shape[1]}, without names"
        raise qs.DataError(f"{options.path}: source.column is {options.column!r}; choose one of its columns: {shown}")
    return values[:, names.index(options.column) if options.column else 0]


def read_wav(path: str) -> np.ndarray:
    """Samples of a .wav file, full scale is 1; the mean of its channels."""
    try:
        with wave.open(str(Path(path).expanduser())) as file:
            width, channels, frames = file.getsampwidth(), file.getnchannels(), file.readframes(file.getnframes())
            whole = len(frames) == file.getnframes() * width * channels
    except OSError as error:
        raise qs.DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (wave.Error, EOFError) as error:
        raise qs.DataError(f"{path}: is not a .wav file of whole numbers (PCM): {str(error) or 'it ends too early'}") from error
    if width not in PCM or not whole:
        raise qs.DataError(f"{path}: " + (f"has {8 * width}-bit samples, expected 8, 16 or 32" if whole else "ends too early"))
    samples = np.frombuffer(frames, PCM[width]).reshape(-1, channels).mean(axis=1)
    return (samples - (128 if width == 1 else 0)) / 2.0 ** (8 * width - 1)
