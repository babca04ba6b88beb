"""Training, sampling and the ledger against hand-written, fused JAX on the same work, side by side in one process.

    python -m pytest -m benchmark -s tests/benchmarks/test_against_jax.py

prints medians and ratios. PyTorch is compared where it is installed.
"""

import importlib.util
import math
import statistics
import time

import attrs
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

EVENTS, BATCH, FUSE, ROUNDS = 10_000, 1024, 10, 7
PLANE = {
    "source.use": "swiss-roll", "kernel.use": "gaussian", "model.width": 128, "model.depth": 3, "trajectory.steps": 40,
    "kernel.reference": "normal",
}  # fmt: skip
BITS = {
    "source.use": "heartbeat", "kernel.use": "binomial", "kernel.base_rate": 0.5, "model.width": 50, "model.depth": 3,
    "trajectory.steps": 2000,
}  # fmt: skip


def task_of(options, antithetic=False):
    more = {"training.batch": BATCH, "training.fuse": FUSE, "objective.use": "bound", "objective.antithetic": antithetic}
    return build_task(qs.load_recipe("array", {**options, "model.use": "dense", **more}), qs.plugins())


def compared(runs, rounds=ROUNDS):
    """Median seconds of each, taken in turns after a first run that compiles."""
    for run in runs.values():
        run()
    seconds = {name: [] for name in runs}
    for number in range(rounds):
        for name in list(runs)[:: 1 if number % 2 else -1]:
            begin = time.perf_counter()
            runs[name]()
            seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(found) for name, found in seconds.items()}


def told(what, seconds, work, unit):
    ours = seconds["quasistatic"]
    for name, median in seconds.items():
        print(f"{what:>22} {name:>12} {work / median:10.0f} {unit}  quasistatic / this: {median / ours:.2f}")
    return {name: median / ours for name, median in seconds.items()}


def mlp(key, sizes):
    """Weights of hidden layers, a readout at zero, and a straight map at zero."""
    hidden = []
    for a, b, k in zip(sizes[:-2], sizes[1:-1], jr.split(key, len(sizes) - 2), strict=True):
        bound = 1 / math.sqrt(a)
        kw, kb = jr.split(k)
        hidden.append((jr.uniform(kw, (b, a), minval=-bound, maxval=bound), jr.uniform(kb, (b,), minval=-bound, maxval=bound)))
    return {"hidden": hidden, "out": (jnp.zeros((sizes[-1], sizes[-2])), jnp.zeros(sizes[-1]))}


def net(params, straight, features, t):
    """Batched by hand: features (N, size), t (N,) or a number."""
    clock = jnp.broadcast_to(t, features.shape[:1])[:, None] * (0.5 * np.pi * 2.0 ** jnp.arange(8))
    h = jnp.concatenate([features, jnp.sin(clock), jnp.cos(clock)], axis=1)
    for w, b in params["hidden"]:
        h = jax.nn.silu(h @ w.T + b)
    w, b = params["out"]
    return h @ w.T + b + features @ straight.T


