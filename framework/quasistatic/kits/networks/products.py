"""Products with weights that all events of a batch share, with derivatives that stay quick on a CPU."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

ORDER = ("NHWC", "HWIO", "NHWC")  # of the axes of images, weights and results of all convolutions
PARTS = 4  # of a batch, computed side by side


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
