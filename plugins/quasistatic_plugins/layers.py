"""What the networks for images share. No plugin of its own.

Images are (height, width, channels), channels last: on a CPU, convolutions in that order, and no others, stay quick inside of
loops. Layers act on one image; under vmap each is one operation on the batch.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
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
ORDER = ("NHWC", "HWIO", "NHWC")  # of the axes of images, weights and results of all convolutions
PARTS = 4  # of a batch, computed side by side


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


def _shared(
    name: str, product: Callable[..., jax.Array], by_input: Callable[..., jax.Array], by_weight: Callable[..., jax.Array]
) -> Primitive:
    """A primitive for `product(x, weight)`, linear in both, where x may have any leading axes: `vmap` adds one, where events share
    the weight.

    So a derivative by the weight, `by_weight(change, x, weight's shape)`, is written for the whole batch; the other is
    `by_input(change, weight)`.
    """
    primitive = Primitive(name)

    def batched(inputs: tuple[Any, Any], axes: tuple[Any, Any]) -> tuple[Any, int]:
        x, weight = inputs
        if axes[1] is None:
            return primitive.bind(jnp.moveaxis(x, axes[0], 0), weight), 0
        return jax.vmap(product, axes)(x, weight), 0  # every event has a weight of its own

    primitive.def_impl(jax.jit(product))
    primitive.def_abstract_eval(lambda x, weight: jax.core.ShapedArray((*x.shape[:-1], weight.shape[-1]), x.dtype))
    batching.primitive_batchers[primitive] = batched
    mlir.register_lowering(primitive, mlir.lower_fun(product, multiple_results=False))
    ad.defbilinear(
        primitive,
        lambda change, x, weight: by_input(change, weight),
        lambda change, x, weight: by_weight(change, x, weight.aval.shape),
    )
    return primitive


def rows_times(x: jax.Array, matrix: jax.Array) -> jax.Array:
    """`x @ matrix` for rows x (..., inputs) and a matrix (inputs, outputs), one flat product however many events there are.

    `vmap` makes a product with two leading axes of `@`. Its derivative by the matrix sums over both, for which XLA on a CPU first
    writes one side in another order. Here leading axes are made one before.
    """
    result: jax.Array = _rows_times.bind(x, matrix)
    return result


def _flat(x: jax.Array, rank: int) -> jax.Array:
    """With all axes but the last `rank` made one."""
    return x.reshape(math.prod(x.shape[:-rank]), *x.shape[-rank:])


def _product(x: jax.Array, matrix: jax.Array) -> jax.Array:
    return (_flat(x, 1) @ matrix).reshape(*x.shape[:-1], matrix.shape[-1])


def _by_matrix(change: jax.Array, x: jax.Array, _shape: tuple[int, ...]) -> jax.Array:
    return jax.lax.dot_general(_flat(x, 1), _flat(change, 1), (((0,), (0,)), ((), ())))


_rows_times = _shared("rows_times", _product, lambda change, matrix: rows_times(change, matrix.T), _by_matrix)


def convolve(image: jax.Array, weight: jax.Array) -> jax.Array:
    """(..., height, width, inputs) and (taps, taps, inputs, outputs) give (..., height, width, outputs); zeros around the image."""
    result: jax.Array = _convolve.bind(image, weight)
    return result


def _convolution(image: jax.Array, weight: jax.Array) -> jax.Array:
    found = jax.lax.conv_general_dilated(_flat(image, 3), weight, (1, 1), "SAME", dimension_numbers=ORDER)
    return found.reshape(*image.shape[:-1], weight.shape[-1])


def _by_filters(change: jax.Array, image: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Each image is a channel of one convolution, the changes are its filters: few outputs, each of very many terms.

    XLA on a CPU computes such a one on a single core; parts of the batch are computed side by side. Axes are put in the order of
    the other convolutions by hand: left to XLA, this one is many times slower inside of a loop.
    """
    reach = shape[0] // 2

    def at_once(image: jax.Array, change: jax.Array) -> jax.Array:
        image, change = image.transpose(3, 1, 2, 0), change.transpose(1, 2, 0, 3)
        found = jax.lax.conv_general_dilated(image, change, (1, 1), [(reach, reach)] * 2, dimension_numbers=ORDER)
        return found.transpose(1, 2, 0, 3)

    def in_parts(image: jax.Array, change: jax.Array) -> jax.Array:
        parts = math.gcd(len(image), PARTS)
        return functools.reduce(jnp.add, map(at_once, jnp.split(image, parts), jnp.split(change, parts)))

    return jax.lax.platform_dependent(_flat(image, 3), _flat(change, 3), cpu=in_parts, default=at_once)


def _by_image(change: jax.Array, weight: jax.Array) -> jax.Array:
    return convolve(change, jnp.flip(weight, (0, 1)).swapaxes(2, 3))


_convolve = _shared("convolve", _convolution, _by_image, _by_filters)
