"""Where laws are looked at: a seed, three times and how loudly the network speaks; and what is found there.

Everything that is random in a law is drawn from its setting, so that one law can be tried at many.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import attrs
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


class Spot(NamedTuple):
    """One event on its way: data x, z_s and z_t."""

    x: State
    early: State
    late: State


@attrs.frozen
class Setting:
    """Where a law is read.

    `marks` are three times, in thousandths of the way from the first time to the last, `size` is that of the params of a
    wrong network, and `more` multiplies the draws of statistical laws.
    """

    seed: int = 0
    marks: tuple[int, int, int] = (150, 450, 800)
    size: float = 0.8
    more: int = 1

    def again(self) -> Setting:
        """The same place with ten times the draws, all of them new."""
        return attrs.evolve(self, seed=self.seed ^ 0x5EED, more=10 * self.more)

    def key(self, role: int) -> Key:
        """A key for each use that a law has for one."""
        return jr.fold_in(jr.key(self.seed), role)

    def keys(self, role: int, count: int) -> Key:
        """Keys of a statistical law, `more` times as many as usual."""
        return jr.split(self.key(role), count * self.more)

    def times(self, kernel: AbstractKernel) -> jax.Array:
        """Five times from the earliest of a chain of eight to the last, not on one grid."""
        first = float(kernel.grid(8)[0])
        way = np.array([0, *self.marks, 1000]) / 1000
        return jnp.asarray(first + (1.0 - first) * way, jnp.result_type(float))

    def params(self, kernel: AbstractKernel, role: int = 5, size: float | None = None) -> State:
        """Params of a network that says something."""
        leaves, tree = jax.tree.flatten(kernel.zero_params())
        keys = jr.split(self.key(role), len(leaves))
        size = self.size if size is None else size
        drawn = [leaf + size * jr.normal(key, leaf.shape, leaf.dtype) for leaf, key in zip(leaves, keys, strict=True)]
        return jax.tree.unflatten(tree, drawn)

    def data(self, kernel: AbstractKernel, count: int, role: int = 3) -> State:
        """Events (count, *event) that the kernel may meet: some of a list where there is one, else drawn."""
        start = 13 * self.seed
        if isinstance(kernel, FiniteKernel):
            xs, _ = kernel.reference().nodes()
            return xs[(start + np.arange(count) * 7) % len(xs)]
        event = kernel.event
        if event.quantised:
            return all_levels(event)[(start + np.arange(count) * 7) % event.levels**event.size]
        return _some_data(kernel, self.times(kernel)[0], jr.split(self.key(role), count))

    def spots(self, kernel: AbstractKernel, s: jax.Array, t: jax.Array, count: int, role: int = 4) -> Spot:
        """Events (count, ...) on their way, drawn by marginal and transition."""
        return _some_spots(kernel, self.data(kernel, count), s, t, jr.split(self.key(role), count))

    def wrong(self, kernel: AbstractKernel, steps: Any) -> Diffusion:
        """The kernel with a network that is wrong; `steps` may be a grid."""
        key_weights, key_shift = jr.split(self.key(11))
        weights = 0.9 * self.size * jr.normal(key_weights, (kernel.params, kernel.features))
        return Diffusion(kernel, Wave(weights, 0.6 * self.size * jr.normal(key_shift, (kernel.params,))), steps)


@eqx.filter_jit
def _some_data(kernel: AbstractKernel, t: jax.Array, keys: Key) -> State:
    """By the reference law, or by what a network that knows nothing would say of pure noise."""
    rho = kernel.reference()
    if rho is not None:
        return jax.vmap(rho.sample)(keys)

    def draw(key: Key) -> State:
        key_z, key_x = jr.split(key)
        return kernel.decode(kernel.zero_params(), kernel.equilibrium().sample(key_z), t).sample(key_x)

    return jax.vmap(draw)(keys)


@eqx.filter_jit
def _some_spots(kernel: AbstractKernel, xs: State, s: jax.Array, t: jax.Array, keys: Key) -> Spot:
    def draw(x: State, key: Key) -> Spot:
        key_early, key_late = jr.split(key)
        early = kernel.marginal(x, s).sample(key_early)
        return Spot(x, early, kernel.transition(early, s, t).sample(key_late))

    return jax.vmap(draw)(xs, keys)


def spread(tree: Any) -> Any:
    """Arrays with their leading axis, a multiple of the number of devices, spread over all devices."""
    mesh = jax.sharding.Mesh(np.array(jax.devices()), ("events",))
    return jax.device_put(tree, jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("events")))


def widened(tree: Any) -> Any:
    """The same with every floating leaf in the widest float that is switched on."""
    return jax.tree.map(
        lambda leaf: jnp.asarray(leaf, jnp.result_type(float)) if eqx.is_inexact_array(leaf) else leaf, tree
    )


def in_float64(law: Callable[..., Reading]) -> Callable[..., Reading]:
    """The law, measured in float64 whatever the process runs in."""

    @functools.wraps(law)
    def measured(subject: Any, setting: Setting) -> Reading:
        with jax.enable_x64(True):
            return law(widened(subject), setting)

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


def all_levels(event: Event) -> jax.Array:
    """All events of quantised data, (levels**size, *event)."""
    assert event.low is not None and event.high is not None and event.levels is not None
    axes = [jnp.linspace(event.low, event.high, event.levels)] * event.size
    return jnp.stack(jnp.meshgrid(*axes, indexing="ij"), -1).reshape(-1, *event.shape)


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
