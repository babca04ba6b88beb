"""Handwritten digits, as bits or as levels of grey."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic.kits import pictures
from quasistatic_plugins.digits import DigitsOptions
from quasistatic_plugins.digits.baseline import mixture

SIDE, TOP, INK = 8, 16, 8  # pixels, the darkest level, the level from which a pixel is ink
SIZES = {"train": 1257, "validation": 180, "test": 360}
JITTER = 2  # levels by which the threshold of ink moves at most
COMPONENTS = 60


def build(options: DigitsOptions) -> qs.AbstractSource:
    """The digits, augmented where the options have it. Raises DataError without scikit-learn."""
    source = Digits(options)
    if not options.augment:
        return source
    return qs.sources.AugmentedSource(source, source.change, 3 if options.view == "binary" else 2)


class Digits(qs.AbstractSource, pictures.AbstractPictureReport, qs.sources.AbstractBaselines):
    """Events (8, 8): 0. and 1., or 17 levels centred by one number and scaled by another, both of the training split.

    Stored rows are {'grey': levels 0 .. 16, 'label': 0 .. 9}.
    """

    units: qs.Units = qs.Units()

    def __init__(self, options: DigitsOptions):
        grey, labels = _load()
        # RandomState: its stream is frozen for all versions of numpy
        order = np.random.RandomState(options.split_seed % 2**32).permutation(len(grey))
        parts = np.split(order, np.cumsum([*SIZES.values()])[:-1])
        self.options = options
        self._rows = {name: {"grey": grey[rows], "label": labels[rows]} for name, rows in zip(SIZES, parts, strict=True)}
        self.side = qs.Categorical((), 10) if options.labels else None
        if options.view == "binary":
            self.event = qs.Binary((SIDE, SIDE))
            self.notes = (f"{self._seen()} of {SIZES['test']} test images equal a training image, pixel for pixel",)
        else:
            train = self._rows["train"]["grey"]
            self.units = qs.Units(float(train.mean()), float(train.std()))
            low, high = (float(level) for level in self.units.to_model(np.array([0.0, TOP])))
            self.event = qs.Levels((SIDE, SIDE), low, high, TOP + 1)

    def _seen(self) -> int:
        """How many test images are among the training images."""
        train = {image.tobytes() for image in self._levels("train")}
        return sum(image.tobytes() in train for image in self._levels("test"))

    def split(self, name: qs.Split, count: int | None = None) -> qs.Data:
        x, side = jax.vmap(self._event)({key: rows[:count] for key, rows in self._rows[name].items()})
        labels = self._rows[name]["label"][:count]
        x, side = jax.tree.map(np.asarray, (x, side))
        return qs.Data(x, side, {"event": np.arange(len(labels)), "label": labels})

    def stored(self) -> qs.sources.ArrayRows:
        return qs.sources.ArrayRows(self._rows["train"])

    def draw(self, row: dict[str, jax.Array], *, key: jax.Array) -> tuple[jax.Array, jax.Array | None]:
        return self._event(row)

    def _event(self, row: dict[str, Any]) -> tuple[jax.Array, jax.Array | None]:
        label = jnp.asarray(row["label"], jnp.int32) if self.options.labels else None
        return self._view(row["grey"], INK), label

    def _view(self, grey: jax.Array, ink: jax.Array | int) -> jax.Array:
        grey = jnp.asarray(grey, jnp.float32)
        if self.options.view == "binary":
            return (grey >= ink).astype(jnp.float32)
        return (grey - self.units.shift) / self.units.scale

    def change(self, row: dict[str, jax.Array], x: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The image shifted by up to a pixel each way, and its threshold moved; and what was done, each in [-1, 1].

        Half of the images stay as they are, as those that the network is judged by.
        """
        key_touch, key_shift, key_ink = jr.split(key, 3)
        touched = jr.bernoulli(key_touch, jnp.float32(0.5)).astype(jnp.int32)
        shift = touched * jr.randint(key_shift, (2,), -1, 2, jnp.int32)
        jitter = touched * jr.randint(key_ink, (1,), -JITTER, JITTER + 1, jnp.int32)
        grey = jax.lax.dynamic_slice(jnp.pad(row["grey"], 1), 1 - shift, (SIDE, SIDE))
        code = [shift, jitter / JITTER] if self.options.view == "binary" else [shift]
        return self._view(grey, INK + jitter), jnp.concatenate([part.astype(jnp.float32) for part in code])

    def judge(self, xs: np.ndarray) -> dict[str, float]:
        """`ink`: mean share of ink per pixel (the training images have the same to compare with); and those of all pictures."""
        return {"ink": self._ink(xs), "ink_of_data": self._ink(self.split("train").x), **super().judge(xs)}

    def _ink(self, xs: np.ndarray) -> float:
        return float(np.mean(self.units.to_user(np.asarray(xs)))) / (1 if self.options.view == "binary" else TOP)

    def baselines(self, xs: np.ndarray) -> dict[str, np.ndarray]:
        """Independent pixels, and a mixture of 60 of such."""
        train, test = self._levels("train"), np.round(self.units.to_user(np.asarray(xs))).astype(int).reshape(len(xs), -1)
        states = 2 if self.options.view == "binary" else TOP + 1
        return {
            "independent pixels": mixture(train, test, states),
            f"mixture of {COMPONENTS} independent-pixel models": mixture(train, test, states, COMPONENTS),
        }

    def _levels(self, name: qs.Split) -> np.ndarray:
        grey = self._rows[name]["grey"].reshape(-1, SIDE * SIDE)
        return (grey >= INK).astype(np.uint8) if self.options.view == "binary" else grey


def _load() -> tuple[np.ndarray, np.ndarray]:
    """Levels (1797, 8, 8) and labels (1797,), uint8."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise qs.DataError("source 'digits' needs scikit-learn: pip install \"quasistatic[data]\"") from error
    digits: Any = load_digits()
    return digits.images.astype(np.uint8), digits.target.astype(np.uint8)
