"""One training step, and a chunk of them fused in one dispatch.

Pure functions of the state, the stored rows and a key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

from quasistatic._diffusion import Diffusion
from quasistatic._distribution import Key
from quasistatic._objective import AbstractObjective

if TYPE_CHECKING:
    from quasistatic._recipe import TrainingOptions

Draw = Callable[[Any, Key], tuple[jax.Array, jax.Array | None]]


class State(eqx.Module):
    """All that training changes, and all that a checkpoint holds."""

    step: jax.Array
    trained: Any  # the trained leaves of the diffusion
    averaged: Any  # their moving average
    optimiser: optax.OptState


class Report(eqx.Module):
    """What a chunk tells: sums over its steps, and the first step whose loss or gradient was not finite (-1: none)."""

    loss: jax.Array
    gradient_norm: jax.Array
    bad_step: jax.Array


def trained_part(diffusion: Diffusion) -> tuple[Any, Any]:
    """The trained leaves (every inexact array of the model, and of a learned grid) and the rest."""
    nothing = jax.tree.map(lambda _: False, diffusion)
    trained = eqx.tree_at(
        lambda d: (d.model, d.grid),
        nothing,
        (
            jax.tree.map(eqx.is_inexact_array, diffusion.model),
            jax.tree.map(eqx.is_inexact_array, diffusion.grid),
        ),
    )
    return eqx.partition(diffusion, trained)


def make_optimiser(options: TrainingOptions) -> optax.GradientTransformation:
    """Gradient clipping, then Adam (or RMSProp) with a warm-up and a cosine or constant rate."""
    if options.schedule == "cosine":
        rate = optax.warmup_cosine_decay_schedule(
            0.0 if options.warmup else options.rate,
            options.rate,
            options.warmup,
            max(options.steps, options.warmup + 1),
        )
    else:
        rate = optax.join_schedules(
            [optax.linear_schedule(0.0, options.rate, options.warmup), optax.constant_schedule(options.rate)],
            [options.warmup],
        )

    def matrices(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: leaf.ndim > 1, tree)

    method = {
        "adam": optax.adamw(rate, weight_decay=options.weight_decay, mask=matrices),
        "rmsprop": optax.chain(
            optax.add_decayed_weights(options.weight_decay, matrices), optax.rmsprop(rate, decay=0.9, eps=1e-10)
        ),
    }[options.optimiser]
    return optax.chain(optax.clip_by_global_norm(options.clip), method)


def initial_state(diffusion: Diffusion, optimiser: optax.GradientTransformation) -> State:
    trained, _ = trained_part(diffusion)
    return State(jnp.zeros((), jnp.int32), trained, trained, optimiser.init(trained))


def count_parameters(state: State) -> int:
    """Number of trained figures."""
    return sum(leaf.size for leaf in jax.tree.leaves(state.trained))


def count_bytes(state: State) -> int:
    """Memory of the state."""
    return sum(leaf.nbytes for leaf in jax.tree.leaves(state))


def batch_loss(
    trained: Any, rest: Any, objective: AbstractObjective, xs: Any, us: jax.Array, keys: jax.Array, given: Any
) -> jax.Array:
    """Mean loss in nats per event: the one place where events become a batch."""
    diffusion = eqx.combine(trained, rest)
    losses, _ = jax.vmap(lambda x, u, key, y: objective(diffusion, x, u, key, y))(xs, us, keys, given)
    return jnp.mean(losses)


def make_chunk(
    rest: Any,
    objective: AbstractObjective,
    optimiser: optax.GradientTransformation,
    draw: Draw,
    batch: int,
    ema: float,
    key: Key,
) -> Callable[[State, Any, jax.Array | np.int32], tuple[State, Report]]:
    """A compiled function (state, rows, count) -> (state, report) of `count` steps, count <= the leading axis of
    `rows`.

    `rows` are stored events (fuse, batch, ...) or None. The count is traced, so every chunk of a run is one
    compilation. Step n draws from `fold_in(key, n)` and nothing else: any step can be replayed alone.
    """

    def step(state: State, rows: Any) -> tuple[State, jax.Array, jax.Array]:
        key_draw, key_offset, key_loss = jr.split(jr.fold_in(key, state.step), 3)
        xs, given = jax.vmap(draw)(rows, jr.split(key_draw, batch))
        # one shared offset spreads the times of a batch evenly; each u alone is uniform and independent of its event
        us = (jnp.arange(batch) / batch + jr.uniform(key_offset)) % 1.0
        keys = jr.split(key_loss, batch)
        loss, gradient = jax.value_and_grad(batch_loss)(state.trained, rest, objective, xs, us, keys, given)
        updates, opt_state = optimiser.update(gradient, state.optimiser, state.trained)
        trained = optax.apply_updates(state.trained, updates)
        # a young average forgets its start faster
        decay = jnp.minimum(ema, (1.0 + state.step) / (10.0 + state.step))
        averaged = optax.incremental_update(trained, state.averaged, 1.0 - decay)
        return State(state.step + 1, trained, averaged, opt_state), loss, optax.tree.norm(gradient)

    @eqx.filter_jit
    def chunk(state: State, rows: Any, count: jax.Array | np.int32) -> tuple[State, Report]:
        def body(i: jax.Array, carry: tuple[State, Report]) -> tuple[State, Report]:
            state, report = carry
            number = state.step
            state, loss, norm = step(state, jax.tree.map(lambda leaf: leaf[i], rows))
            bad = ~(jnp.isfinite(loss) & jnp.isfinite(norm)) & (report.bad_step < 0)
            bad_step = jnp.where(bad, number, report.bad_step)
            return state, Report(report.loss + loss, report.gradient_norm + norm, bad_step)

        zero = jnp.zeros(())
        return jax.lax.fori_loop(0, count, body, (state, Report(zero, zero, jnp.full((), -1, jnp.int32))))

    return chunk
