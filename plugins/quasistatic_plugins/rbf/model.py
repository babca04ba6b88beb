"""Normalised radial basis functions with time-dependent readouts."""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

import quasistatic as qs
from quasistatic.kits import networks
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

    def __init__(self, options: RbfOptions, ports: qs.Ports, *, key: Key):
        gives = ports.params.size
        self.centres = jr.normal(key, (options.units, ports.numbers.size + networks.side_size(ports.side)))
        self.log_widths = jnp.full((options.units,), -math.log(2.0))
        self.readout = jnp.zeros((options.readouts, gives, options.units))
        self.bias = jnp.zeros((options.readouts, gives))
        self.options = options
        self.ports = ports

    def __call__(self, features: Any, t: Float[Array, ""], side: qs.Side | None = None, *, key: Key | None = None) -> Any:
        ports = self.ports
        inputs = jnp.concatenate([ports.numbers.ravel(ports.to_numbers(features)), networks.ravel_side(ports.side, side)])
        distance = jnp.sum((inputs - self.centres) ** 2, axis=-1)
        h = jax.nn.softmax(-0.5 * distance * jnp.exp(-2.0 * self.log_widths))
        share = networks.bumps(t, self.options.readouts, self.options.bump_width)
        # the event on the left: under vmap nothing is transposed then
        return ports.params.unravel(share @ (jnp.einsum("h,roh->ro", h, self.readout) + self.bias))
