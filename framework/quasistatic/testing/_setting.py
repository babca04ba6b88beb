"""The random inputs of a law (seed, three times, scale of the params), and the objects built from them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from quasistatic._process.diffusion import Diffusion, FirstStep
from quasistatic._process.distribution import AbstractDistribution, AbstractIntegrable, Key, State, Time
from quasistatic._process.event import Levels
from quasistatic._process.grid import AbstractGrid
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.model import AbstractModel, ConstantModel, Ports, Side
from quasistatic._process.product import AbstractProductKernel
from quasistatic._process.schedule import AbstractSchedule
from quasistatic._process.tree import Layout, count_of, take
from quasistatic.oracles._entropy import is_finite


class Spot(NamedTuple):
    """One event on its way: data x, z_s and z_t."""

    x: State
    early: State
    late: State


class Steps(NamedTuple):
    """Steps s < t, each (N,)."""

    early: Float[Array, " steps"]
    late: Float[Array, " steps"]


# times of a law that looks everywhere: so many evenly over the way, so many over its logarithm near each end, from NEAREST to
# a hundredth, and so many over the coordinate of each schedule; an even number each
EVENLY, NEAR_AN_END, ON_A_SCHEDULE = 224, 16, 32
NEAREST = 1e-4
# sizes of params of a network that says what none would say, for laws that hold whatever it says
LOUD = (8.0, 60.0, 1e3, 1e12)
# a law that asks for fewer is given these: the steps of a kernel with one schedule, so that one program draws them for all laws
SPOTS = 576
ABSENT = -2.5  # what a network reads of side information that is absent
GOLDEN = 0.5 * (math.sqrt(5.0) - 1.0)


@attrs.frozen
class Setting:
    """Where a law is read.

    `times_permille` are three times, in thousandths of the way from the first time to the last, `params_scale` is the size of
    the params of a random network, and `draws_factor` multiplies the draws of statistical laws.
    """

    seed: int = 0
    times_permille: tuple[int, int, int] = (150, 450, 800)
    params_scale: float = 0.8
    draws_factor: int = 1

    def repeated(self) -> Setting:
        """The same place with ten times the draws, all of them new."""
        return attrs.evolve(self, seed=self.seed ^ 0x5EED, draws_factor=10 * self.draws_factor)

    def key(self, role: int) -> Key:
        """A key for each use that a law has for one."""
        return jr.fold_in(jr.key(self.seed), role)

    def some_keys(self, role: int, *shape: int) -> Key:
        """Keys of this shape: of numpy, because splitting one compiles a program for each shape."""
        words = jr.key_data(jr.key(0)).shape[-1]
        return jr.wrap_key_data(jax.device_put(self.numpy(role).integers(2**32, size=(*shape, words), dtype=np.uint32)))

    def keys(self, role: int, count: int) -> Key:
        """Keys of a statistical law, `draws_factor` times as many as usual."""
        return self.some_keys(role, count * self.draws_factor)

    def keys_of(self, steps: Steps, role: int, count: int) -> Key:
        """About `count` keys of a statistical law, as many for each step, (steps, draws)."""
        number = len(steps.early)
        return self.some_keys(role, number, -(-count // number) * self.draws_factor)

    def numpy(self, role: int) -> np.random.Generator:
        """The same for draws of numpy, which compile nothing."""
        return np.random.default_rng((self.seed, role))

    def times(self, kernel: AbstractKernel) -> Float[Array, " 5"]:
        """Five times from the earliest of a chain of eight to the last, not on one grid."""
        first = float(kernel.times(8)[0])
        way = np.array([0, *self.times_permille, 1000]) / 1000
        return jax.device_put(first + (1.0 - first) * way)

    def steps(self, kernel: AbstractKernel) -> Steps:
        """Some hundred steps that look everywhere, from the first time of a chain of a thousand to the last.

        Every window of a 200th of the way has the start of a step in it and the end of another, and so have the ends in the
        logarithm of the distance from them, and every schedule in its log-odds.
        """
        first = float(kernel.times(1000)[0])
        times = _everywhere(kernel, first, jr.uniform(self.key(90)).item())
        # the other end is anywhere; of every eighth step it is the end of time itself
        way = np.where(np.arange(len(times)) % 8, 0.02 + 0.98 * (np.arange(len(times)) * GOLDEN % 1.0), 1.0)
        ahead, behind = times + (1.0 - times) * way, times - (times - first) * way
        # alternately, so that every other step starts everywhere
        early, late = np.stack([times, behind], 1).ravel(), np.stack([ahead, times], 1).ravel()
        return Steps(*jax.device_put((early, late)))

    def params(self, kernel: AbstractKernel, role: int = 5, scale: float | None = None) -> State:
        """Random params of the size `params_scale`, or another."""
        scale, numpy = self.params_scale if scale is None else scale, self.numpy(role)
        return jax.tree.map(
            lambda leaf: jax.device_put((leaf + scale * numpy.standard_normal(leaf.shape)).astype(leaf.dtype)),
            jax.device_get(kernel.zero_params()),
        )

    def data(self, kernel: AbstractKernel, count: int, role: int = 3) -> State:
        """Events (count, ...) that the kernel may meet: some of all of them where these can be enumerated, else drawn."""
        if isinstance(kernel, AbstractProductKernel):
            roles = {name: role + 50 * number for number, name in enumerate(kernel.parts, 1)}
            return {name: self.data(part, count, roles[name]) for name, part in kernel.parts.items()}
        if is_finite(kernel):
            everything = enumerate_states(kernel)[0]
        elif isinstance(kernel.event, Levels):
            everything = all_levels(kernel.event)
        else:
            return _rows(_some_data(kernel, self.times(kernel)[0], self.some_keys(role, max(count, SPOTS))), slice(count))
        return _rows(everything, (13 * self.seed + role - 3 + np.arange(count) * 7) % count_of(everything))

    def spots(self, kernel: AbstractKernel, s: Time, t: Time, count: int, role: int = 4) -> Spot:
        """Events (count, ...) on their way, drawn by marginal and transition; s and t are theirs alone (count,), or of all."""
        drawn = max(count, SPOTS)

        def padded(time: Time) -> Float[Array, " drawn"]:
            return jax.device_put(np.pad(np.broadcast_to(np.asarray(time), (count,)), (0, drawn - count), "edge"))

        spots = _some_spots(kernel, self.data(kernel, drawn), padded(s), padded(t), self.some_keys(role, drawn))
        return _rows(spots, slice(count))

    def diffusion_with_random_network(self, kernel: AbstractKernel, steps: AbstractGrid | int) -> Diffusion:
        """The kernel with a network that is wrong everywhere."""
        ports = Ports.of(kernel)
        reads, gives = ports.numbers.size, ports.params.size
        scale, numpy = 0.9 * self.params_scale / math.sqrt(max(1, kernel.event.size)), self.numpy(11)
        weights, shift = scale * numpy.standard_normal((gives, reads)), 0.6 * self.params_scale * numpy.standard_normal(gives)
        return Diffusion(kernel, Wave(jax.device_put(weights), jax.device_put(shift), ports), steps)

    def diffusion_with_side_information(
        self, kernel: AbstractKernel, steps: AbstractGrid | int, first_step: FirstStep = "learned", present: bool = True
    ) -> Diffusion:
        """The same for an event with side information, a number that the network reads, and with either first step.

        It may be absent, which the network reads too.
        """
        plain = self.diffusion_with_random_network(kernel, steps)
        return Diffusion(kernel, plain.model, plain.grid, first_step).given(jnp.asarray(1.5), present)


def _rows(tree: Any, rows: slice | np.ndarray) -> Any:
    """Some rows, by numpy: a slice of jax compiles a program for each shape."""
    return jax.device_put(take(jax.device_get(tree), rows))


@eqx.filter_jit
def _some_data(kernel: AbstractKernel, t: Time, keys: Key) -> State:
    """From the reference, or from decode of pure noise at zero params.

    At `t` pure noise gives data with all the variance that the kernel expects, but only where it is of one scale at all times.
    """
    rho = kernel.reference()
    if rho is not None:
        return jax.vmap(rho.sample)(keys)
    t = t if kernel.is_stationary else jnp.ones_like(t)

    def draw(key: Key) -> State:
        key_z, key_x = jr.split(key)
        return kernel.decode(kernel.zero_params(), kernel.equilibrium().sample(key_z), t).sample(key_x)

    return jax.vmap(draw)(keys)


@eqx.filter_jit
def _some_spots(kernel: AbstractKernel, xs: State, s: Float[Array, " count"], t: Float[Array, " count"], keys: Key) -> Spot:
    def draw(x: State, s: Time, t: Time, key: Key) -> Spot:
        key_early, key_late = jr.split(key)
        early = kernel.marginal(x, s).sample(key_early)
        return Spot(x, early, kernel.transition(early, s, t).sample(key_late))

    return jax.vmap(draw)(xs, s, t, keys)


def _everywhere(kernel: AbstractKernel, first: float, offset: float) -> np.ndarray:
    """Times in (first, 1), evenly over the way, its logarithm near both ends, and the schedules of the kernel and its parts."""

    def evenly(low: float, high: float, count: int) -> np.ndarray:
        return low + (high - low) * (np.arange(count) + offset) / count

    near = 10.0 ** evenly(math.log10(NEAREST), -2.0, NEAR_AN_END)
    way = [np.maximum(evenly(0.0, 1.0, EVENLY), NEAREST), near, 1.0 - near]
    fine = np.concatenate([near, np.linspace(0.01, 0.99, 2_000), 1.0 - near[::-1]])
    for schedule in _schedules(kernel):
        fall = -np.asarray(_log_odds(schedule, jax.device_put(first + (1.0 - first) * fine)))
        way.append(np.interp(evenly(fall[0], fall[-1], ON_A_SCHEDULE), fall, fine))
    return first + (1.0 - first) * np.minimum(np.concatenate(way), 1.0 - NEAREST)


@eqx.filter_jit
def _log_odds(schedule: AbstractSchedule, times: Float[Array, " times"]) -> Float[Array, " times"]:
    return jax.vmap(schedule.log_odds)(times)


def _schedules(kernel: AbstractKernel) -> list[AbstractSchedule]:
    parts = list(kernel.parts.values()) if isinstance(kernel, AbstractProductKernel) else []
    own = getattr(kernel, "schedule", None)
    of_parts = [schedule for part in parts for schedule in _schedules(part)]
    return [own, *of_parts] if isinstance(own, AbstractSchedule) else of_parts


def spread(tree: Any) -> Any:
    """Arrays with their leading axis, a multiple of the number of devices, spread over all devices."""
    mesh = jax.sharding.Mesh(np.array(jax.devices()), ("events",))
    return jax.device_put(tree, jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("events")))


def widened(tree: Any) -> Any:
    """The same with every floating leaf in the widest float that is switched on."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(float)) if eqx.is_inexact_array(leaf) else leaf, tree)


