"""Convolutions on several scales beside a dense pathway, and readouts that change with time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import quasistatic as qs
from quasistatic.kits.networks import (
    Affine,
    Picture,
    as_pictures,
    bumps,
    convolve,
    normal,
    numbers_of,
    padded,
    ravel_side,
    side_size,
)
from quasistatic_plugins.multiscale import MultiscaleOptions

Key = jax.Array


def leaky(x: jax.Array) -> jax.Array:
    return jax.nn.leaky_relu(x, 0.05)


class PrintedLayer(eqx.Module):
    """Mean-pooled to scales 1, 2, 4 ..., convolved on each, brought back to full resolution, summed; then one softplus."""

    weights: list[jax.Array]  # for each scale (3, 3, inputs, filters)
    bias: jax.Array  # (filters,)

    def __init__(self, options: MultiscaleOptions, inputs: int, height: int, width: int, numbers: np.random.Generator | None):
        shape, fan = (3, 3, inputs, options.filters), 9 * inputs * options.scales
        self.weights = [normal(numbers, shape, fan) for _ in range(options.scales)]
        self.bias = jnp.zeros(options.filters)

    def __call__(self, image: Float[Array, "height width channels"]) -> Float[Array, "height width filters"]:
        height, width, _ = image.shape
        total = self.bias.astype(image.dtype)
        for scale, weight in enumerate(self.weights):
            convolved = convolve(pooled(image, 2**scale), weight.astype(image.dtype))
            total = total + repeated(convolved, 2**scale)[:height, :width]
        return jax.nn.softplus(total)


class CodeLayer(eqx.Module):
    """What the authors' code has: from the coarsest scale on, leaky units of a convolution are added to what came before, which
    is then doubled in size; all is divided by the number of scales.

    Each filter has an offset at each place, also around the image, where the convolution is not used.
    """

    weights: list[jax.Array]  # for each scale (3, 3, inputs, filters)
    biases: list[jax.Array]  # for each scale (its height + 2, its width + 2, filters)

    def __init__(self, options: MultiscaleOptions, inputs: int, height: int, width: int, numbers: np.random.Generator | None):
        filters, sizes = options.filters, [2**scale for scale in range(options.scales)]
        spread = 81 * filters  # std sqrt(1 / filters) / 9
        self.weights = [normal(numbers, (3, 3, inputs, filters), spread) for _ in sizes]
        self.biases = [jnp.zeros((math.ceil(height / size) + 2, math.ceil(width / size) + 2, filters)) for size in sizes]

    def __call__(self, image: Float[Array, "height width channels"]) -> Float[Array, "height width filters"]:
        total = jnp.zeros((), image.dtype)
        for scale, (weight, bias) in reversed(list(enumerate(zip(self.weights, self.biases, strict=True)))):
            convolved = convolve(pooled(image, 2**scale), weight.astype(image.dtype))
            height, width, _ = convolved.shape
            coarser = repeated(total, 2)[:height, :width] if total.ndim else total
            total = coarser + leaky(convolved + bias[1:-1, 1:-1].astype(image.dtype))
        return total / len(self.weights)


def pooled(image: jax.Array, size: int) -> jax.Array:
    """Means of blocks of pixels; there are zeros below and on the right of an image that they do not fit."""
    image = padded(image, size)
    height, width, channels = image.shape
    return image.reshape(height // size, size, width // size, size, channels).mean((1, 3))


def repeated(image: jax.Array, size: int) -> jax.Array:
    """Every pixel as a block of pixels."""
    return jnp.repeat(jnp.repeat(image, size, 0), size, 1)


class Multiscale(qs.AbstractFilters):
    """The readout starts at zero. Side information is read by the layers for each pixel alone."""

    layers: list[PrintedLayer] | list[CodeLayer]
    dense: list[Affine]
    upper: list[Affine]
    options: MultiscaleOptions = eqx.field(static=True)
    ports: qs.Ports = eqx.field(static=True)
    picture: Picture = eqx.field(static=True)

    def __init__(self, options: MultiscaleOptions, ports: qs.Ports, *, key: Key):
        picture, numbers = Picture.of(ports), numbers_of(key)
        height, width, reads = picture.height, picture.width, picture.reads
        layer, affine = (CodeLayer, orthogonal) if options.variant == "code" else (PrintedLayer, Affine)
        inputs = [reads] + [options.filters] * options.layers
        self.layers = [layer(options, each, height, width, numbers) for each in inputs[:-1]]  # type: ignore[assignment]
        outputs = options.dense_outputs * height * width
        units = [height * width * reads, *[options.dense_width] * (options.dense_layers - 1), outputs]
        self.dense = [affine(a, b, numbers) for a, b in zip(units, units[1:], strict=False)] if options.dense_layers else []
        parts = (options.filters if self.layers else 0) + (options.dense_outputs if self.dense else 0)
        units = [parts + side_size(ports.side)] + [options.upper_width] * (options.upper_layers - 1)
        self.upper = [affine(a, b, numbers) for a, b in zip(units, units[1:], strict=False)]
        self.upper.append(Affine(units[-1], picture.gives * options.bumps, None))
        self.options, self.ports, self.picture = options, ports, picture

    def __call__(self, features: Any, t: Float[Array, ""], side: qs.Side | None = None, *, key: Key | None = None) -> Any:
        options, image = self.options, self.picture.read(features, self.ports)
        height, width, _ = image.shape
        units: Callable[[jax.Array], jax.Array] = leaky if options.variant == "code" else jnp.tanh
        parts, h = [], image
        for layer in self.layers:
            h = layer(h)
        if self.layers:
            parts.append(h)
        h = image.reshape(-1)
        for affine in self.dense:
            h = units(affine(h))
        if self.dense:
            parts.append(h.reshape(height, width, -1))
        if options.variant == "code" and len(parts) == 2:
            parts = [part / math.sqrt(part.shape[-1]) for part in parts]
        known = ravel_side(self.ports.side, side).astype(image.dtype)
        h = jnp.concatenate([*parts, jnp.broadcast_to(known, (height, width, len(known)))], axis=-1)
        for affine in self.upper[:-1]:
            h = units(affine(h))
        readouts = self.upper[-1](h).reshape(height, width, -1, options.bumps)
        share = bumps(t, options.bumps, options.bump_width).astype(image.dtype)
        return self.picture.give(readouts @ share, self.ports)

    def filters(self) -> Float[Array, "filters height width"]:
        """Of the dense pathway, as large as an image; without one those of the finest scale."""
        if not self.dense:
            return as_pictures(self.layers[0].weights[0])
        picture = self.picture
        return as_pictures(self.dense[0].weight.reshape(picture.height, picture.width, picture.reads, -1))


def orthogonal(inputs: int, outputs: int, numbers: np.random.Generator | None) -> Affine:
    """A linear map whose rows or columns, whichever are fewer, are orthonormal; all zeros without numbers."""
    if numbers is None:
        return Affine(inputs, outputs, None)
    tall = numbers.standard_normal((max(inputs, outputs), min(inputs, outputs)))
    columns, corner = np.linalg.qr(tall)
    columns = columns * np.sign(np.diag(corner))
    weight = jnp.asarray(columns if inputs >= outputs else columns.T, jnp.result_type(float))
    return eqx.tree_at(lambda affine: affine.weight, Affine(inputs, outputs, None), weight)
