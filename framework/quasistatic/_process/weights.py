"""Log-weights of many paths, drawn by the forward process or by the model."""

from __future__ import annotations

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process import trajectory
from quasistatic._process.arithmetic import check_arithmetic
from quasistatic._process.blocks import event_blocks, events_together, in_blocks
from quasistatic._process.diffusion import Chain, Diffusion
from quasistatic._process.distribution import Key, State
from quasistatic._process.grid import Steps
from quasistatic._process.progress import counted
from quasistatic._process.sampler import Ancestral
from quasistatic._process.tree import Layout, concatenate, count_of, take

KEPT_BYTES = 2**26  # of the states of paths that are kept


@attrs.frozen(eq=False)
class LogWeights:
    """Log-weights log p(x, z) - log q(z given x) of several paths for each event, in nats.

    `terms` (N, paths, T + 1) are float64: first step, the T - 1 steps (from `times[k]` back to `times[k-1]`), equilibrium.
    """

    times: np.ndarray
    terms: np.ndarray

    @property
    def totals(self) -> np.ndarray:
        """The log-weight of each path, (N, paths)."""
        return self.terms.sum(axis=-1)


def forward_weights(
    diffusion: Diffusion, xs: State, *, key: Key, paths: int = 1, steps: Steps = None, side: State | None = None
) -> LogWeights:
    """Log-weights of `paths` forward paths from each of the events `xs` (N, ...), with their side information (N, ...).

    Their mean is K(x), the mean of their exponential p(x) (Jarzynski 1997). The chain has T = `steps`, or these times. A path
    is a function of `key`, of the number of its event and of its own number. Raises DataError for no events, or such as do not fit.
    """
    check_arithmetic()
    chain = diffusion.for_chain(steps)

    def measure(block: State, side_block: State | None, numbers: jax.Array) -> jax.Array:
        return _forward(chain, block, side_block, key, numbers)

    terms = in_blocks("forward paths", measure, diffusion, xs, side, paths, _room(chain))
    return LogWeights(np.asarray(chain.times, np.float64), terms.reshape(-1, paths, terms.shape[1]))


def model_weights(
    diffusion: Diffusion, count: int, *, key: Key, steps: Steps = None, side: State | None = None
) -> tuple[State, LogWeights]:
    """`count` events (count, ...) of the model, in model units, and log-weights (count, 1, T + 1) of the paths that they came by.

    That path is an exact draw of p(path given x), which nothing gives for events of data (bidirectional Monte Carlo, Grosse et
    al. 2015). `side` (rows, ...) is side information, repeated as needed. Raises ValueError for no events.
    """
    check_arithmetic()
    if count < 1:
        raise ValueError(f"model_weights: expected at least one event, got {count}")
    chain = diffusion.for_chain(steps)
    drawn, weights = [], []
    for rows in counted("paths of the model", event_blocks(count, _room(chain)), count):
        side_block = None if side is None else jax.tree.map(jnp.asarray, take(side, rows % count_of(side)))
        xs, log_weights = _backward(chain, side_block, key, jnp.asarray(rows))
        drawn.append(jax.tree.map(np.asarray, xs))
        weights.append(np.asarray(log_weights, np.float64))
    terms = np.concatenate(weights)[:count, None]
    return take(concatenate(drawn), slice(count)), LogWeights(np.asarray(chain.times, np.float64), terms)


def _room(chain: Chain) -> int:
    """How many paths are computed together."""
    diffusion = chain.diffusion
    state = Layout.of(jax.eval_shape(lambda: diffusion.kernel.equilibrium().sample(jr.key(0))))
    return min(events_together(diffusion), max(1, KEPT_BYTES // (4 * state.size * len(chain.times))))


@eqx.filter_jit
def _forward(chain: Chain, xs: State, side: State | None, key: Key, numbers: jax.Array) -> jax.Array:
    def one(x: State, side_one: State | None, number: jax.Array) -> jax.Array:
        given = chain.given(side_one)
        # drawn by the transition and weighed by the posterior: kernels whose two do not belong together break the theorems
        path = trajectory.forward(given.diffusion.kernel, x, chain.times, key=jr.fold_in(key, number))
        return trajectory.log_weight(given.for_data(x), path, chain.times)

    return jax.vmap(one)(xs, side, numbers)


@eqx.filter_jit
def _backward(chain: Chain, side: State | None, key: Key, numbers: jax.Array) -> tuple[State, jax.Array]:
    def one(side_one: State | None, number: jax.Array) -> tuple[State, jax.Array]:
        given = chain.given(side_one)
        path = trajectory.reverse(Ancestral(), given.diffusion, chain.times, key=jr.fold_in(key, number))
        return path.x, trajectory.log_weight(given.for_data(path.x), path, chain.times)

    return jax.vmap(one)(side, numbers)
