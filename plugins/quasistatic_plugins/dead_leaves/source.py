"""Discs in random places, each before all that came earlier, in greys of 8 bits; then noise.

Discs are drawn with their true density in the plane, but for those that cannot reach the picture: of a radius r, centres are
even on the square of side size + 2 r, and radii are drawn in proportion to their density times its area.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic.kits import pictures
from quasistatic_plugins.dead_leaves import DeadLeavesOptions

GREYS = 256
DEVIATION = math.sqrt((GREYS**2 - 1) / 12)  # of a whole number that is even on 0 .. 255
BARE = 1e-6  # expected pixels of a picture that no disc covers; they have one grey, of what lies behind
POINTS = 4097  # of the table of radii
MOST = 100_000  # discs


class DeadLeaves(qs.AbstractGeneratedSource, pictures.AbstractPictureReport, qs.sources.AbstractBaselines):
    """Events (size, size): greys of mean 0 and variance 1, both exact, and noise of variance `noise`**2 on top."""

    units: qs.Units = qs.Units((GREYS - 1) / 2, DEVIATION)

    def __init__(self, options: DeadLeavesOptions):
        super().__init__(options.seed, options.validation_events, options.test_events)
        self.options, self.event = options, qs.Real((options.size, options.size))
        self._radii = np.geomspace(options.smallest, options.largest, POINTS)
        self._below, self.discs = self._plan()
        if options.noise == 0:
            self.notes = ("without noise greys have no density: K grows without limit as kernel.first_noise falls",)

    def _plan(self) -> tuple[np.ndarray, int]:
        """The share of radii below each of the table, and how many discs leave no pixel bare. Raises DataError for too many."""
        r, size = self._radii, self.options.size
        weight = self._density() * (size + 2.0 * r) ** 2
        below = np.concatenate([[0.0], np.cumsum(0.5 * (weight[1:] + weight[:-1]) * np.diff(r))])
        covers = _mean(np.pi * r**2 / (size + 2.0 * r) ** 2, weight, r)  # the chance that a disc covers a given pixel
        discs = math.ceil(math.log(BARE / size**2) / math.log1p(-covers))
        if discs > MOST:
            raise qs.DataError(
                f"source.smallest: {discs:,} discs would have to be drawn to cover a picture, expected at most {MOST:,}; "
                "choose larger discs, or a smaller size"
            )
        return below / below[-1], discs

    def _density(self) -> np.ndarray:
        """Of the radii of all discs in the plane, up to a factor."""
        return (self._radii / self._radii[0]) ** -self.options.exponent

    def draw(self, row: None, *, key: jax.Array) -> tuple[jax.Array, None]:
        key_discs, key_noise = jr.split(key)
        size = self.options.size
        below, table = jnp.asarray(self._below, jnp.float32), jnp.asarray(self._radii, jnp.float32)
        chosen, across, down, grey = jr.uniform(key_discs, (4, self.discs + 1), jnp.float32)
        radii, greys = jnp.interp(chosen, below, table), jnp.floor(GREYS * grey)
        xs, ys = ((size + 2.0 * radii) * share - radii for share in (across, down))
        pixel = jnp.arange(size, dtype=jnp.float32) + 0.5

        def cover(picture: jax.Array, disc: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
            x, y, r, grey = disc
            inside = (pixel[:, None] - y) ** 2 + (pixel - x) ** 2 < r**2
            return jnp.where(inside, grey, picture), None

        # from back to front, a disc at a time: nothing larger than a picture is in memory
        ground = jnp.full((size, size), greys[0])
        discs = jax.tree.map(lambda each: each[1:], (xs, ys, radii, greys))
        picture, _ = jax.lax.scan(cover, ground, discs, unroll=4)
        x = (picture - self.units.shift) / self.units.scale
        return x + self.options.noise * jr.normal(key_noise, x.shape, jnp.float32), None

    def correlation(self, distance: np.ndarray) -> np.ndarray:
        """Of the greys of two pixels this far apart: the chance that one disc, the first on either, is on both."""
        d, r = np.asarray(distance, np.float64)[..., None], self._radii
        half = np.clip(d / (2.0 * r), 0.0, 1.0)
        both = 2.0 * r**2 * (np.arccos(half) - half * np.sqrt(1.0 - half**2))  # area where two discs, d apart, overlap
        shared = _mean(both, self._density(), r)
        return shared / (2.0 * _mean(np.pi * r**2, self._density(), r) - shared)

    def baselines(self, xs: np.ndarray) -> dict[str, np.ndarray]:
        """The normal distribution that has the exact covariance."""
        size = self.options.size
        rows, columns = np.divmod(np.arange(size**2), size)
        distance = np.hypot(np.subtract.outer(rows, rows), np.subtract.outer(columns, columns))
        lengths, which = np.unique(distance, return_inverse=True)
        covariance = self.correlation(lengths)[which].reshape(distance.shape) + self.options.noise**2 * np.eye(size**2)
        root = np.linalg.cholesky(covariance + 1e-6 * np.eye(size**2))
        away = np.linalg.solve(root, np.reshape(xs, (len(xs), -1)).T.astype(np.float64))
        constant = np.log(np.diag(root)).sum() + 0.5 * size**2 * math.log(2.0 * math.pi)
        return {"normal of the exact covariance": -0.5 * (away**2).sum(axis=0) - constant}


def _mean(values: np.ndarray, weight: np.ndarray, r: np.ndarray) -> np.ndarray:
    """The mean of values (..., r) of radii whose density is in proportion to `weight`."""
    return np.trapezoid(values * weight, r) / np.trapezoid(weight, r)
