"""Networks: features in, params out; and side information, which they may read."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from quasistatic._process.distribution import Key, State, Time
from quasistatic._process.event import AbstractEvent
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.tree import Layout


class Side(eqx.Module):
    """Side information of one event: `value` is built like the source's `side`; zeros where it is not `present`.

    `present` is a traced flag, so that one program serves with side information and without.
    """

    value: State
    present: Bool[Array, ""]

    @classmethod
    def absent(cls, event: AbstractEvent | None) -> Side | None:
        """None where a source has no side information at all."""
        if event is None:
            return None
        return cls(jax.tree.map(lambda struct: jnp.zeros(struct.shape, struct.dtype), event.structs), jnp.asarray(False))


def _layout(tree: Any) -> Layout:
    return Layout.of(tree)


@attrs.frozen
class Ports:
    """What a network must fit: layouts of the features it reads and of the params it gives, and what side information is.

    `features` and `params` may be given as pytrees of arrays or of `jax.ShapeDtypeStruct`.
    """

    features: Layout = attrs.field(converter=_layout)
    params: Layout = attrs.field(converter=_layout)
    side: AbstractEvent | None = None

    @classmethod
    def of(cls, kernel: AbstractKernel, side: AbstractEvent | None = None) -> Ports:
        """The ports of a kernel, and of a source with this side information."""

        def features(key: Key) -> State:
            return kernel.encode(kernel.equilibrium().sample(key), jnp.ones(()))

        return cls(jax.eval_shape(features, jax.random.key(0)), jax.eval_shape(kernel.zero_params), side)

    @property
    def numbers(self) -> Layout:
        """The layout of `to_numbers`: what a network without an embedding reads."""
        return Layout.of(jax.eval_shape(self.to_numbers, self.features.tree))

    def to_numbers(self, features: State) -> State:
        """Features as floats: an integer, the symbol of an element, is one-hot on the last axis, the rest stays as it is.

        Of an element with n params a symbol is one of 0 .. n, the last being what data cannot be (a mask).
        """

        def numbers(leaf: jax.Array, params: jax.ShapeDtypeStruct) -> jax.Array:
            if jnp.issubdtype(leaf.dtype, jnp.inexact):
                return leaf
            hot = jax.nn.one_hot(leaf, params.shape[-1] + 1, dtype=jnp.result_type(float))
            return hot.reshape(*leaf.shape[:-1], leaf.shape[-1] * hot.shape[-1])

        return jax.tree.map(numbers, features, self.params.tree)


class AbstractModel(eqx.Module):
    """A plain network for one event. Every inexact array leaf is trained; constants are static."""

    @property
    def is_causal(self) -> bool:
        """Whether the params of an element depend on the features of the elements before it alone, and not on time."""
        return False

    @abstractmethod
    def __call__(self, features: State, t: Time, side: Side | None = None, *, key: Key | None = None) -> State:
        """Params, in the layout `ports.params`, from features in `ports.features` at time t.

        `side` is None where the source offers no side information. `key` is given in training alone (dropout).
        """

    def representation(self, features: State, t: Time, side: Side | None = None) -> Float[Array, " units"] | None:
        """A hidden layer of the same call, (units,), in which events differ; None of a network that offers none."""
        return None


class ConstantModel(AbstractModel):
    """A network whose output was computed once and is reused: the same params at every state and time."""

    params: State

    def __call__(self, features: State, t: Time, side: Side | None = None, *, key: Key | None = None) -> State:
        return self.params


class AbstractFilters(AbstractModel):
    """A network with weights that can be looked at as pictures: the filters with which it reads an image."""

    @abstractmethod
    def filters(self) -> Float[Array, "filters height width"]:
        """One picture for each filter and channel, whatever their scale."""
