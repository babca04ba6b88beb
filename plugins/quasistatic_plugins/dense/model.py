"""A multilayer perceptron with time conditioning."""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic_plugins.dense import DenseOptions

Key = jax.Array
ACTIVATIONS = {"silu": jax.nn.silu, "relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}


class Dense(qs.AbstractModel):
    """Reads (*shape, features), time and side information as one vector.

    Hidden layers and, beside them, a linear map from the features: what a kernel knows of z_t in closed form is often linear in
    them. Both readouts start at zero: a safe start.
    """

    hidden: list[eqx.nn.Linear]
    readout: jax.Array  # (readouts, outputs, width)
    bias: jax.Array  # (readouts, outputs)
    straight: jax.Array  # (outputs, size * features)
    options: DenseOptions = eqx.field(static=True)
    ports: qs.Ports = eqx.field(static=True)

    def __init__(self, options: DenseOptions, ports: qs.Ports, key: Key):
        size = math.prod(ports.shape)
        inputs = size * ports.features * (1 + 2 * len(options.waves)) + 2 * options.time_waves + ports.given
        widths = [inputs] + [options.width] * options.depth
        keys = jr.split(key, options.depth)
        self.hidden = [eqx.nn.Linear(a, b, key=k) for a, b, k in zip(widths, widths[1:], keys, strict=False)]
        self.readout = jnp.zeros((options.readouts, size * ports.params, options.width))
        self.bias = jnp.zeros((options.readouts, size * ports.params))
        self.straight = jnp.zeros((size * ports.params, size * ports.features))
        self.options = options
        self.ports = ports

    def __call__(
        self, features: jax.Array, t: jax.Array, given: jax.Array | None = None, key: Key | None = None
    ) -> jax.Array:
        options, ports = self.options, self.ports
        h = self._inputs(features, t, given)
        keys = [None] * options.depth if key is None else list(jr.split(key, options.depth))
        for number, (layer, key_layer) in enumerate(zip(self.hidden, keys, strict=True)):
            out = _drop(ACTIVATIONS[options.activation](layer(h)), options.dropout, key_layer)
            h = h + out if options.residual and number > 0 else out
        if options.readouts == 1:
            out = self.readout[0] @ h + self.bias[0]
        else:
            share = qs.bumps(t, options.readouts)
            out = share @ (self.readout @ h + self.bias)
        out = out + self.straight @ features.reshape(-1)
        return out.reshape(*ports.shape, ports.params)

    def _inputs(self, features: jax.Array, t: jax.Array, given: jax.Array | None) -> jax.Array:
        flat = features.reshape(-1)
        parts = [flat]
        if self.options.waves:
            parts += _waves(jnp.outer(jnp.asarray(self.options.waves, flat.dtype), flat).reshape(-1))
        # from a quarter of a wave over the whole of time upwards, so that late and early times are told apart
        frequencies = 0.5 * np.pi * 2.0 ** np.arange(self.options.time_waves)
        parts += _waves(jnp.asarray(frequencies, flat.dtype) * t)
        if self.ports.given:
            parts.append(jnp.zeros(self.ports.given) if given is None else given)
        return jnp.concatenate(parts)


def _waves(angles: jax.Array) -> list[jax.Array]:
    return [jnp.sin(angles), jnp.cos(angles)]


def _drop(h: jax.Array, share: float, key: Key | None) -> jax.Array:
    if key is None or share == 0:
        return h
    return jnp.where(jr.bernoulli(key, 1.0 - share, h.shape), h / (1.0 - share), 0.0)
