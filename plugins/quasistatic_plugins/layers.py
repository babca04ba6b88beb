"""What the networks for images share. No plugin of its own.

Images are (height, width, channels), channels last: on a CPU, convolutions in that order stay quick inside of loops, which
samplers and ledgers are. Layers act on one image; under vmap each is one operation on the batch.
"""

from __future__ import annotations

import math
from typing import Any

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

import quasistatic as qs

Key = jax.Array
TIME_WAVES = 4  # frequencies of time: few, so that what is learned at one time holds nearby
GROUP = 8  # channels at least that are normalised together


@attrs.frozen
class Picture:
    """How features and params are read and given as images, one array each."""

    height: int
    width: int
    reads: int  # numbers of a pixel among the features, of all colours together
    gives: int  # the same among the params
    params: tuple[int, ...]

    @classmethod
    def of(cls, ports: qs.Ports) -> Picture:
        """Raises ValueError where the ports are none of images."""
        features, params = ports.numbers.shapes, ports.params.shapes
        is_one = len(features) == len(params) == 1 and features[0][:-1] == params[0][:-1]
        if not is_one or len(features[0]) not in (3, 4) or 0 in features[0]:
            found = f"events of shape {features[0][:-1]}" if is_one else "events of several parts"
            raise ValueError(
                f"takes images, one array of shape (height, width) or (height, width, colours), got {found}; "
                "model 'dense' takes any events"
            )
        height, width = features[0][:2]
        reads, gives = (math.prod(shapes[0][2:]) for shapes in (features, params))
        return cls(height, width, reads, gives, params[0])

    def read(self, features: Any, ports: qs.Ports) -> jax.Array:
        """Features as an image (height, width, reads), of floats."""
        (array,) = jax.tree.leaves(ports.to_numbers(features))
        return array.reshape(self.height, self.width, self.reads)

    def give(self, image: jax.Array, ports: qs.Ports) -> Any:
        """Params from an image (height or more, width or more, gives): what was padded is cut off."""
        return jax.tree.unflatten(ports.params.structure, [image[: self.height, : self.width].reshape(self.params)])


def numbers_of(key: Key) -> np.random.Generator:
    """A generator in numpy that the key fixes: a draw in jax would compile a program for every shape of weights."""
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


def as_pictures(weights: jax.Array) -> jax.Array:
    """Weights (height, width, inputs, outputs) as filters (outputs * inputs, height, width)."""
    height, width, *_ = weights.shape
    return weights.transpose(3, 2, 0, 1).reshape(-1, height, width)


def normal(numbers: np.random.Generator | None, shape: tuple[int, ...], inputs: int) -> jax.Array:
    """Weights with which outputs have the variance of the inputs; zeros without numbers."""
    if numbers is None:
        return jnp.zeros(shape)
    return jnp.asarray(numbers.standard_normal(shape, np.float32) / math.sqrt(max(1, inputs)), jnp.result_type(float))


def convolve(image: jax.Array, weight: jax.Array) -> jax.Array:
    """(height, width, inputs) and (taps, taps, inputs, outputs) give (height, width, outputs); zeros around the image."""
    order = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(image[None], weight, (1, 1), "SAME", dimension_numbers=order)[0]


class Clock(eqx.Module):
    """Time and side information as one vector (width,), which tells blocks how to scale and shift."""

    first: Affine
    second: Affine
    side: qs.AbstractEvent | None = eqx.field(static=True)

    def __init__(self, side: qs.AbstractEvent | None, width: int, numbers: np.random.Generator):
        self.first = Affine(2 * TIME_WAVES + qs.side_size(side), width, numbers)
        self.second = Affine(width, width, numbers)
        self.side = side

    def __call__(self, t: jax.Array, side: qs.Side | None, dtype: Any) -> jax.Array:
        # from a quarter of a wave over the whole of time upwards
        angles = jnp.asarray(0.5 * np.pi * 2.0 ** np.arange(TIME_WAVES), jnp.result_type(t)) * t
        inputs = jnp.concatenate([jnp.sin(angles), jnp.cos(angles), qs.ravel_side(self.side, side)])
        return jax.nn.silu(self.second(jax.nn.silu(self.first(inputs.astype(dtype)))))


