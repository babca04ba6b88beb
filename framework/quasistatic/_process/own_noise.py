"""Values of events whose noise comes from the content of each: the same event has the same values, to the bit, in any company."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process.arithmetic import check_arithmetic
from quasistatic._process.blocks import checked_events, rows_of
from quasistatic._process.diffusion import Chain, Diffusion
from quasistatic._process.distribution import Key, State
from quasistatic._process.grid import Steps
from quasistatic._process.ledger import ledger_terms
from quasistatic._process.progress import counted
from quasistatic._process.tree import count_of

TOGETHER = 32  # events that one program takes one after another: a batch of them would make bits depend on the company

Measure = Callable[[State, State | None, Key], jax.Array]  # of one event, its side information and a key


def with_own_noise(
    what: str, measure: Measure, diffusion: Diffusion, xs: State, *, key: Key, side: State | None = None, repeats: int = 1
) -> np.ndarray:
    """measure(x, side, key) of events `xs` (N, ...), `repeats` draws of each, (repeats, N, ...), float64.

    The keys of an event are a function of `key` and of its content alone, without its side information: under each it has the same
    noise. `what` names the work for a listener. Raises DataError for events that do not fit the diffusion.
    """
    check_arithmetic()
    xs, side = checked_events(diffusion, xs, side)
    count = count_of(xs)
    names, found = digests(xs, count), []
    blocks = [np.arange(start, start + TOGETHER) % count for start in range(0, count, TOGETHER)]
    for rows in counted(what, blocks, count):
        block, side_block = rows_of((xs, side), rows)
        found.append(np.asarray(_drawn(measure, block, side_block, jnp.asarray(names[rows]), key, repeats), np.float64))
    return np.concatenate(found)[:count].swapaxes(0, 1)


def terms_with_own_noise(
    diffusion: Diffusion, xs: State, *, key: Key, steps: Steps = None, side: State | None = None, repeats: int = 1
) -> np.ndarray:
    """The terms of -K of events `xs` (N, ...) in nats, (repeats, N, T + 1): what `ledger` sums, of all parts together.

    An event's noise is a function of `key` and of its content alone. Raises DataError for events that do not fit.
    """
    chain = diffusion.for_chain(steps)
    measure = eqx.Partial(_terms, chain)
    return with_own_noise(f"K (T = {len(chain.times)})", measure, diffusion, xs, key=key, side=side, repeats=repeats)


def _terms(chain: Chain, x: State, side: State | None, key: Key) -> jax.Array:
    terms = ledger_terms(chain.given(side), x, key=key, fold=len(chain.times))
    return jnp.sum(jnp.stack(list(terms.values())), axis=0)


def digests(state: Any, count: int) -> np.ndarray:
    """Two words for each event, (N, 2), made of the bytes of all its parts."""
    leaves = [np.ascontiguousarray(leaf) for leaf in jax.tree.leaves(state)]
    digests = (hashlib.blake2b(b"".join(leaf[row].tobytes() for leaf in leaves), digest_size=8).digest() for row in range(count))
    return np.frombuffer(b"".join(digests), "<u4").astype(np.uint32).reshape(count, 2)


@eqx.filter_jit
def _drawn(measure: Measure, xs: State, side: State | None, names: jax.Array, key: Key, repeats: int) -> jax.Array:
    """(events, repeats, ...)"""

    def one(row: tuple[State, State | None, jax.Array]) -> jax.Array:
        x, side_one, name = row
        own = jr.fold_in(jr.fold_in(key, name[0]), name[1])
        return jax.vmap(lambda key_one: measure(x, side_one, key_one))(jr.split(own, repeats))

    return jax.lax.map(one, (xs, side, names))
