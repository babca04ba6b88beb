"""A stack of convolutions along a sequence."""

from __future__ import annotations

import itertools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

import quasistatic as qs
from quasistatic.kits.networks import Affine, Clock, activated, dropped, groups_of, normalised, numbers_of
from quasistatic_plugins.convolutional import ConvolutionalOptions
from quasistatic_plugins.convolutional.model import Attention, Convolutional

Key = jax.Array
TAPS = 5


def build(options: ConvolutionalOptions, ports: qs.Ports, *, key: Key) -> qs.AbstractModel:
    """A U-Net for images, a stack for sequences. Raises ValueError for other events."""
    is_sequence = [len(layout.shapes) == 1 and len(layout.shapes[0]) == 2 for layout in (ports.numbers, ports.params)]
    return Stack(options, ports, key=key) if all(is_sequence) else Convolutional(options, ports, key=key)


class Block(eqx.Module):
    """A convolution whose taps lie `apart` places from one another, and a layer at every place, beside what they change."""

    taps: Affine  # (TAPS * channels, channels): the shifted copies side by side are one product of matrices
    inner: Affine
    timing: Affine
    apart: int = eqx.field(static=True)

    def __init__(self, channels: int, apart: int, clock_width: int, numbers: np.random.Generator | None):
        self.taps = Affine(TAPS * channels, channels, numbers)
        self.inner = Affine(channels, channels, None)
        self.timing = Affine(clock_width, 2 * channels, None)
        self.apart = apart

    def __call__(
        self, h: Float[Array, "length channels"], clock: jax.Array, dropout: float, key: Key | None
    ) -> Float[Array, "length channels"]:
        length = len(h)
        read = activated(h, *jnp.split(self.timing(clock), 2))
        reach = TAPS // 2 * self.apart
        around = jnp.pad(read, ((reach, reach), (0, 0)))
        copies = [around[start : start + length] for start in range(0, 2 * reach + 1, self.apart)]
        inner = jax.nn.silu(self.taps(jnp.concatenate(copies, axis=-1)))
        return h + self.inner(dropped(inner, dropout, key))


class Stack(qs.AbstractModel):
    """Residual blocks on a sequence, taps twice as far apart at each level, then attention. The readout starts at zero."""

    clock: Clock
    enter: Affine
    levels: list[list[Block]]
    between: list[Affine]
    attention: Attention | None
    leave: Affine
    options: ConvolutionalOptions = eqx.field(static=True)
    ports: qs.Ports = eqx.field(static=True)

    def __init__(self, options: ConvolutionalOptions, ports: qs.Ports, *, key: Key):
        numbers, widths = numbers_of(key), options.widths
        clock_width = 4 * widths[0]
        _, reads = ports.numbers.shapes[0]
        self.clock = Clock(ports.side, clock_width, numbers)
        self.enter = Affine(reads, widths[0], numbers)
        self.levels = [
            [Block(channels, 2**level, clock_width, numbers) for _ in range(options.blocks)]
            for level, channels in enumerate(widths)
        ]
        self.between = [Affine(one, other, numbers) for one, other in itertools.pairwise(widths)]
        self.attention = Attention(widths[-1], numbers) if options.attention else None
        self.leave = Affine(widths[-1], ports.params.shapes[0][-1], None)
        self.options, self.ports = options, ports

    def __call__(self, features: Any, t: Float[Array, ""], side: qs.Side | None = None, *, key: Key | None = None) -> Any:
        (read,) = jax.tree.leaves(self.ports.to_numbers(features))
        h, clock = self.enter(read), self.clock(t, side, read.dtype)
        count = sum(map(len, self.levels))
        keys = iter([None] * count if key is None else list(jr.split(key, count)))
        for number, level in enumerate(self.levels):
            h = self.between[number - 1](h) if number else h
            for block in level:
                h = block(h, clock, self.options.dropout, next(keys))
        if self.attention is not None:
            h = self.attention(h[:, None])[:, 0]
        h = jax.nn.silu(normalised(h, groups_of(h.shape[-1])))
        return jax.tree.unflatten(self.ports.params.structure, [self.leave(h)])