class Wave(AbstractModel):
    """An arbitrary smooth function of features and time, and of side information that is a number."""

    weights: Float[Array, "params features"]
    shift: Float[Array, " params"]
    ports: Ports = eqx.field(static=True)

    def __call__(self, features: State, t: Time, side: Side | None = None, *, key: Key | None = None) -> State:
        # three things: no side information, some that is absent, and a number
        shown = 0.0 if side is None else jnp.where(side.present, side.value, ABSENT)
        read = self.weights @ self.ports.numbers.ravel(self.ports.to_numbers(features))
        return self.ports.params.unravel(read * jnp.cos(3.0 * t) + self.shift * (jnp.sin(2.0 * t) + shown))


def fresh(kernel: AbstractKernel, steps: int) -> Diffusion:
    """The kernel with zero params."""
    return Diffusion(kernel, ConstantModel(kernel.zero_params()), steps)


def all_levels(field: Levels) -> Float[Array, "events ..."]:
    """All events of data in levels, (levels**size, *shape)."""
    axes = [jnp.linspace(field.low, field.high, field.levels)] * field.size
    return jnp.stack(jnp.meshgrid(*axes, indexing="ij"), -1).reshape(-1, *field.shape)


def enumerate_states(kernel: AbstractKernel) -> tuple[State, State]:
    """All events of data, and all noisy states, of a kernel on a finite space."""
    return _enumerated(kernel)


@eqx.filter_jit
def _enumerated(kernel: AbstractKernel) -> tuple[State, State]:
    reference, equilibrium = kernel.reference(), kernel.equilibrium()
    assert isinstance(reference, AbstractIntegrable) and isinstance(equilibrium, AbstractIntegrable)
    return reference.nodes()[0], equilibrium.nodes()[0]


def table(distribution_from: Callable[[State], AbstractDistribution], froms: State, tos: State) -> Float[Array, "froms tos"]:
    """log-probabilities [from, to]."""
    return jax.vmap(lambda a: jax.vmap(distribution_from(a).log_prob)(tos))(froms)


def types_of(tree: Any) -> Any:
    """A tree of arrays in words: 'float32[2]' for each."""
    return jax.tree.map(lambda leaf: f"{leaf.dtype}{list(leaf.shape)}", tree)


def layout_of(tree: State) -> Layout:
    """The layout of one state, whatever weak types its leaves have."""
    return Layout.of(jax.tree.map(jnp.asarray, tree))
