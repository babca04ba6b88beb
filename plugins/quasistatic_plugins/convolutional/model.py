"""A small U-Net."""

from __future__ import annotations

import math
from collections.abc import Iterator
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
    activated,
    as_pictures,
    blocks,
    dropped,
    groups_of,
    normalised,
    numbers_of,
    padded,
    pixels,
)
from quasistatic_plugins.convolutional import ConvolutionalOptions

Key = jax.Array
HEAD = 32  # channels of one head of attention
PLACES = 4  # of a representation, along each axis, at most


class Block(eqx.Module):
    """Two convolutions beside the image that they change; the second starts at zero."""

    first: Convolution
    second: Convolution
    timing: Affine

    def __init__(self, channels: int, clock_width: int, numbers: np.random.Generator | None):
        self.first = Convolution(3, channels, channels, numbers)
        self.second = Convolution(3, channels, channels, None)
        self.timing = Affine(clock_width, 4 * channels, None)

    def __call__(
        self, h: Float[Array, "height width channels"], clock: jax.Array, dropout: float, key: Key | None
    ) -> Float[Array, "height width channels"]:
        before, after = jnp.split(self.timing(clock).reshape(4, -1), 2)
        inner = self.first(activated(h, *before))
        return h + self.second(dropped(activated(inner, *after), dropout, key))


class Attention(eqx.Module):
    """Every place reads of all places, beside the image that this changes; starts at zero."""

    inwards: Affine
    outwards: Affine

    def __init__(self, channels: int, numbers: np.random.Generator | None):
        self.inwards = Affine(channels, 3 * channels, numbers)
        self.outwards = Affine(channels, channels, None)

    def __call__(self, h: Float[Array, "height width channels"]) -> Float[Array, "height width channels"]:
        height, width, channels = h.shape
        heads = math.gcd(channels, max(1, channels // HEAD))
        queries_keys_values = self.inwards(normalised(h, groups_of(channels))).reshape(height * width, 3, heads, -1)
        answer = jax.nn.dot_product_attention(queries_keys_values[:, 0], queries_keys_values[:, 1], queries_keys_values[:, 2])
        return h + self.outwards(answer.reshape(height, width, channels))


class Convolutional(qs.AbstractFilters):
    """Down through the levels, attention, and up again, where each level adds what it had on the way down.

    The readout starts at zero.
    """

    clock: Clock
    enter: Convolution
    down: list[list[Block]]
    coarser: list[Affine]
    attention: Attention | None
    finer: list[Affine]
    up: list[list[Block]]
    leave: Affine
    options: ConvolutionalOptions = eqx.field(static=True)
    ports: qs.Ports = eqx.field(static=True)
    picture: Picture = eqx.field(static=True)

    def __init__(self, options: ConvolutionalOptions, ports: qs.Ports, *, key: Key):
        picture, numbers = Picture.of(ports), numbers_of(key)
        widths, clock_width = options.widths, 4 * options.widths[0]

        def level(channels: int) -> list[Block]:
            return [Block(channels, clock_width, numbers) for _ in range(options.blocks)]

        self.clock = Clock(ports.side, clock_width, numbers)
        self.enter = Convolution(3, picture.reads, widths[0], numbers)
        self.down = [level(channels) for channels in widths]
        self.coarser = [Affine(4 * fine, coarse, numbers) for fine, coarse in zip(widths, widths[1:], strict=False)]
        self.attention = Attention(widths[-1], numbers) if options.attention else None
        self.finer = [Affine(coarse, 4 * fine, numbers) for fine, coarse in zip(widths, widths[1:], strict=False)]
        self.up = [level(channels) for channels in widths]
        self.leave = Affine(widths[0], picture.gives, None)
        self.options, self.ports, self.picture = options, ports, picture

    def __call__(self, features: Any, t: Float[Array, ""], side: qs.Side | None = None, *, key: Key | None = None) -> Any:
        clock, keys, h, seen = self._coarsest(features, t, side, key)
        h = self._through(self.up[-1], h, clock, keys)
        for finer, level in zip(self.finer[::-1], self.up[-2::-1], strict=True):
            h = self._through(level, pixels(finer(h), 2) + seen.pop(), clock, keys)
        h = jax.nn.silu(normalised(h, groups_of(h.shape[-1])))
        return self.picture.give(self.leave(h), self.ports)

    def representation(self, features: Any, t: Float[Array, ""], side: qs.Side | None = None) -> Float[Array, " units"]:
        """The coarsest level, in means of blocks: at most 4 x 4 of them."""
        h = self._coarsest(features, t, side, None)[2]
        height, width, channels = h.shape
        size = math.ceil(max(height, width) / PLACES)
        return jnp.mean(blocks(padded(h, size), size).reshape(-1, size**2, channels), axis=1).ravel()

    def _coarsest(
        self, features: Any, t: Float[Array, ""], side: qs.Side | None, key: Key | None
    ) -> tuple[jax.Array, Iterator[Key | None], Float[Array, "height width channels"], list[jax.Array]]:
        """The clock, keys that are left, the last level on the way down, and the levels above it, which it is made of."""
        image = padded(self.picture.read(features, self.ports), 2 ** (len(self.down) - 1))
        clock = self.clock(t, side, image.dtype)
        keys = iter([None] * 2 * len(self.down) * self.options.blocks if key is None else self._keys(key))
        h, seen = self._through(self.down[0], self.enter(image), clock, keys), []
        for coarser, level in zip(self.coarser, self.down[1:], strict=True):
            seen.append(h)
            h = self._through(level, coarser(blocks(h, 2)), clock, keys)
        return clock, keys, h if self.attention is None else self.attention(h), seen

    def _through(
        self, level: list[Block], h: Float[Array, "height width channels"], clock: jax.Array, keys: Iterator[Key | None]
    ) -> Float[Array, "height width channels"]:
        for block in level:
            h = block(h, clock, self.options.dropout, next(keys))
        return h

    def filters(self) -> Float[Array, "filters height width"]:
        return as_pictures(self.enter.weight)

    def _keys(self, key: Key) -> list[Key]:
        return list(jr.split(key, 2 * len(self.down) * self.options.blocks))
