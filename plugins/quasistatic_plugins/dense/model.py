"""A multilayer perceptron with time conditioning."""

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
from quasistatic.kits import networks
from quasistatic_plugins.dense import DenseOptions

Key = jax.Array
WIDE, RANK = 2**20, 64  # numbers of a whole linear map at most, and the rank of one beyond them
ACTIVATIONS = {"silu": jax.nn.silu, "relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}


class Dense(qs.AbstractFilters):
    """Reads all features, time and side information as one vector, whatever the event is built like.

    Hidden layers and, beside them, a linear map from the features: what a kernel knows of z_t in closed form is often linear in
    them. Both readouts start at zero: a safe start. Between many features and many params the linear map is that of each feature to
    its own params, and one of low rank: a whole matrix would be nearly all of the network, and grows with the square of the event.
    """

    hidden: list[eqx.nn.Linear]
    readout: jax.Array  # (readouts, outputs, width)
    bias: jax.Array  # (readouts, outputs)
    straight: jax.Array  # (outputs, inputs), or (outputs, rank) of what `narrow` leaves of them
    narrow: jax.Array | None  # (rank, inputs)
    own: jax.Array | None  # (inputs, params of each), beside a map of low rank
    options: DenseOptions = eqx.field(static=True)
    ports: qs.Ports = eqx.field(static=True)

    def __init__(self, options: DenseOptions, ports: qs.Ports, *, key: Key):
        reads, gives = ports.numbers.size, ports.params.size
        inputs = reads * (1 + 2 * len(options.waves)) + 2 * options.time_waves + networks.side_size(ports.side)
        widths = [inputs] + [options.width] * options.depth
        is_wide = gives * reads > WIDE
        keys = jr.split(key, options.depth + is_wide)
        self.hidden = [eqx.nn.Linear(a, b, key=k) for a, b, k in zip(widths, widths[1:], keys, strict=False)]
        self.readout = jnp.zeros((options.readouts, gives, options.width))
        self.bias = jnp.zeros((options.readouts, gives))
        self.narrow = networks.normal(networks.numbers_of(keys[-1]), (RANK, reads), reads) if is_wide else None
        self.own = jnp.zeros((reads, gives // reads)) if is_wide and gives % reads == 0 else None
        self.straight = jnp.zeros((gives, RANK if is_wide else reads))
        self.options = options
        self.ports = ports

    def __call__(self, features: Any, t: Float[Array, ""], side: qs.Side | None = None, *, key: Key | None = None) -> Any:
        options, flat = self.options, self._flat(features)
        h = self._last(flat, t, side, key)
        if options.readouts == 1:
            out = h @ self.readout[0].T + self.bias[0]
        else:
            share = networks.bumps(t, options.readouts)
            out = share @ (jnp.einsum("h,roh->ro", h, self.readout) + self.bias)
        if self.own is not None:
            out = out + (flat[:, None] * self.own).reshape(-1)
        read = flat if self.narrow is None else flat @ self.narrow.T
        return self.ports.params.unravel(out + read @ self.straight.T)

    def representation(self, features: Any, t: Float[Array, ""], side: qs.Side | None = None) -> Float[Array, " width"]:
        """The last hidden layer."""
        return self._last(self._flat(features), t, side, None)

    def _flat(self, features: Any) -> jax.Array:
        return self.ports.numbers.ravel(self.ports.to_numbers(features))

    def _last(self, flat: jax.Array, t: jax.Array, side: qs.Side | None, key: Key | None) -> Float[Array, " width"]:
        options = self.options
        keys = [None] * options.depth if key is None else list(jr.split(key, options.depth))
        h = self._first(flat, t, side)
        for number, key_layer in enumerate(keys):
            out = _linear(self.hidden[number], h) if number > 0 else h
            out = _drop(ACTIVATIONS[options.activation](out), options.dropout, key_layer)
            h = h + out if options.residual and number > 0 else out
        return h

    def filters(self) -> Float[Array, "filters height width"]:
        """Of the first layer, as large as the image that the features are."""
        shape = self.ports.numbers.shapes[0]
        height, width = (*shape, 1, 1)[:2]
        weight = self.hidden[0].weight[:, : math.prod(shape)]
        return weight.reshape(len(weight), height, width, -1).transpose(0, 3, 1, 2).reshape(-1, height, width)

    def _first(self, flat: jax.Array, t: jax.Array, side: qs.Side | None) -> jax.Array:
        """The first layer. Time has columns of its own: where events share it, its part is computed once for all of them."""
        layer, own = self.hidden[0], [flat]
        assert layer.bias is not None
        if self.options.waves:
            own += _waves(jnp.outer(jnp.asarray(self.options.waves, flat.dtype), flat).reshape(-1))
        known = jnp.concatenate([*own, networks.ravel_side(self.ports.side, side)])
        # from a quarter of a wave over the whole of time upwards, so that late and early times differ
        frequencies = 0.5 * np.pi * 2.0 ** np.arange(self.options.time_waves)
        clock = jnp.concatenate(_waves(jnp.asarray(frequencies, flat.dtype) * t))
        of_event, of_time = layer.weight[:, : len(known)], layer.weight[:, len(known) :]
        return known @ of_event.T + (clock @ of_time.T + layer.bias)


def _linear(layer: eqx.nn.Linear, h: jax.Array) -> jax.Array:
    # the event on the left: under vmap the product then has its batch first, and nothing is transposed
    assert layer.bias is not None
    return h @ layer.weight.T + layer.bias


def _waves(angles: jax.Array) -> list[jax.Array]:
    return [jnp.sin(angles), jnp.cos(angles)]


def _drop(h: jax.Array, share: float, key: Key | None) -> jax.Array:
    if key is None or share == 0:
        return h
    return jnp.where(jr.bernoulli(key, jnp.float32(1.0 - share), h.shape), h / (1.0 - share), 0.0)
