"""Normalised radial basis functions with time-dependent readouts."""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

import quasistatic as qs
from quasistatic_plugins.rbf import RbfOptions

Key = jax.Array


class Rbf(qs.AbstractModel):
    """Hidden unit j is exp(-|x - centre_j|^2 / (2 width_j^2)), normalised over the units.

    The readout starts at zero.
    """

    centres: jax.Array  # (units, inputs)
    log_widths: jax.Array  # (units,)
    readout: jax.Array  # (readouts, outputs, units)
    bias: jax.Array  # (readouts, outputs)
    options: RbfOptions = eqx.field(static=True)
    ports: qs.Ports = eqx.field(static=True)

    def __init__(self, options: RbfOptions, ports: qs.Ports, key: Key):
        size = math.prod(ports.shape)
        self.centres = jr.normal(key, (options.units, size * ports.features + ports.given))
        self.log_widths = jnp.full((options.units,), -math.log(2.0))
        self.readout = jnp.zeros((options.readouts, size * ports.params, options.units))
        self.bias = jnp.zeros((options.readouts, size * ports.params))
        self.options = options
        self.ports = ports

    def __call__(
        self, features: jax.Array, t: jax.Array, given: jax.Array | None = None, key: Key | None = None
    ) -> jax.Array:
        inputs = features.reshape(-1)
        if self.ports.given:
            side = jnp.zeros(self.ports.given) if given is None else given
            inputs = jnp.concatenate([inputs, side])
        distance = jnp.sum((inputs - self.centres) ** 2, axis=-1)
        h = jax.nn.softmax(-0.5 * distance * jnp.exp(-2.0 * self.log_widths))
        share = qs.bumps(t, self.options.readouts, self.options.bump_width)
        return (share @ (self.readout @ h + self.bias)).reshape(*self.ports.shape, self.ports.params)
