"""Rare and impossible states: what a generator of too few bits gets wrong, and nobody sees."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
from jax.extend.random import define_prng_impl

from quasistatic._distribution import AbstractDistribution, Key, State
from quasistatic._finite import FiniteKernel
from quasistatic.testing._law import Reading, worst
from quasistatic.testing._reversal import constant_tilt
from quasistatic.testing._setting import at, listed, random_params, some_data, times_of

# float32 Gumbel noise draws a state this rare 13 times too seldom; fewer than EXPECTED / 4 draws are bad luck once in 300
RARE, EXPECTED = 3e-8, 8
BATCH = 2**20


def rare_states(kernel: FiniteKernel) -> Reading:
    """States of probability 3e-8 are drawn that often, each: 2 to 24 times where 8 draws are expected."""
    states = len(kernel.log_reference())
    wanted = jnp.full((*kernel.event.shape, states), RARE).at[..., 0].set(1.0 - (states - 1) * RARE)
    end = jnp.ones(())
    z = kernel.marginal(at(some_data(kernel, 1), 0), end).sample(jr.key(21))
    likelihood = kernel.log_matrix(None, end).T[z.astype(jnp.int32)]
    tilt = jnp.log(wanted) - kernel.log_reference() - likelihood
    law = kernel.decode(constant_tilt(kernel, tilt)(z, end), z, end)
    rounds = round(EXPECTED / (RARE * kernel.event.size * BATCH))

    @jax.jit
    def count(key: Key) -> jax.Array:
        def more(number: jax.Array, found: jax.Array) -> jax.Array:
            xs = jax.vmap(law.sample)(jr.split(jr.fold_in(key, number), BATCH))
            return found + jnp.stack([jnp.sum(xs == state, dtype=jnp.int32) for state in range(1, states)])

        return jax.lax.fori_loop(0, rounds, more, jnp.zeros(states - 1, jnp.int32))

    seen = [int(number) for number in count(jr.key(22))]
    off = max(max(number / (3 * EXPECTED), EXPECTED / 4 / max(number, 0.1)) for number in seen)
    return Reading(off, 1.0, "of the factor allowed", f"{seen} draws, {EXPECTED} expected")


def extreme_words(kernel: FiniteKernel) -> Reading:
    """Whatever words the generator of random bits gives, all zeros and all ones too, no impossible state is drawn."""
    times = times_of(kernel)
    s, t = times[1], times[3]
    params = random_params(kernel)
    xs, zs = listed(kernel)

    def lowest(law: AbstractDistribution, key: Key) -> jax.Array:
        draws = (law.sample(key), *law.pair(key))
        return jnp.min(jnp.stack([law.log_prob(draw) for draw in draws]))

    def from_noise(z: State, key: Key) -> jax.Array:
        laws = (kernel.transition(z, s, t), kernel.reverse(params, z, s, t), kernel.decode(params, z, t))
        return jnp.min(jnp.stack([lowest(law, key) for law in laws]))

    def worst_draw(key: Key) -> Reading:
        ends = [lowest(kernel.equilibrium(), key), *jax.vmap(lambda x: lowest(kernel.marginal(x, t), key))(xs)]
        ends += list(jax.vmap(lambda z: from_noise(z, key))(zs))
        return Reading(-float(jnp.min(jnp.stack(ends))), 1e6, "nats against a draw", f"the word {jr.key_data(key)[0]:x}")

    words = (0, 1, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1)
    return worst(worst_draw(jr.wrap_key_data(jnp.asarray([word], jnp.uint32), impl=_stuck())) for word in words)


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
