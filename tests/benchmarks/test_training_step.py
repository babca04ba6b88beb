"""An update of the framework against the same update written by hand in plain JAX, side by side in one process."""

import math
import statistics
import time

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

import quasistatic as qs
from quasistatic._recipes.wire import build_task
from quasistatic._training.engine import Fixed, chunk, initial_state, make_optimiser, trained_part

pytestmark = pytest.mark.benchmark

STEPS, BATCH, FUSE, ROUNDS = 40, 512, 10, 15


def framework_chunk():
    recipe = qs.load_recipe("swiss-roll", {"training.batch": BATCH, "trajectory.steps": STEPS, "training.fuse": FUSE})
    task = build_task(recipe, qs.plugins())
    _, rest = trained_part(task.diffusion)
    fixed = Fixed(rest, task.objective, jr.key(0), task.source.draw, task.options)
    return fixed, initial_state(task.diffusion, task.options), recipe


def hand_written_chunk(recipe):
    """Swiss roll, log-SNR linear, velocity and learned variance, four layers of 128, the bound, Adam, clipping, averaging."""
    start, end = math.log(1 / 1e-4 - 1), math.log(1e-3 / (1 - 1e-3))
    grid = jnp.arange(STEPS) / (STEPS - 1)
    waves, time_waves = jnp.array([1.0, 2.0, 4.0, 8.0]), 0.5 * np.pi * 2.0 ** jnp.arange(8)
    optimiser = make_optimiser(recipe.training)
    mean, scale = jnp.array([2.0, 2 / (3 * np.pi)]), 6.80748

    def init(key):
        sizes = [2 * 9 + 16, 128, 128, 128, 128]
        params = []
        for a, b, k in zip(sizes, sizes[1:], jr.split(key, 4), strict=False):
            bound = 1 / math.sqrt(a)
            kw, kb = jr.split(k)
            params.append((jr.uniform(kw, (b, a), minval=-bound, maxval=bound), jr.uniform(kb, (b,), minval=-bound, maxval=bound)))
        return {"hidden": params, "out": (jnp.zeros((4, 128)), jnp.zeros(4))}

    def net(params, z, t):
        angles = jnp.outer(waves, z).reshape(-1)
        clock = time_waves * t
        h = jnp.concatenate([z, jnp.sin(angles), jnp.cos(angles), jnp.sin(clock), jnp.cos(clock)])
        for w, b in params["hidden"]:
            h = jax.nn.silu(w @ h + b)
        return (params["out"][0] @ h + params["out"][1]).reshape(2, 2)

    def log_odds(t):
        return start + (end - start) * t

    def survival(t):
        return -jnp.logaddexp(0.0, -log_odds(t))

    def noise(t):
        return -jnp.logaddexp(0.0, log_odds(t))

    def event_loss(params, x, u, key):
        index = jnp.minimum((u * STEPS).astype(jnp.int32), STEPS - 1)
        t = grid[index]
        a, n = jnp.exp(0.5 * survival(t)), jnp.exp(noise(t))
        z = a * x + jnp.sqrt(n) * jr.normal(key, x.shape)
        out = net(params, z, t)
        guess, spread = a * z - jnp.sqrt(n) * out[:, 0], jnp.exp(8.0 * jnp.tanh(out[:, 1] / 8.0))
        v = n * spread
        first = 0.5 * jnp.sum((x - guess) ** 2 / v + jnp.log(v) + math.log(2 * math.pi))
        s, late = grid[jnp.maximum(index - 1, 0)], grid[jnp.maximum(index, 1)]
        al, nl = jnp.exp(0.5 * survival(late)), jnp.exp(noise(late))
        kept = survival(late) - survival(s)
        added, share = -jnp.expm1(kept), jnp.exp(noise(s) - noise(late))
        pull = jnp.exp(0.5 * survival(s) - noise(late)) * added
        guess, open_ = al * z - jnp.sqrt(nl) * out[:, 0], share * added
        v = open_ + pull**2 * nl * spread
        ratio = open_ / v
        gap = 0.5 * jnp.sum((pull * (x - guess)) ** 2 / v + ratio - 1.0 - jnp.log(ratio))
        return STEPS * jnp.where(index == 0, first, gap)

    def draw(key):
        ku, kn = jr.split(key)
        theta = 1.5 * jnp.pi * (1 + 2 * jr.uniform(ku))
        raw = theta * jnp.stack([jnp.cos(theta), jnp.sin(theta)]) + 0.5 * jr.normal(kn, (2,))
        return (raw - mean) / scale

    def loss(params, xs, us, keys):
        return jax.vmap(event_loss, in_axes=(None, 0, 0, 0))(params, xs, us, keys).mean()

    @jax.jit
    def chunk(state, key, count):
        def body(_, carry):
            step, params, averaged, opt_state, total = carry
            key_draw, key_u, key_loss = jr.split(jr.fold_in(key, step), 3)
            xs = jax.vmap(draw)(jr.split(key_draw, BATCH))
            us = (jnp.arange(BATCH) / BATCH + jr.uniform(key_u)) % 1.0
            value, gradient = jax.value_and_grad(loss)(params, xs, us, jr.split(key_loss, BATCH))
            updates, opt_state = optimiser.update(gradient, opt_state, params)
            params = optax.apply_updates(params, updates)
            decay = jnp.minimum(0.999, (1.0 + step) / (10.0 + step))
            averaged = jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, averaged, params)
            return step + 1, params, averaged, opt_state, total + value

        return jax.lax.fori_loop(0, count, body, (*state, jnp.zeros(())))

    params = init(jr.key(0))
    return chunk, (jnp.zeros((), jnp.int32), params, params, optimiser.init(params))


def test_an_update_costs_what_it_must():
    fixed, start, recipe = framework_chunk()
    ours = [start]  # its memory is given away, so that each call goes on from the one before
    theirs, their_state = hand_written_chunk(recipe)
    count, key = np.int32(FUSE), jr.key(0)

    def run_ours():
        ours[0], report = chunk((fixed, None, count), ours[0])
        jax.block_until_ready((ours[0], report))

    def run_theirs():
        jax.block_until_ready(theirs(their_state, key, count))

    run_ours(), run_theirs()
    times = {run_ours: [], run_theirs: []}
    for number in range(ROUNDS):
        for run in (run_ours, run_theirs)[:: 1 if number % 2 else -1]:
            begin = time.perf_counter()
            run(), run()
            times[run].append(time.perf_counter() - begin)
    ratio = statistics.median(a / b for a, b in zip(times[run_ours], times[run_theirs], strict=True))
    milliseconds = {run.__name__: 1e3 * statistics.median(found) / (2 * FUSE) for run, found in times.items()}
    print(f"\nms an update: {milliseconds}; ratio {ratio:.3f}")
    assert ratio <= 1.05