def normalised(x: jax.Array, groups: int) -> jax.Array:
    """Mean 0 and variance 1 over all places and the channels of a group."""
    # over places first: the long sums are then over whole rows of memory
    places = tuple(range(x.ndim - 1))
    x = x - _over_group(jnp.mean(x, places), groups)
    return x * jax.lax.rsqrt(_over_group(jnp.mean(x * x, places), groups) + 1e-5)


def _over_group(means: jax.Array, groups: int) -> jax.Array:
    """Of means of channels (channels,) that of each one's group."""
    return jnp.repeat(means.reshape(groups, -1).mean(axis=1), len(means) // groups)


def groups_of(channels: int) -> int:
    """How many groups of at least GROUP channels they can be split into."""
    return math.gcd(channels, max(1, channels // GROUP))


def modulated(x: jax.Array, scale: jax.Array, shift: jax.Array) -> jax.Array:
    """Channels scaled and shifted; nothing happens at zero."""
    return x * (1.0 + scale) + shift


def dropped(x: jax.Array, share: float, key: Key | None) -> jax.Array:
    """Dropout, in training."""
    if key is None or share == 0:
        return x
    return jnp.where(jr.bernoulli(key, 1.0 - share, x.shape), x / (1.0 - share), 0.0)


def padded(image: jax.Array, multiple: int) -> jax.Array:
    """Zeros below and on the right, until height and width are multiples."""
    height, width, _ = image.shape
    return jnp.pad(image, ((0, -height % multiple), (0, -width % multiple), (0, 0)))


def blocks(image: jax.Array, size: int) -> jax.Array:
    """(height, width, channels) as blocks of pixels, (height / size, width / size, size * size * channels)."""
    height, width, channels = image.shape
    parts = image.reshape(height // size, size, width // size, size, channels)
    return parts.swapaxes(1, 2).reshape(height // size, width // size, size * size * channels)


def pixels(blocks: jax.Array, size: int) -> jax.Array:
    """The image of which these are the blocks."""
    height, width, channels = blocks.shape
    parts = blocks.reshape(height, width, size, size, channels // size**2)
    return parts.swapaxes(1, 2).reshape(height * size, width * size, channels // size**2)


_primitive = Primitive("rows_times")


def rows_times(x: jax.Array, matrix: jax.Array) -> jax.Array:
    """`x @ matrix` for rows x (..., inputs) and a matrix (inputs, outputs), one flat product however many events there are.

    `vmap` makes a product with two leading axes of `@`. Its derivative by the matrix sums over both, for which XLA on a CPU first
    writes one side in another order. Here leading axes are made one before.
    """
    result: jax.Array = _primitive.bind(x, matrix)
    return result


def _rows(x: jax.Array) -> jax.Array:
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def _product(x: jax.Array, matrix: jax.Array) -> jax.Array:
    return (_rows(x) @ matrix).reshape(*x.shape[:-1], matrix.shape[-1])


def _batched(inputs: tuple[Any, Any], axes: tuple[Any, Any]) -> tuple[Any, int]:
    """More rows, unless every event has a matrix of its own."""
    x, matrix = inputs
    if axes[1] is None:
        return rows_times(jnp.moveaxis(x, axes[0], 0), matrix), 0
    return jax.vmap(jnp.matmul, axes)(x, matrix), 0


_primitive.def_impl(jax.jit(_product))
_primitive.def_abstract_eval(lambda x, matrix: jax.core.ShapedArray((*x.shape[:-1], matrix.shape[-1]), x.dtype))
batching.primitive_batchers[_primitive] = _batched
mlir.register_lowering(_primitive, mlir.lower_fun(_product, multiple_results=False))
ad.defbilinear(
    _primitive,
    lambda change, x, matrix: rows_times(change, matrix.T),
    lambda change, x, matrix: jax.lax.dot_general(_rows(x), _rows(change), (((0,), (0,)), ((), ()))),
)
