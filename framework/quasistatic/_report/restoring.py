"""What is hidden or noisy in a picture, drawn back: pictures of posterior sampling."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from matplotlib.colors import ListedColormap

from quasistatic._data.draw import draw_part
from quasistatic._process import trajectory
from quasistatic._process.event import Binary
from quasistatic._process.potential import AbstractPotential, Flipped, Observed
from quasistatic._process.sampler import Ancestral
from quasistatic._report import film
from quasistatic._report.figure import NORMAL, TEXT, WIDTH, new_figure, picture_alone

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from quasistatic._data.source import AbstractSource, Data
    from quasistatic._process.diffusion import Diffusion
    from quasistatic._process.distribution import Key, State

HIDDEN = (198, 214, 232)  # of 255: what is painted over; white would pass for paper
SHOWN, DRAWS = 3, 3  # pictures of either kind, and draws of each
MOST_STEPS = 100  # of a walk back
NOISE, FLIPS = 0.5, 0.1  # a share of the deviation of all pixels; the probability of a flip
# variances of what is seen and of what is not, and the same of flips
SEEN, UNSEEN, SURE, UNSURE = 1e-4, 1e6, 1e-6, 0.5


def triptych(source: AbstractSource, columns: Mapping[str, np.ndarray], covered: np.ndarray | None = None) -> Figure:
    """Events (N, ...) as they were, as they are seen, and as they are drawn back, on one scale.

    Pictures have a row for each event, others a panel for each column.
    `covered` (N, ...) are the elements that are hidden in the column 'seen', painted over there.
    """
    if source.event.pixels is None:
        return _in_columns(source, columns, covered)
    ranges = [film.drawn_range(source, xs) for xs in columns.values() if not bool(np.isnan(xs).all())]
    bounds = min(low for low, _ in ranges), max(high for _, high in ranges)
    shown = {title: film.cells(source, xs, bounds) for title, xs in columns.items()}
    if covered is not None and "seen" in shown:
        hidden = np.asarray(covered.reshape(*covered.shape[:3], -1).any(axis=-1))
        for cell, over in zip(shown["seen"], hidden, strict=True):
            if cell.shape[:2] == over.shape:  # a source of somebody else may draw larger pixels
                cell[over] = HIDDEN
    gap = math.ceil(len(next(iter(shown.values()))[0]) / 6)
    rows = [film.in_a_row(row, gap) for row in zip(*shown.values(), strict=True)]
    return picture_alone(film.stacked(rows, gap), list(shown), gap)


def _in_columns(source: AbstractSource, columns: Mapping[str, np.ndarray], covered: np.ndarray | None) -> Figure:
    """A panel for each title, with all events as their source draws them."""
    figure = new_figure(WIDTH, 2.5)
    panels = dict(zip(columns, figure.subplots(1, len(columns), squeeze=False)[0], strict=True))
    for title, axes in panels.items():
        draw_part(source, columns[title], "", axes)
        axes.set_title(title, fontsize=NORMAL, color=TEXT)
    images = [image for axes in panels.values() for image in axes.images]
    limits = [image.get_clim() for image in images]
    for image in images:
        image.set_clim(min(low for low, _ in limits), max(high for _, high in limits))
    if covered is not None and "seen" in panels and panels["seen"].images:
        over = np.where(covered.reshape(len(covered), -1), 1.0, np.nan)
        panels["seen"].imshow(over, cmap=ListedColormap([np.divide(HIDDEN, 255)]), aspect="auto", interpolation="nearest")
    return figure


def restored(source: AbstractSource, diffusion: Diffusion, data: Data, *, key: Key) -> Figure | None:
    """The middle of some pictures hidden, and others noisy: each with draws of what they may have been, and the draws' mean.

    Draws are of the tilted walk without weights, which costs as little as samples but is a posterior only where pixels are
    independent. None where the kernel cannot be tilted.
    """
    key_noise, key_walk = jr.split(key)
    xs = np.resize(data.x, (2 * SHOWN, *data.x.shape[1:]))  # repeated where there are few
    hidden = np.zeros(xs.shape, bool)
    height, width = xs.shape[1:3]
    hidden[:SHOWN, height // 4 : height - height // 4, width // 4 : width - width // 4] = True
    noisy = np.broadcast_to(np.arange(2 * SHOWN).reshape(-1, *[1] * (xs.ndim - 1)) >= SHOWN, xs.shape)
    if isinstance(source.event, Binary):
        flips = noisy & np.asarray(jr.bernoulli(key_noise, FLIPS, xs.shape))
        seen = np.where(flips, 1.0 - xs, xs)
        spread = np.where(hidden, UNSURE, np.where(noisy, FLIPS, SURE))
        likelihood: type[Flipped] | type[Observed] = Flipped
    else:
        deviation = NOISE * float(np.std(xs))
        seen = xs + noisy * deviation * np.asarray(jr.normal(key_noise, xs.shape))
        spread = np.where(hidden, UNSEEN, np.where(noisy, deviation**2, SEEN))
        likelihood = Observed
    potentials = likelihood(jnp.asarray(seen.astype(xs.dtype)), jnp.asarray(spread.astype(xs.dtype)))
    side = jax.tree.map(lambda leaf: jnp.asarray(np.resize(leaf, (len(xs), *leaf.shape[1:]))), data.side)
    try:
        times = diffusion.times(min(MOST_STEPS, len(diffusion.times())))
        drawn = np.asarray(_draws(diffusion, potentials, times, side, jr.split(key_walk, len(xs))))
    except TypeError:
        return None
    columns = {"data": xs, "seen": np.where(hidden, np.nan, seen)}
    columns |= {f"draw {number + 1}": drawn[:, number] for number in range(DRAWS)}
    return triptych(source, columns | {"mean of draws": drawn.mean(axis=1)}, hidden)


@eqx.filter_jit
def _draws(diffusion: Diffusion, potentials: AbstractPotential, times: jax.Array, side: State | None, keys: Key) -> jax.Array:
    """(N, DRAWS, ...), for a stack of potentials."""

    def one(potential: AbstractPotential, side_one: State | None, key: Key) -> jax.Array:
        wanted = diffusion.given(side_one).tilted(potential)
        return jax.vmap(lambda key: trajectory.reverse(Ancestral(), wanted, times, key=key, keep=False).x)(jr.split(key, DRAWS))

    return jax.vmap(one)(potentials, side, keys)
