"""Where the laws of a kernel are looked at: times, data, states and params, from fixed keys."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._diffusion import Diffusion
from quasistatic._distribution import AbstractDistribution, AbstractIntegrable, Key, State
from quasistatic._event import Event
from quasistatic._finite import FiniteKernel
from quasistatic._kernel import AbstractKernel
from quasistatic._model import AbstractModel
from quasistatic.testing._law import Reading


def widened(tree: Any) -> Any:
    """The same with every floating leaf in the widest float that is switched on."""
    return jax.tree.map(
        lambda leaf: jnp.asarray(leaf, jnp.result_type(float)) if eqx.is_inexact_array(leaf) else leaf, tree
    )


def in_float64(law: Callable[..., Reading]) -> Callable[..., Reading]:
    """The law, measured in float64 whatever the process runs in."""

    @functools.wraps(law)
    def measured(subject: Any) -> Reading:
        with jax.enable_x64(True):
            return law(widened(subject))

    return measured


class Constant(AbstractModel):
    """Says the same at every state and time."""

    value: Any

    def __call__(
        self, features: State, t: jax.Array, given: jax.Array | None = None, key: Key | None = None
    ) -> State:
        return self.value


class Wave(AbstractModel):
    """An arbitrary smooth function of features and time: a decoder that is wrong everywhere."""

    weights: jax.Array  # (params, features)
    shift: jax.Array

    def __call__(
        self, features: State, t: jax.Array, given: jax.Array | None = None, key: Key | None = None
    ) -> State:
        return features @ self.weights.T * jnp.cos(3.0 * t) + self.shift * jnp.sin(2.0 * t)


class Answering(Diffusion):
    """A diffusion whose params are any function of z and t."""

    answer: Callable[[State, jax.Array], State] = eqx.field(static=True)

    def __init__(self, kernel: AbstractKernel, answer: Callable[[State, jax.Array], State], steps: int):
        super().__init__(kernel, Constant(kernel.zero_params()), steps)
        self.answer = answer

    def params(self, z: State, t: jax.Array, given: jax.Array | None = None, key: Key | None = None) -> State:
        return self.answer(z, t)


def fresh(kernel: AbstractKernel, steps: int) -> Diffusion:
    """The kernel with a network that knows nothing."""
    return Diffusion(kernel, Constant(kernel.zero_params()), steps)


def arbitrary(kernel: AbstractKernel, steps: int) -> Diffusion:
    """The kernel with a network that is wrong."""
    return Diffusion(kernel, wave(kernel), steps)


def wave(kernel: AbstractKernel) -> Wave:
    key_weights, key_shift = jr.split(jr.key(11))
    weights = 0.7 * jr.normal(key_weights, (kernel.params, kernel.features))
    return Wave(weights, 0.5 * jr.normal(key_shift, (kernel.params,)))


def times_of(kernel: AbstractKernel) -> jax.Array:
    """Five times from the earliest of a chain of eight to the last, not on one grid."""
    first = float(kernel.grid(8)[0])
    return jnp.asarray(first + (1.0 - first) * np.array([0.0, 0.15, 0.45, 0.8, 1.0]), jnp.result_type(float))


def random_params(kernel: AbstractKernel, seed: int = 5, size: float = 0.8) -> State:
    """Params of a network that says something."""
    leaves, tree = jax.tree.flatten(kernel.zero_params())
    keys = jr.split(jr.key(seed), len(leaves))
    drawn = [leaf + size * jr.normal(key, leaf.shape, leaf.dtype) for leaf, key in zip(leaves, keys, strict=True)]
    return jax.tree.unflatten(tree, drawn)


def some_data(kernel: AbstractKernel, count: int, seed: int = 3) -> State:
    """Events (count, *event) that the kernel may meet: all of them where they can be listed, else drawn."""
    if isinstance(kernel, FiniteKernel):
        xs, _ = kernel.reference().nodes()
        return xs[jnp.arange(count) * 7 % len(xs)]
    event = kernel.event
    if event.quantised:
        return all_levels(event)[jnp.arange(count) * 7 % event.levels**event.size]
    keys = jr.split(jr.key(seed), count)
    rho = kernel.reference()
    if rho is not None:
        return jax.vmap(rho.sample)(keys)
    params, t = kernel.zero_params(), times_of(kernel)[0]

    def draw(key: Key) -> State:
        key_z, key_x = jr.split(key)
        return kernel.decode(params, kernel.equilibrium().sample(key_z), t).sample(key_x)

    return jax.vmap(draw)(keys)


def all_levels(event: Event) -> jax.Array:
    """All events of quantised data, (levels**size, *event)."""
    assert event.low is not None and event.high is not None and event.levels is not None
    axes = [jnp.linspace(event.low, event.high, event.levels)] * event.size
    return jnp.stack(jnp.meshgrid(*axes, indexing="ij"), -1).reshape(-1, *event.shape)


class Spot(NamedTuple):
    """One event on its way: data x, z_s and z_t."""

    x: State
    early: State
    late: State


def some_spots(kernel: AbstractKernel, s: jax.Array, t: jax.Array, count: int, seed: int = 4) -> Spot:
    """Events (count, ...) on their way, drawn by marginal and transition."""

    def draw(x: State, key: Key) -> Spot:
        key_early, key_late = jr.split(key)
        early = kernel.marginal(x, s).sample(key_early)
        return Spot(x, early, kernel.transition(early, s, t).sample(key_late))

    return jax.vmap(draw)(some_data(kernel, count), jr.split(jr.key(seed), count))


def listed(kernel: FiniteKernel) -> tuple[State, State]:
    """All events of data, and all noisy states."""
    return kernel.reference().nodes()[0], kernel.equilibrium().nodes()[0]


def table(law_of: Callable[[State], AbstractDistribution], froms: State, tos: State) -> jax.Array:
    """log-probabilities [from, to]."""
    return jax.vmap(lambda a: jax.vmap(law_of(a).log_prob)(tos))(froms)


def mean_of(law: AbstractDistribution, function: Callable[[State], jax.Array]) -> jax.Array:
    """E f(z) by the nodes of an integrable law; points without weight do not count."""
    assert isinstance(law, AbstractIntegrable), f"{type(law).__name__} has no nodes"
    zs, weights = law.nodes()
    values = jax.vmap(function)(zs)
    return jnp.sum(jnp.where(weights > 0, weights * values, 0.0))


def at(tree: State, index: int) -> State:
    """One of many."""
    return jax.tree.map(lambda leaf: leaf[index], tree)
