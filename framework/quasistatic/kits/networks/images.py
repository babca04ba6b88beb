"""Events as images (height, width, channels), and back: how networks for images read features and give params."""

from __future__ import annotations

import math
from typing import Any

import attrs
import jax
import jax.numpy as jnp

import quasistatic as qs


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
        """Raises ValueError where the ports are not those of images."""
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


def as_pictures(weights: jax.Array) -> jax.Array:
    """Weights (height, width, inputs, outputs) as filters (outputs * inputs, height, width)."""
    height, width, *_ = weights.shape
    return weights.transpose(3, 2, 0, 1).reshape(-1, height, width)
