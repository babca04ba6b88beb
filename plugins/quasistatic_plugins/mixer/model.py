"""A mixer of patches."""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

import quasistatic as qs
from quasistatic.kits.networks import (
    Affine,
    Clock,
    Convolution,
    Picture,
    as_pictures,
    blocks,
    dropped,
    modulated,
    numbers_of,
    padded,
    pixels,
)
from quasistatic_plugins.mixer import MixerOptions

Key = jax.Array


class Mixing(eqx.Module):
    """A layer of gated units along the last axis, and one back, which starts at zero."""

    first: Affine
    second: Affine

    def __init__(self, size: int, hidden: int, numbers: np.random.Generator | None):
        self.first = Affine(size, 2 * hidden, numbers)
        self.second = Affine(hidden, size, None)

    def __call__(self, x: Float[Array, "*layer"], dropout: float, key: Key | None) -> Float[Array, "*layer"]:
        gate, value = jnp.split(self.first(x), 2, axis=-1)
        return self.second(dropped(jax.nn.silu(gate) * value, dropout, key))


class Block(eqx.Module):
    """What mixes rows and columns of patches, then what mixes channels, each beside what it changes."""

    rows: Mixing
    columns: Mixing
    channels: Mixing
    timing: Affine

    def __init__(self, grid: tuple[int, int], width: int, expansion: int, clock_width: int, numbers: np.random.Generator | None):
        self.rows, self.columns = (Mixing(size, expansion * size, numbers) for size in grid)
        self.channels = Mixing(width, expansion * width, numbers)
        self.timing = Affine(clock_width, 4 * width, None)

    def __call__(
        self, h: Float[Array, "rows columns channels"], clock: jax.Array, dropout: float, key: Key | None
    ) -> Float[Array, "rows columns channels"]:
        keys = [None] * 3 if key is None else list(jr.split(key, 3))
        before, after = jnp.split(self.timing(clock).reshape(4, -1), 2)
        seen = modulated(_normalised(h), *before)
        h = h + self.rows(seen.swapaxes(0, 2), dropout, keys[0]).swapaxes(0, 2)
        h = h + self.columns(seen.swapaxes(1, 2), dropout, keys[1]).swapaxes(1, 2)
        return h + self.channels(modulated(_normalised(h), *after), dropout, keys[2])


class Mixer(qs.AbstractFilters):
    """Tokens (rows of patches, columns, width). The readout starts at zero."""

    clock: Clock
    enter: Convolution
    blocks: list[Block]
    leave: Affine
    options: MixerOptions = eqx.field(static=True)
    ports: qs.Ports = eqx.field(static=True)
    picture: Picture = eqx.field(static=True)

    def __init__(self, options: MixerOptions, ports: qs.Ports, *, key: Key):
        picture, numbers = Picture.of(ports), numbers_of(key)
        width, patch = options.width, options.patch
        grid = math.ceil(picture.height / patch), math.ceil(picture.width / patch)
        self.clock = Clock(ports.side, width, numbers)
        self.enter = Convolution(2 * options.context + 1, patch**2 * picture.reads, width, numbers)
        self.blocks = [Block(grid, width, options.expansion, width, numbers) for _ in range(options.depth)]
        self.leave = Affine(width, patch**2 * picture.gives, None)
        self.options, self.ports, self.picture = options, ports, picture

    def __call__(self, features: Any, t: Float[Array, ""], side: qs.Side | None = None, *, key: Key | None = None) -> Any:
        options = self.options
        # a patch with its neighbours is what a convolution reads on the grid of patches
        h = self.enter(blocks(padded(self.picture.read(features, self.ports), options.patch), options.patch))
        clock = self.clock(t, side, h.dtype)
        keys = [None] * options.depth if key is None else list(jr.split(key, options.depth))
        for block, key_block in zip(self.blocks, keys, strict=True):
            h = block(h, clock, options.dropout, key_block)
        return self.picture.give(pixels(self.leave(_normalised(h)), options.patch), self.ports)

    def filters(self) -> Float[Array, "filters height width"]:
        """Weights of a patch and its neighbours, joined to one picture."""
        joined = jax.vmap(lambda weight: pixels(weight, self.options.patch), in_axes=-1, out_axes=-1)(self.enter.weight)
        return as_pictures(joined)


def _normalised(h: jax.Array) -> jax.Array:
    """Mean 0 and variance 1 over the channels of each patch."""
    h = h - jnp.mean(h, -1, keepdims=True)
    return h * jax.lax.rsqrt(jnp.mean(h * h, -1, keepdims=True) + 1e-5)
