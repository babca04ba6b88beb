"""Networks: features in, params out."""

from __future__ import annotations

from abc import abstractmethod

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp

from quasistatic._distribution import Key, State


@attrs.frozen
class Ports:
    """What a network must fit: `features` and `params` per element of `shape`, and `given` side-information figures."""

    shape: tuple[int, ...]
    features: int
    params: int
    given: int = 0


class AbstractModel(eqx.Module):
    """A plain network for one event. Every inexact array leaf is trained; constants are static."""

    @abstractmethod
    def __call__(self, features: State, t: jax.Array, given: jax.Array | None = None, key: Key | None = None) -> State:
        """Params of shape (*shape, params) from features (*shape, features) at time t.

        `given` has shape (given,), or is None when the source offers none. `key` is given in training alone (dropout).
        """


def bumps(t: jax.Array, count: int, width: float = 1.0) -> jax.Array:
    """Normalised Gaussian bumps of time, shape (count,), that sum to one: weights of readouts that change with time.

    Centres are evenly spaced on [0, 1], both ends included; `width` is in units of their spacing: 1 in the paper, 1/2
    in its code (Sohl-Dickstein et al. 2015, eq. 62 and 63).
    """
    if count == 1:
        return jnp.ones(1)
    place = t * (count - 1)
    return jax.nn.softmax(-0.5 * ((place - jnp.arange(count)) / width) ** 2)
