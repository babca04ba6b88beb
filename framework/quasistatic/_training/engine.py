"""One update, and a chunk of them fused in one dispatch. Pure functions of the state, the stored rows and a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import Key, Scalar, State
from quasistatic._process.objective import AbstractObjective
from quasistatic._process.tree import take
from quasistatic._training.options import TrainingOptions

Draw = Callable[..., tuple[State, State | None]]


class TrainState(eqx.Module):
    """All that training changes, and all that a checkpoint holds."""

    update: Int[Array, ""]  # updates done
    trained: Any  # the trained leaves of the diffusion
    averaged: Any  # their moving average
    optimiser: optax.OptState


class Report(eqx.Module):
    """What a chunk tells: sums over its updates, and the first whose loss or gradient was not finite (-1: none)."""

    sums: dict[str, Scalar]
    bad_update: Int[Array, ""]


class Fixed(eqx.Module):
    """All that an update reads and does not change.

    Keys, numbers and stored rows are arguments of the compiled program, so a new seed compiles nothing.
    """

    rest: Any  # the leaves of the diffusion that are not trained
    objective: AbstractObjective
    key: Key
    draw: Draw = eqx.field(static=True)
    options: TrainingOptions = eqx.field(static=True)


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
    """Gradient clipping, then Adam, Muon or RMSProp with a warm-up and a cosine or constant rate.

    Muon turns matrices by steps of equal length in all directions, of the size that Adam's would have (Jordan et al. 2024; Liu et
    al. 2025, section 2.2), and leaves what is no matrix to Adam.
    """
    # without a warm-up there is none to join: optax writes of an empty one to the log, and configures that
    rate = optax.constant_schedule(options.rate)
    if options.schedule == "cosine":
        rate = optax.cosine_decay_schedule(options.rate, max(options.updates - options.warmup, 1))
    if options.warmup:
        rate = optax.join_schedules([optax.linear_schedule(0.0, options.rate, options.warmup), rate], [options.warmup])

    def matrices(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: leaf.ndim > 1, tree)

    method = {
        "adam": optax.adamw(rate, weight_decay=options.weight_decay, mask=matrices),
        "muon": optax.contrib.muon(rate, weight_decay=options.weight_decay, consistent_rms=0.2),
        "rmsprop": optax.chain(
            optax.add_decayed_weights(options.weight_decay, matrices), optax.rmsprop(rate, decay=0.9, eps=1e-10)
        ),
    }[options.optimiser]
    return optax.chain(optax.clip_by_global_norm(options.clip), method)


def copied(tree: Any) -> Any:
    """The same arrays in memory of their own: those of a state are given away to the next update."""
    return jax.tree.map(lambda leaf: jnp.array(leaf, copy=True), tree)


def initial_state(diffusion: Diffusion, options: TrainingOptions) -> TrainState:
    """The state before the first update, in memory of its own."""
    trained, _ = trained_part(diffusion)
    return copied(TrainState(jnp.zeros((), jnp.int32), trained, trained, make_optimiser(options).init(trained)))


def batch_loss(
    trained: Any, fixed: Fixed, xs: State, side: State | None, us: Float[Array, " batch"], keys: Key
) -> tuple[Scalar, dict[str, Scalar]]:
    """Mean loss in nats per event, and means of the objective's scalars: the one place where events become a batch."""
    diffusion = eqx.combine(trained, fixed.rest)

    def one(x: State, y: State | None, u: Array, key: Key) -> tuple[Scalar, dict[str, Scalar]]:
        if fixed.options.drop_side == 0:
            return fixed.objective(diffusion.given(y), x, u, key=key)
        key, key_side = jr.split(key)
        return fixed.objective(diffusion.given(y, jr.uniform(key_side) >= fixed.options.drop_side), x, u, key=key)

    losses, scalars = jax.vmap(one)(xs, side, us, keys)
    return jnp.mean(losses), jax.tree.map(jnp.mean, scalars)


def loss_and_gradient(
    trained: Any, fixed: Fixed, xs: State, side: State | None, us: Float[Array, " batch"], keys: Key
) -> tuple[tuple[Scalar, dict[str, Scalar]], Any]:
    """`batch_loss` and its gradient, means over parts of the batch that are computed one after another."""
    count = fixed.options.accumulate
    differentiated = jax.value_and_grad(batch_loss, has_aux=True)
    if count == 1:
        return differentiated(trained, fixed, xs, side, us, keys)
    parts = jax.tree.map(lambda leaf: leaf.reshape(count, -1, *leaf.shape[1:]), (xs, side, us, keys))
    shapes = jax.eval_shape(differentiated, trained, fixed, *take(parts, 0))

    def add(sums: Any, part: Any) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, sums, differentiated(trained, fixed, *part)), None

    sums, _ = jax.lax.scan(add, jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes), parts)
    return jax.tree.map(lambda leaf: leaf / count, sums)


def update(fixed: Fixed, state: TrainState, rows: Any) -> tuple[TrainState, dict[str, Scalar]]:
    """One update from stored rows (batch, ...) or None, and what is worth watching of it.

    Update n draws from `fold_in(key, n)` and nothing else: any update can be replayed alone.
    """
    options = fixed.options
    key_draw, key_offset, key_loss = jr.split(jr.fold_in(fixed.key, state.update), 3)
    xs, side = jax.vmap(lambda row, key: fixed.draw(row, key=key))(rows, jr.split(key_draw, options.batch))
    # one shared offset spreads the times of a batch evenly; each u alone is uniform and independent of its event
    us = (jnp.arange(options.batch) / options.batch + jr.uniform(key_offset, dtype=jnp.float32)) % 1.0
    keys = jr.split(key_loss, options.batch)
    (loss, scalars), gradient = loss_and_gradient(state.trained, fixed, xs, side, us, keys)
    updates, opt_state = make_optimiser(options).update(gradient, state.optimiser, state.trained)
    trained = optax.apply_updates(state.trained, updates)
    # a young average forgets its start faster
    decay = jnp.minimum(options.ema, (1.0 + state.update) / (10.0 + state.update))
    averaged = optax.incremental_update(trained, state.averaged, 1.0 - decay)
    watched = {**scalars, "loss_nats": loss, "gradient_norm": optax.tree.norm(gradient)}
    return TrainState(state.update + 1, trained, averaged, opt_state), watched


@eqx.filter_jit(donate="all-except-first")
def chunk(fixed: tuple[Fixed, Any, jax.Array | np.int32], state: TrainState) -> tuple[TrainState, Report]:
    """`count` updates from (fixed, rows, count), rows (fuse, batch, ...) or None and count <= fuse.

    The count is traced, so every chunk of a run is one compilation. The memory of `state` is given away.
    """
    parts, rows, count = fixed
    fuse = parts.options.fuse
    shapes = jax.eval_shape(lambda: update(parts, state, take(rows, 0))[1])
    report = Report(jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes), jnp.full((), -1, jnp.int32))

    def body(i: jax.Array | int, carry: tuple[TrainState, Report]) -> tuple[TrainState, Report]:
        state, report = carry
        number = state.update
        state, watched = update(parts, state, take(rows, i))
        finite = jnp.isfinite(watched["loss_nats"]) & jnp.isfinite(watched["gradient_norm"])
        bad = jnp.where(~finite & (report.bad_update < 0), number, report.bad_update)
        return state, Report(jax.tree.map(jnp.add, report.sums, watched), bad)

    if fuse == 1:  # outside of any loop: on a CPU, convolutions as jax derives them are many times slower inside
        return body(0, (state, report))
    return jax.lax.fori_loop(0, count, body, (state, report))
