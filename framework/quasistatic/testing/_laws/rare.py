"""Rare and impossible states: a generator of too few bits gets them wrong, and no average shows it."""

from __future__ import annotations

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.extend.random import define_prng_impl

from quasistatic._process.distribution import AbstractDistribution, Key, State, Time
from quasistatic._process.finite import FiniteKernel, column
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.tree import take
from quasistatic.oracles._decoder import params_of_tilt
from quasistatic.oracles._entropy import is_finite
from quasistatic.testing._law import law
from quasistatic.testing._reading import Reading, statistical, worst
from quasistatic.testing._setting import Setting, enumerate_states
from quasistatic.testing._tools.statistics import largest_of

# float32 Gumbel noise draws a state this rare 13 times too seldom
RARE, EXPECTED = 3e-8, 8
BATCH = 2**20


@law(
    "kernel",
    "rare-states",
    "States of probability 3e-8 are drawn that often, each and all of them together, over several seeds and sizes of a batch.",
    when=lambda kernel: isinstance(kernel, FiniteKernel),
    once=True,
    long=True,
    unseen="Kernels that are not finite, and a generator that gives rare states more than half as often as it should: at half it "
    "is seen 9 times in 10, at a thirteenth, which is that of float32 Gumbel noise, always.",
)
def rare_states(kernel: FiniteKernel, setting: Setting) -> Reading:
    distribution = _rare(kernel, take(setting.data(kernel, 1), 0), setting.key(21))
    expected = EXPECTED * setting.draws_factor
    rounds = round(expected / (RARE * kernel.event.size * BATCH))
    # two thirds in batches of one size, the rest in batches of another, each with seeds of its own
    shares = {BATCH: (2 * rounds) // 3, BATCH // 4: 4 * (rounds - (2 * rounds) // 3)}
    seen = np.sum(
        [_count(distribution, setting.some_keys(22, count), kernel.data_states, size) for size, count in shares.items()], 0
    )
    # all of them together have the most power: a generator that gives them too seldom does so with each
    found, wanted = np.append(seen, seen.sum()), expected * np.append(np.ones(len(seen)), len(seen))
    away = np.abs(2.0 * (np.sqrt(found + 0.375) - np.sqrt(wanted + 0.375)))  # Anscombe 1948
    return statistical(largest_of(float(away.max()), len(away)), f"{seen.tolist()} draws, {expected} expected")


@eqx.filter_jit
def _rare(kernel: FiniteKernel, x: State, key: Key) -> AbstractDistribution:
    """Data of which all states but the first are rare."""
    states, end = kernel.data_states, jnp.ones(())
    wanted = jnp.full((*kernel.event.shape, states), RARE).at[..., 0].set(1.0 - (states - 1) * RARE)
    z = kernel.marginal(x, end).sample(key)
    likelihood = column(kernel.log_matrix(None, end), z)
    return kernel.decode(params_of_tilt(kernel, jnp.log(wanted) - kernel.log_reference() - likelihood, z), z, end)


@eqx.filter_jit
def _count(distribution: AbstractDistribution, seeds: Key, states: int, size: int) -> jax.Array:
    """How often each state but the first comes in one batch of this size for each seed."""

    def more(found: jax.Array, key: Key) -> tuple[jax.Array, None]:
        xs = jax.vmap(distribution.sample)(jr.split(key, size))
        return found + jnp.stack([jnp.sum(xs == state, dtype=jnp.int32) for state in range(1, states)]), None

    return jax.lax.scan(more, jnp.zeros(states - 1, jnp.int32), seeds)[0]


@law(
    "kernel",
    "extreme-words",
    "Whatever words the generator of random bits gives, all zeros and all ones too, no impossible state is drawn.",
    when=is_finite,
    unseen="Words between the six that are tried.",
)
def extreme_words(kernel: AbstractKernel, setting: Setting) -> Reading:
    times, params = setting.times(kernel), setting.params(kernel)
    readings = []
    for word in (0, 1, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1):
        key = jr.wrap_key_data(jnp.asarray([word], jnp.uint32), impl=_stuck())
        lowest = float(_lowest(kernel, params, key, times[1], times[3]))
        readings.append(Reading(-lowest, 1e6, "nats against a draw", f"the word {word:x}"))
    return worst(readings)


@eqx.filter_jit
def _lowest(kernel: AbstractKernel, params: State, key: Key, s: Time, t: Time) -> jax.Array:
    """The least log-probability of a draw with this key, over all distributions."""
    xs, zs = enumerate_states(kernel)

    def of(distribution: AbstractDistribution) -> jax.Array:
        draws = (distribution.sample(key), *distribution.pair(key))
        return jnp.min(jnp.stack([distribution.log_prob(draw) for draw in draws]))

    def from_noise(z: State) -> jax.Array:
        found = (kernel.transition(z, s, t), kernel.reverse(params, z, s, t), kernel.decode(params, z, t))
        return jnp.min(jnp.stack([of(distribution) for distribution in found]))

    from_data = jax.vmap(lambda x: of(kernel.marginal(x, t)))(xs)
    return jnp.min(jnp.stack([of(kernel.equilibrium()), from_data.min(), jax.vmap(from_noise)(zs).min()]))


@functools.cache
def _stuck() -> Any:
    """A generator that gives one word, its key, for ever."""

    def bits(key: Key, bit_width: int, shape: tuple[int, ...]) -> jax.Array:
        word = jnp.broadcast_to(key[0], shape)
        if bit_width == 64:
            return (word.astype(jnp.uint64) << 32) | word.astype(jnp.uint64)
        return (word >> (32 - bit_width)).astype(f"uint{bit_width}")

    return define_prng_impl(
        key_shape=(1,),
        seed=lambda seed: jnp.asarray([seed], jnp.uint32),
        split=lambda key, shape: jnp.broadcast_to(key, (*shape, 1)),
        random_bits=bits,
        fold_in=lambda key, data: key,
        name="stuck",
        tag="stuck",
    )
