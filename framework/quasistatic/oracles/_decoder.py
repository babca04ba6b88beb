"""The best network of all: it knows the distribution of the data."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from quasistatic._process.distribution import Key, State, Time
from quasistatic._process.finite import FiniteKernel, column
from quasistatic._process.model import AbstractModel, Side
from quasistatic.oracles._ledger import Weights, checked_weights

# log-weight of what cannot be: beyond every probability of interest, small enough to keep all digits of the others
IMPOSSIBLE = -100.0


class ExactDecoder(AbstractModel):
    """Params that make `decode` the exact p(x_i given z_t) of every element, for data xs (N, *event) with weights (N,).

    So the reverse chain is the best that treats elements as independent given z_t, and K with it is the ceiling of every network
    with this kernel and these times. Costs N evaluations of `marginal`.

    Needs a `FiniteKernel` whose `encode` tells the states of an element apart, and whose params can tilt the data in every
    way. Raises TypeError for other kernels, ValueError for other params.
    """

    kernel: FiniteKernel
    xs: jax.Array
    weights: jax.Array

    def __init__(self, kernel: FiniteKernel, xs: jax.Array | np.ndarray, weights: Weights | None = None):
        if not isinstance(kernel, FiniteKernel):
            raise TypeError(f"ExactDecoder.kernel: expected a FiniteKernel, got {type(kernel).__name__}")
        self.kernel = kernel
        self.xs = jnp.asarray(xs)
        self.weights = jnp.asarray(checked_weights(xs, weights), jnp.result_type(float))
        response, wanted = _response(kernel, self.xs[0]), kernel.event.size * (kernel.data_states - 1)
        if (reached := int(np.linalg.matrix_rank(response))) != wanted:
            raise ValueError(
                f"ExactDecoder.kernel: expected params that tilt the {kernel.data_states} states of every element in all of "
                f"{wanted} ways, got {reached}"
            )

    def __call__(self, features: State, t: Time, side: Side | None = None, *, key: Key | None = None) -> State:
        kernel = self.kernel
        z = self._state(features, t)
        likelihood = jax.vmap(lambda x: kernel.marginal(x, t).log_prob(z))(self.xs)
        share = jax.nn.softmax(jnp.log(self.weights) + likelihood)
        log_rho = kernel.log_reference()
        chance = jnp.tensordot(share, jax.nn.one_hot(self.xs.astype(int), log_rho.shape[-1]), axes=1)
        # decode ~ rho * exp(tilt) * q(z given x), so this tilt makes it `chance`
        tilt = jnp.log(chance) - log_rho - column(kernel.log_matrix(None, t), z)
        return params_of_tilt(kernel, jnp.clip(tilt, IMPOSSIBLE, -IMPOSSIBLE), z)

    def _state(self, features: State, t: Time) -> jax.Array:
        """The noisy state that encodes to these features, element by element."""
        shape = self.kernel.event.shape
        codes = jax.vmap(lambda state: self.kernel.encode(jnp.full(shape, state, self.xs.dtype), t))(jnp.arange(self.kernel.states))
        return jnp.argmin(jnp.sum((codes - features) ** 2, axis=-1), axis=0).astype(self.xs.dtype)


def params_of_tilt(kernel: FiniteKernel, tilt: jax.Array, z: jax.Array) -> State:
    """The params that tilt the data by these log-weights (*event, data states), up to a constant for each element.

    Tilts are linear in the params.
    """
    zero = kernel.zero_params()
    if type(kernel).tilt is FiniteKernel.tilt:
        return tilt
    if isinstance(zero, jax.Array) and zero.shape == (*tilt.shape[:-1], 1) and tilt.shape[-1] == 2:
        response = kernel.tilt(zero + 1.0, z)
        return (tilt[..., 1:] - tilt[..., :1]) / (response[..., 1:] - response[..., :1])
    _, unravel = ravel_pytree(zero)
    return unravel(jnp.linalg.lstsq(_response(kernel, z), _centred(tilt) - _centred(kernel.tilt(zero, z)))[0])


def _centred(tilt: jax.Array) -> jax.Array:
    return (tilt - tilt.mean(axis=-1, keepdims=True)).ravel()


def _response(kernel: FiniteKernel, z: jax.Array) -> jax.Array:
    """How the tilt of every element and state, centred, answers to every param."""
    flat, unravel = ravel_pytree(kernel.zero_params())
    return jax.jacfwd(lambda params: _centred(kernel.tilt(unravel(params), z)))(flat)