class Plane:
    """Log-SNR linear from 1e4 to 1e-3, velocity and learned variance; points in the plane."""

    size, outputs, steps = 2, 4, 40
    start, end = math.log(1 / 1e-4 - 1), math.log(1e-3 / (1 - 1e-3))
    grid = jnp.arange(40) / 39

    def levels(self, t):
        log_odds = self.start + (self.end - self.start) * t
        return -jnp.logaddexp(0.0, -log_odds), -jnp.logaddexp(0.0, log_odds)

    def denoise(self, weights, z, t):
        kept, noise = self.levels(t)
        kept, noise = (jnp.broadcast_to(v, z.shape[:1])[:, None] for v in (kept, noise))
        out = net(*weights, z, t).reshape(-1, 2, 2)
        guess = jnp.exp(0.5 * kept) * z - jnp.exp(0.5 * noise) * out[..., 0]
        return guess, jnp.exp(noise) * jnp.exp(8.0 * jnp.tanh(out[..., 1] / 8.0))

    def noisy(self, x, t, key):
        kept, noise = (jnp.broadcast_to(v, x.shape[:1])[:, None] for v in self.levels(t))
        return jnp.exp(0.5 * kept) * x + jnp.exp(0.5 * noise) * jr.normal(key, x.shape)

    def first(self, x, guess, variance):
        return 0.5 * jnp.sum((x - guess) ** 2 / variance + jnp.log(variance) + math.log(2 * math.pi), axis=-1)

    def step(self, s, t):
        (kept_s, noise_s), (kept_t, noise_t) = self.levels(s), self.levels(t)
        added = -jnp.expm1(kept_t - kept_s)
        share = jnp.exp(noise_s - noise_t)
        return jnp.exp(0.5 * (kept_t - kept_s)) * share, jnp.exp(0.5 * kept_s - noise_t) * added, share * added

    def gap(self, x, guess, variance, s, t):
        _, pull, spread = (jnp.broadcast_to(v, x.shape[:1])[:, None] for v in self.step(s, t))
        wide = spread + pull**2 * variance
        ratio = spread / wide
        return 0.5 * jnp.sum((pull * (x - guess)) ** 2 / wide + ratio - 1.0 - jnp.log(ratio), axis=-1)

    def draw(self, key):
        ka, kn = jr.split(key)
        theta = 1.5 * jnp.pi * (1 + 2 * jr.uniform(ka, (BATCH,)))
        raw = theta[:, None] * jnp.stack([jnp.cos(theta), jnp.sin(theta)], 1) + 0.5 * jr.normal(kn, (BATCH, 2))
        return (raw - jnp.array([2.0, 2 / (3 * np.pi)])) / 6.80748

    def features(self, z):
        return z


class Bits:
    """Erasure to fair bits in log-odds; sequences of 20 bits."""

    size, outputs, steps = 20, 20, 2000
    grid = jnp.arange(1, 2001) / 2000

    def log_odds(self, t):
        return jnp.log(1.0 - t) - jnp.log(t)

    def evidence(self, bit, log_odds):
        log_odds = jnp.broadcast_to(log_odds, bit.shape[:1])[:, None]
        return (2.0 * bit - 1.0) * jnp.logaddexp(0.0, log_odds + math.log(2.0))

    def between(self, s, t):
        ratio = jnp.log(1.0 - t) - jnp.log(1.0 - s)
        return ratio - jnp.log(-jnp.expm1(ratio))

    def features(self, z):
        return 2.0 * z - 1.0

    def denoise(self, weights, z, t):
        return net(*weights, self.features(z), t) + self.evidence(z, self.log_odds(t)), z

    def noisy(self, x, t, key):
        chance = jax.nn.sigmoid(self.evidence(x, self.log_odds(t)))
        return (jr.uniform(key, x.shape) < chance).astype(jnp.float32)

    def first(self, x, logits, z):
        return -jnp.sum(jax.nn.log_sigmoid((2.0 * x - 1.0) * logits), axis=-1)

    def gap(self, x, logits, z, s, t):
        step = self.evidence(z, self.between(s, t))
        early = self.log_odds(s)
        true, one, zero = (self.evidence(b, early) + step for b in (x, jnp.ones_like(x), jnp.zeros_like(x)))
        data, log = jax.nn.log_sigmoid, jnp.logaddexp
        up = log(data(logits) + data(one), data(-logits) + data(zero))
        down = log(data(logits) + data(-one), data(-logits) + data(-zero))
        p, back = jax.nn.sigmoid(true), up - down
        return jnp.sum(p * (data(true) - data(back)) + (1.0 - p) * (data(-true) - data(-back)), axis=-1)

    def draw(self, key):
        phase = jr.randint(key, (BATCH, 1), 0, 5)
        return ((jnp.arange(20) - phase) % 5 == 0).astype(jnp.float32)


