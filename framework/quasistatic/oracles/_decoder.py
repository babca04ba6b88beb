"""The best network of all: it knows the law of the data."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from quasistatic._distribution import Key, State
from quasistatic._finite import FiniteKernel
from quasistatic._model import AbstractModel
from quasistatic.oracles._ledger import Weights, checked_weights

# log-weight of what cannot be: beyond every probability of interest, small enough to keep all digits of the others
IMPOSSIBLE = -100.0


class ExactDecoder(AbstractModel):
    """Params that make `decode` the exact law p(x_i given z_t) of every element, for data xs (N, *event) with weights (N,).

    So the reverse chain is the best that treats elements as independent given z_t, and K with it is the ceiling of every network
    with this kernel and these times. Costs N evaluations of `marginal`.

    Needs a `FiniteKernel` whose `encode` tells the states of an element apart, and whose params are the tilt itself or, for two
    data states, one factor of it. Raises TypeError for other kernels, ValueError for other params.
    """

    kernel: FiniteKernel
    xs: jax.Array
    weights: jax.Array

    def __init__(self, kernel: FiniteKernel, xs: jax.Array | np.ndarray, weights: Weights | None = None):
        if not isinstance(kernel, FiniteKernel):
            raise TypeError(f"ExactDecoder.kernel: expected a FiniteKernel, got {type(kernel).__name__}")
        if (kernel.params, len(kernel.log_reference())) != (1, 2) and kernel.params != len(kernel.log_reference()):
            raise ValueError(
                f"ExactDecoder.kernel: expected one param per data state, or one for two states, got {kernel.params} "
                f"for {len(kernel.log_reference())} states"
            )
        self.kernel = kernel
        self.xs = jnp.asarray(xs)
        self.weights = jnp.asarray(checked_weights(xs, weights), jnp.result_type(float))

    def __call__(self, features: State, t: jax.Array, given: jax.Array | None = None, key: Key | None = None) -> jax.Array:
        kernel = self.kernel
        z = self._state(features, t)
        likelihood = jax.vmap(lambda x: kernel.marginal(x, t).log_prob(z))(self.xs)
        share = jax.nn.softmax(jnp.log(self.weights) + likelihood)
        log_rho = kernel.log_reference()
        says = jnp.tensordot(share, jax.nn.one_hot(self.xs.astype(int), len(log_rho)), axes=1)
        # decode ~ rho * exp(tilt) * q(z given x), so this tilt makes it `says`
        tilt = jnp.log(says) - log_rho - kernel.log_matrix(None, t).T[z.astype(int)]
        return self._params(jnp.clip(tilt, IMPOSSIBLE, -IMPOSSIBLE), z)

    def _state(self, features: State, t: jax.Array) -> jax.Array:
        """The noisy state that encodes to these features, element by element."""
        shape = self.kernel.event.shape
        codes = jax.vmap(lambda state: self.kernel.encode(jnp.full(shape, state, self.xs.dtype), t))(jnp.arange(self.kernel.states))
        return jnp.argmin(jnp.sum((codes - features) ** 2, axis=-1), axis=0).astype(self.xs.dtype)

    def _params(self, tilt: jax.Array, z: jax.Array) -> jax.Array:
        """Params whose tilt is this one, up to a constant per element."""
        zero = self.kernel.zero_params()
        if zero.shape == tilt.shape:
            return tilt
        response = self.kernel.tilt(zero + 1.0, z)
        return (tilt[..., 1:] - tilt[..., :1]) / (response[..., 1:] - response[..., :1])
