"""Layers of one event; under vmap each is one operation on the batch.

Images are (height, width, channels), channels last: on a CPU, convolutions in that order, and no others, stay quick inside of
loops.
"""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic.kits.networks.inputs import ravel_side, side_size
from quasistatic.kits.networks.products import convolve, rows_times

Key = jax.Array
TIME_WAVES = 4  # frequencies of time: few, so that what is learned at one time holds nearby
GROUP = 8  # channels at least that are normalised together


def numbers_of(key: Key) -> np.random.Generator | None:
    """A generator in numpy that the key fixes: a draw in jax would compile a program for every shape of weights.

    None for a key that is traced, as where only the shapes of weights are of interest.
    """
    if isinstance(key, jax.core.Tracer):
        return None
    return np.random.default_rng(np.asarray(jr.key_data(key)).ravel())


class Affine(eqx.Module):
    """A linear map of the last axis, and an offset."""

    weight: jax.Array  # (inputs, outputs)
    bias: jax.Array

    def __init__(self, inputs: int, outputs: int, numbers: np.random.Generator | None):
        """All zeros without numbers."""
        self.weight = normal(numbers, (inputs, outputs), inputs)
        self.bias = jnp.zeros(outputs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return rows_times(x, self.weight.astype(x.dtype)) + self.bias.astype(x.dtype)


class Convolution(eqx.Module):
    """A convolution with an odd number of taps each way, zeros around the image, and an offset."""

    weight: jax.Array  # (taps, taps, inputs, outputs)
    bias: jax.Array

    def __init__(self, taps: int, inputs: int, outputs: int, numbers: np.random.Generator | None):
        """All zeros without numbers."""
        self.weight = normal(numbers, (taps, taps, inputs, outputs), taps * taps * inputs)
        self.bias = jnp.zeros(outputs)

    def __call__(self, image: jax.Array) -> jax.Array:
        return convolve(image, self.weight.astype(image.dtype)) + self.bias.astype(image.dtype)


def normal(numbers: np.random.Generator | None, shape: tuple[int, ...], inputs: int) -> jax.Array:
    """Weights with which outputs have the variance of the inputs; zeros without numbers."""
    if numbers is None:
        return jnp.zeros(shape)
    return jnp.asarray(numbers.standard_normal(shape, np.float32) / math.sqrt(max(1, inputs)), jnp.result_type(float))


class Clock(eqx.Module):
    """Time and side information as one vector (width,), from which blocks are scaled and shifted."""

    first: Affine
    second: Affine
    side: qs.AbstractEvent | None = eqx.field(static=True)

    def __init__(self, side: qs.AbstractEvent | None, width: int, numbers: np.random.Generator | None):
        self.first = Affine(2 * TIME_WAVES + side_size(side), width, numbers)
        self.second = Affine(width, width, numbers)
        self.side = side

    def __call__(self, t: jax.Array, side: qs.Side | None, dtype: Any) -> jax.Array:
        # from a quarter of a wave over the whole of time upwards
        angles = jnp.asarray(0.5 * np.pi * 2.0 ** np.arange(TIME_WAVES), jnp.result_type(t)) * t
        inputs = jnp.concatenate([jnp.sin(angles), jnp.cos(angles), ravel_side(self.side, side)])
        return jax.nn.silu(self.second(jax.nn.silu(self.first(inputs.astype(dtype)))))


def normalised(x: jax.Array, groups: int) -> jax.Array:
    """Mean 0 and variance 1 over all places and the channels of a group."""
    centred, unit = _centred(x, groups)
    return centred * unit


def _centred(x: jax.Array, groups: int) -> tuple[jax.Array, jax.Array]:
    """With mean 0 in each group, and for each channel (channels,) what brings the group's variance to 1."""
    # over places first: the long sums are then over whole rows of memory
    places = tuple(range(x.ndim - 1))
    centred = x - _over_group(jnp.mean(x, places), groups)
    return centred, jax.lax.rsqrt(_over_group(jnp.mean(centred * centred, places), groups) + 1e-5)


def _over_group(means: jax.Array, groups: int) -> jax.Array:
    """Of means of channels (channels,) that of each one's group."""
    # a product of matrices, as it is written down once: what is repeated would be looked up again at each place of the image
    size = len(means) // groups
    share = np.kron(np.eye(groups), np.full((size, size), 1.0 / size))
    return jnp.matmul(means, jnp.asarray(share, means.dtype), precision="highest")


def groups_of(channels: int) -> int:
    """How many groups of at least GROUP channels they can be split into."""
    return math.gcd(channels, max(1, channels // GROUP))


def modulated(x: jax.Array, scale: jax.Array, shift: jax.Array) -> jax.Array:
    """Channels scaled and shifted; nothing happens at zero."""
    return x * (1.0 + scale) + shift


@jax.checkpoint
def activated(x: jax.Array, scale: jax.Array, shift: jax.Array) -> jax.Array:
    """Normalised in groups, modulated, and through a SiLU.

    A gradient works this out again from x: that is quicker than to write and read what lies between.
    """
    centred, unit = _centred(x, groups_of(x.shape[-1]))
    return jax.nn.silu(centred * (unit * (1.0 + scale)) + shift)


def dropped(x: jax.Array, share: float, key: Key | None) -> jax.Array:
    """Dropout, in training."""
    if key is None or share == 0:
        return x
    return jnp.where(jr.bernoulli(key, jnp.float32(1.0 - share), x.shape), x / (1.0 - share), 0.0)