class Probabilities(Bits):
    """The same bits in plain probabilities, the odds of what depends on a time alone looked up in tables."""

    def __init__(self):
        kept = 1.0 - self.grid
        between = jnp.concatenate([kept[:1], kept[1:] / kept[:-1]])
        self.kept, self.between = kept, between

    def at(self, kept, bit):
        return (kept * bit + 0.5 * (1.0 - kept)).clip(1e-7, 1.0 - 1e-7)

    def index(self, t):
        return jnp.broadcast_to(jnp.round(t * 2000).astype(jnp.int32) - 1, (BATCH,))

    def noisy(self, x, t, key):
        return (jr.uniform(key, x.shape) < self.at(self.kept[self.index(t)][:, None], x)).astype(jnp.float32)

    def denoise(self, weights, z, t):
        kept = self.kept[self.index(t)][:, None]
        odds = jnp.log(self.at(kept, 1.0) / self.at(kept, 0.0))
        return net(*weights, self.features(z), t) + (2.0 * z - 1.0) * odds, z

    def gap(self, x, logits, z, s, t):
        kept, step = self.kept[self.index(s)][:, None], self.between[self.index(t)][:, None]
        up, down = self.at(step, z), self.at(step, 1.0 - z)  # chances of z from an earlier 1, and from an earlier 0

        def earlier(bit):
            one, zero = self.at(kept, bit) * up, self.at(kept, 1.0 - bit) * down
            return one / (one + zero)

        data, true = jax.nn.sigmoid(logits), earlier(x)
        back = (data * earlier(1.0) + (1.0 - data) * earlier(0.0)).clip(1e-7, 1.0 - 1e-7)
        return jnp.sum(true * jnp.log(true / back) + (1.0 - true) * jnp.log((1.0 - true) / (1.0 - back)), axis=-1)


def hand_training(work, options, pairs=1):
    """FUSE updates: stratified times, the bound, clipping, Adam, averaging; `pairs` noises for each event."""
    optimiser = make_optimiser(options)

    def loss(weights, xs, key):
        ku, kz = jr.split(key)
        us = (jnp.arange(BATCH) / BATCH + jr.uniform(ku)) % 1.0
        index = jnp.minimum((us * work.steps).astype(jnp.int32), work.steps - 1)
        total = 0.0
        for kz_one in jr.split(kz, pairs):
            t = work.grid[index]
            s, late = work.grid[jnp.maximum(index - 1, 0)], work.grid[jnp.maximum(index, 1)]
            z = work.noisy(xs, t, kz_one)
            found = work.denoise(weights, z, t)
            gap = work.gap(xs, *found, s, late)
            total += jnp.where(index == 0, work.first(xs, *found), gap).mean()
        return work.steps * total / pairs

    @jax.jit
    def run(state, key):
        def body(_, carry):
            step, weights, averaged, opt_state, total = carry
            kx, kl = jr.split(jr.fold_in(key, step))
            value, gradient = jax.value_and_grad(loss)(weights, work.draw(kx), kl)
            updates, opt_state = optimiser.update(gradient, opt_state, weights)
            weights = optax.apply_updates(weights, updates)
            decay = jnp.minimum(0.999, (1.0 + step) / (10.0 + step))
            averaged = jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, averaged, weights)
            return step + 1, weights, averaged, opt_state, total + value

        return jax.lax.fori_loop(0, FUSE, body, state)

    weights = hand_weights(work)
    return run, (jnp.zeros((), jnp.int32), weights, weights, optimiser.init(weights), jnp.zeros(()))


def hand_weights(work):
    width = 128 if isinstance(work, Plane) else 50
    return mlp(jr.key(0), [work.size + 16, width, width, width, work.outputs]), jnp.zeros((work.outputs, work.size))


