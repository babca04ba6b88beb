"""Symbols: a training step under the mask against the same written by hand, and the memory of 30,000 symbols.

python -m pytest -m benchmark -s tests/benchmarks/test_symbols.py
"""

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from benchmarks.test_against_jax import compared, told

import quasistatic as qs
from quasistatic._recipes.wire import build_task
from quasistatic._training.engine import Fixed, chunk, initial_state, make_optimiser, trained_part, update

pytestmark = pytest.mark.benchmark

BATCH, LENGTH, SYMBOLS, STEPS = 32, 64, 30, 100


def masked_task():
    options = {
        "source.use": "markov", "source.symbols": SYMBOLS, "source.length": LENGTH, "kernel.use": "absorbing",
        "kernel.reference": "uniform", "model.use": "transformer", "model.width": 64, "model.depth": 2,
        "trajectory.steps": STEPS, "training.batch": BATCH, "training.fuse": 1, "objective.use": "bound",
        "objective.antithetic": False,
    }  # fmt: skip
    return build_task(qs.load_recipe("array", options), qs.plugins())


def by_hand(task):
    """Mask, cross entropy of what is masked, weighed; the same network, optimiser and averaging."""
    model, optimiser = task.diffusion.model, make_optimiser(task.options)
    weights, rest = eqx.partition(model, eqx.is_inexact_array)

    def loss(weights, xs, key):
        network = eqx.combine(weights, rest)
        ku, kz, kn = jr.split(key, 3)
        us = (jnp.arange(BATCH) / BATCH + jr.uniform(ku)) % 1.0
        index = jnp.minimum((us * STEPS).astype(jnp.int32), STEPS - 1)
        t = (index + 1) / STEPS
        masked = jr.uniform(kz, xs.shape) < t[:, None]
        z = jnp.where(masked, SYMBOLS, xs)
        logits = jax.vmap(lambda z, t, key: network(z[:, None], t, None, key=key))(z, t, jr.split(kn, BATCH))
        cost = -jnp.take_along_axis(jax.nn.log_softmax(logits), xs[..., None], axis=-1)[..., 0]
        share = 1.0 / (index + 1.0)  # of what is masked at t was seen at the time before
        return STEPS * jnp.mean(share * jnp.sum(jnp.where(masked, cost, 0.0), axis=1))

    def draw(key):
        return jax.vmap(lambda one: task.source.draw(None, key=one)[0])(jr.split(key, BATCH))

    @jax.jit
    def run(state, key):
        step, weights, averaged, opt_state, total = state
        kx, kl = jr.split(jr.fold_in(key, step))
        value, gradient = jax.value_and_grad(loss)(weights, draw(kx), kl)
        updates, opt_state = optimiser.update(gradient, opt_state, weights)
        weights = optax.apply_updates(weights, updates)
        decay = jnp.minimum(0.999, (1.0 + step) / (10.0 + step))
        averaged = jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, averaged, weights)
        return step + 1, weights, averaged, opt_state, total + value

    return run, (jnp.zeros((), jnp.int32), weights, weights, optimiser.init(weights), jnp.zeros(()))


def test_a_step_of_training_under_the_mask():
    task = masked_task()
    _, rest = trained_part(task.diffusion)
    fixed = Fixed(rest, task.objective, jr.key(0), task.source.draw, attrs.evolve(task.options, observers=None))
    ours = [initial_state(task.diffusion, task.options)]
    theirs, their_state = by_hand(task)

    def run_ours():
        for _ in range(5):
            ours[0], _ = chunk((fixed, None, np.int32(1)), ours[0])
        jax.block_until_ready(ours[0])

    def run_theirs():
        state = their_state
        for _ in range(5):
            state = theirs(state, jr.key(0))
        jax.block_until_ready(state)

    ratios = told("masked training", compared({"quasistatic": run_ours, "jax": run_theirs}, 5), 5, "updates/s")
    assert ratios["jax"] >= 1 / 1.05


@pytest.mark.parametrize("parts", [1, 4])
def test_the_memory_of_30000_symbols(parts):
    """What an update holds beside its state, over the logits of its batch: of a batch at once, and of one in parts."""
    batch, length, n = 8, 64, 30_000
    options = {
        "source.use": "hidden-markov", "source.symbols": n, "source.length": length, "kernel.use": "absorbing",
        "model.use": "transformer", "model.width": 64, "model.depth": 2, "trajectory.steps": STEPS, "objective.use": "bound",
        "objective.antithetic": False, "training.batch": batch, "training.accumulate": parts,
    }  # fmt: skip
    task = build_task(qs.load_recipe("array", options), qs.plugins())
    _, rest = trained_part(task.diffusion)
    fixed = Fixed(rest, task.objective, jr.key(0), task.source.draw, task.options)
    compiled = jax.jit(lambda state: update(fixed, state, None), donate_argnums=0)
    state = initial_state(task.diffusion, task.options)
    compiled = compiled.lower(state).compile()
    held, logits = compiled.memory_analysis().temp_size_in_bytes, 4 * batch * length * n
    print(f"{parts} parts: {held / 1e6:.0f} MB of temporaries, {held / logits:.2f} times the logits of {logits / 1e6:.0f} MB")
    _, watched = compiled(state)
    assert np.isfinite(watched["loss_nats"]) and np.isfinite(watched["gradient_norm"])
    assert parts == 1 or held <= logits