def hand_ledger(work, fold):
    """K of all events at once: a scan over times, `fold` of them in a batch."""

    @jax.jit
    def run(weights, xs, key):
        times = work.grid
        key_first, key_rest = jr.split(key)
        z = work.noisy(xs, times[0], key_first)
        total = work.first(xs, *work.denoise(weights, z, times[0]))
        count = (len(times) - 1) // fold * fold
        pairs = [times[:-1][:count].reshape(-1, fold), times[1:][:count].reshape(-1, fold)]

        def body(total, at):
            s, t, key = at
            s, t = jnp.repeat(s, len(xs)), jnp.repeat(t, len(xs))
            many = jnp.tile(xs, (fold, 1))
            z = work.noisy(many, t, key)
            return total + work.gap(many, *work.denoise(weights, z, t), s, t).reshape(fold, -1).sum(0), None

        total, _ = jax.lax.scan(body, total, (*pairs, jr.split(key_rest, count // fold)))
        for number in range(count, len(times) - 1):
            s, t = times[number], times[number + 1]
            z = work.noisy(xs, t, jr.fold_in(key_first, number))
            total += work.gap(xs, *work.denoise(weights, z, t), s, t)
        return -total

    return run


def hand_sampling(work):
    """All events at once, a scan over the chain."""

    @jax.jit
    def run(weights, key):
        key_start, key_data, key_steps = jr.split(key, 3)
        z = jr.normal(key_start, (EVENTS, work.size))

        def body(z, at):
            s, t, key = at
            guess, variance = work.denoise(weights, z, t)
            keep, pull, spread = work.step(s, t)
            return keep * z + pull * guess + jnp.sqrt(spread + pull**2 * variance) * jr.normal(key, z.shape), None

        z, _ = jax.lax.scan(body, z, (work.grid[:-1], work.grid[1:], jr.split(key_steps, work.steps - 1)), reverse=True)
        guess, variance = work.denoise(weights, z, work.grid[0])
        return guess + jnp.sqrt(variance) * jr.normal(key_data, z.shape)

    return run


def training(work, options, antithetic=False):
    task = task_of(options, antithetic)
    _, rest = trained_part(task.diffusion)
    fixed = Fixed(rest, task.objective, jr.key(0), task.source.draw, attrs.evolve(task.options, observers=None))
    ours = [initial_state(task.diffusion, task.options)]
    theirs, their_state = hand_training(work, task.options, 2 if antithetic else 1)

    def run_ours():
        for _ in range(5):
            ours[0], _ = chunk((fixed, None, np.int32(FUSE)), ours[0])
        jax.block_until_ready(ours[0])

    def run_theirs():
        state = their_state
        for _ in range(5):
            state = theirs(state, jr.key(0))
        jax.block_until_ready(state)

    return {"quasistatic": run_ours, "jax": run_theirs}


def test_training_in_the_plane():
    ratios = told("training", compared(training(Plane(), PLANE)), 5 * FUSE, "updates/s")
    assert ratios["jax"] >= 0.98


@pytest.mark.parametrize("antithetic", [False, True])
def test_training_on_bits(antithetic):
    what = "training, pairs" if antithetic else "training, bits"
    runs = training(Bits(), BITS, antithetic)
    runs["probabilities"] = training(Probabilities(), BITS, antithetic)["jax"]
    ratios = told(what, compared(runs), 5 * FUSE, "updates/s")
    assert ratios["jax"] >= 1.0 and ratios["probabilities"] >= 0.8


def test_sampling_in_the_plane():
    task, work, weights = task_of(PLANE), Plane(), hand_weights(Plane())
    theirs = hand_sampling(work)
    runs = {
        "quasistatic": lambda: qs.sample(task.diffusion, EVENTS, key=jr.key(0)),
        "jax": lambda: np.asarray(theirs(weights, jr.key(0))),
    }
    assert told("sampling", compared(runs), EVENTS, "events/s")["jax"] >= 1.3


def test_the_ledger_in_the_plane():
    task, work, weights = task_of(PLANE), Plane(), hand_weights(Plane())
    xs, theirs = jnp.asarray(task.source.split("test", EVENTS).x), hand_ledger(Plane(), 1)
    assert len(xs) == EVENTS and work.steps == 40
    runs = {
        "quasistatic": lambda: qs.ledger(task.diffusion, xs, key=jr.key(0)),
        "jax": lambda: np.asarray(theirs(weights, xs, jr.key(0))),
    }
    assert told("ledger", compared(runs), EVENTS, "events/s")["jax"] >= 1.0


def test_the_ledger_of_bits():
    task, weights = task_of(BITS), hand_weights(Bits())
    xs, theirs = jnp.asarray(task.source.split("test", 1024).x), hand_ledger(Bits(), 16)
    runs = {
        "quasistatic": lambda: qs.ledger(task.diffusion, xs, key=jr.key(0)),
        "jax": lambda: np.asarray(theirs(weights, xs, jr.key(0))),
    }
    if importlib.util.find_spec("torch"):
        runs["torch"] = torch_ledger(np.asarray(xs))
    ratios = told("ledger, bits", compared(runs, 5), len(xs), "events/s")
    assert ratios["jax"] >= 1.0 and ratios.get("torch", 2.0) >= 1.4


def torch_ledger(xs):
    """The same in PyTorch: a loop over the times, 16 of them in a batch."""
    import torch
    from torch.nn.functional import logsigmoid, silu

    torch.set_num_threads(2)
    generator = torch.Generator().manual_seed(0)
    sizes = [36, 50, 50, 50]
    hidden = [(torch.randn(b, a, generator=generator) / a**0.5, torch.zeros(b)) for a, b in zip(sizes, sizes[1:], strict=False)]
    out, straight = torch.zeros(20, 50), torch.zeros(20, 20)
    x, clock, fold = torch.from_numpy(xs.copy()), 0.5 * math.pi * 2.0 ** torch.arange(8), 16
    grid = torch.arange(1, 2001) / 2000

    def network(z, t):
        angles = t[:, None] * clock
        features = 2.0 * z - 1.0
        h = torch.cat([features, angles.sin(), angles.cos()], 1)
        for w, b in hidden:
            h = silu(h @ w.T + b)
        return h @ out.T + features @ straight.T

    def evidence(bit, log_odds):
        return (2.0 * bit - 1.0) * torch.logaddexp(torch.zeros(()), log_odds[:, None] + math.log(2.0))

    @torch.no_grad()
    def run():
        total = torch.zeros(len(x))
        for start in range(0, 1999, fold):
            s, t = grid[:-1][start : start + fold], grid[1:][start : start + fold]
            times = len(s)
            s, t, many = s.repeat_interleave(len(x)), t.repeat_interleave(len(x)), x.repeat(times, 1)
            late, early = torch.log1p(-t) - t.log(), torch.log1p(-s) - s.log()
            z = (torch.rand(many.shape) < torch.sigmoid(evidence(many, late))).float()
            logits = network(z, t) + evidence(z, late)
            ratio = torch.log1p(-t) - torch.log1p(-s)
            step = evidence(z, ratio - torch.log(-torch.expm1(ratio)))
            true, one, zero = (evidence(b, early) + step for b in (many, torch.ones_like(z), torch.zeros_like(z)))
            up = torch.logaddexp(logsigmoid(logits) + logsigmoid(one), logsigmoid(-logits) + logsigmoid(zero))
            down = torch.logaddexp(logsigmoid(logits) + logsigmoid(-one), logsigmoid(-logits) + logsigmoid(-zero))
            p, back = torch.sigmoid(true), up - down
            gap = p * (logsigmoid(true) - logsigmoid(back)) + (1 - p) * (logsigmoid(-true) - logsigmoid(-back))
            total += gap.sum(1).reshape(times, -1).sum(0)
        return total

    return run
