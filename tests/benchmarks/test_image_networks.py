"""Training steps of the networks for images against the same networks in plain JAX and in PyTorch, side by side in one process.

    python -m pytest -m benchmark -s tests/benchmarks/test_image_networks.py

prints medians of interleaved rounds and their ratios. PyTorch is compared where it is installed. All have the same weights at the
start, which is tested first, the same batch, and Adam. On Linux, GLIBC_TUNABLES=glibc.malloc.hugetlb=1 in the environment makes
convolutions of JAX quicker.
"""

import importlib.util
import math
import statistics
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

import quasistatic as qs
from quasistatic._training.loop import fit_task
from quasistatic._training.options import TrainingOptions
from quasistatic._training.task import Task

pytestmark = [pytest.mark.benchmark, pytest.mark.filterwarnings("ignore:.*torch:DeprecationWarning")]

SIZE, BATCH, ROUNDS, LOOP = 28, 64, 7, 3
WIDTHS = (32, 64, 128)
MINUTES = 8.0  # of one core, for each network
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")


def model_of(name, **options):
    """The network with its readout moved from zero, so that every weight has a gradient."""
    ports = qs.Ports.of(qs.make("kernel", "gaussian", qs.Real((SIZE, SIZE))))
    model = qs.make("model", name, ports, key=jr.key(0), **options)
    leaves, tree = jax.tree.flatten(model)
    keys = jr.split(jr.key(1), len(leaves))
    return jax.tree.unflatten(tree, [leaf + 0.01 * jr.normal(key, leaf.shape) for leaf, key in zip(leaves, keys, strict=True)])


def batch():
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(2, BATCH, SIZE, SIZE, 2)).astype(np.float32)
    return z[..., :1], rng.random(BATCH).astype(np.float32), y


def in_jax(weights, ask, in_a_loop=False):
    """A training step of `ask(weights, z, t)`, or LOOP of them in a loop, and what it gives before the first."""
    z, t, y = batch()
    arrays, static = eqx.partition(weights, eqx.is_inexact_array)
    optimiser = optax.adam(1e-4)
    state = [arrays, optimiser.init(arrays)]

    def update(_, carry):
        arrays, opt_state = carry
        gradient = jax.grad(lambda arrays: jnp.mean((ask(eqx.combine(arrays, static), z, t) - y) ** 2))(arrays)
        updates, opt_state = optimiser.update(gradient, opt_state)
        return optax.apply_updates(arrays, updates), opt_state

    step = jax.jit(lambda carry: jax.lax.fori_loop(0, LOOP, update, carry) if in_a_loop else update(0, carry))

    def run():
        state[:] = step(tuple(state))
        jax.block_until_ready(state)

    return run, np.asarray(jax.jit(lambda arrays: ask(eqx.combine(arrays, static), z, t))(arrays))


def ours(model, in_a_loop=False):
    return in_jax(model, lambda model, z, t: jax.vmap(model)(z, t), in_a_loop)


def in_torch(weights, ask, compiled=False):
    """The same with weights as a nest of lists and dicts of arrays."""
    import torch

    torch.set_num_threads(2)
    z, t, y = (torch.from_numpy(each) for each in batch())
    weights = jax.tree.map(lambda leaf: torch.tensor(np.asarray(leaf), requires_grad=True), weights)
    optimiser = torch.optim.Adam(jax.tree.leaves(weights), 1e-4)
    with torch.no_grad():
        given = ask(weights, z, t).numpy()
    called = torch.compile(ask) if compiled else ask

    def run():
        optimiser.zero_grad()
        ((called(weights, z, t) - y) ** 2).mean().backward()
        optimiser.step()

    return run, given


def compared(what, runs):
    """Updates a second of each, taken in turns after a first run that compiles; printed with ratios to the first."""
    first = next(iter(runs.values()))[1]
    for name, (run, given) in runs.items():
        np.testing.assert_allclose(given, first, atol=2e-4, err_msg=name)  # the same network
        run()
    seconds = {name: [] for name in runs}
    for number in range(ROUNDS):
        for name in list(runs)[:: 1 if number % 2 else -1]:
            begin = time.perf_counter()
            runs[name][0]()
            seconds[name].append(time.perf_counter() - begin)
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    ours = medians["quasistatic"]
    for name, median in medians.items():
        print(f"{what:>14} {name:>16} {1 / median:7.2f} updates/s  quasistatic / this: {median / ours:.2f}")
    return {name: median / ours for name, median in medians.items()}


def clock(t, first, second, ops):
    """Time as one vector for each event."""
    angles = t[:, None] * ops.constant([0.5 * math.pi * 2.0**wave for wave in range(4)])
    h = ops.silu(ops.cat([ops.sin(angles), ops.cos(angles)]) @ first["weight"] + first["bias"])
    return ops.silu(h @ second["weight"] + second["bias"])


class JaxOps:
    """Channels first, as layers of equinox and most examples have them."""

    silu, sin, cos = staticmethod(jax.nn.silu), staticmethod(jnp.sin), staticmethod(jnp.cos)

    @staticmethod
    def constant(values):
        return jnp.asarray(values, jnp.float32)

    @staticmethod
    def cat(parts):
        return jnp.concatenate(parts, -1)

    @staticmethod
    def conv(x, layer, stride=1):
        out = jax.lax.conv_general_dilated(x, layer["weight"], (stride, stride), "SAME", dimension_numbers=("NCHW", "OIHW", "NCHW"))
        return out + layer["bias"][:, None, None]

    @staticmethod
    def norm(x, groups):
        n, c, h, w = x.shape
        parts = x.reshape(n, groups, -1)
        parts = (parts - parts.mean(-1, keepdims=True)) * jax.lax.rsqrt(parts.var(-1, keepdims=True) + 1e-5)
        return parts.reshape(n, c, h, w)

    @staticmethod
    def shuffle(x):
        n, c, h, w = x.shape
        return x.reshape(n, c // 4, 2, 2, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(n, c // 4, 2 * h, 2 * w)

    @staticmethod
    def attend(q, k, v):
        share = jax.nn.softmax(jnp.einsum("nhdq,nhdk->nhqk", q, k) / math.sqrt(q.shape[2]), axis=-1)
        return jnp.einsum("nhqk,nhdk->nhdq", share, v)

    @staticmethod
    def permuted(x, order):
        return jnp.transpose(x, order)


class TorchOps:
    """The same, by the names of PyTorch."""

    def __init__(self):
        import torch

        self.torch, self.nn = torch, torch.nn.functional
        self.sin, self.cos, self.silu, self.norm = torch.sin, torch.cos, self.nn.silu, self.nn.group_norm

    def constant(self, values):
        return self.torch.tensor(values)

    def cat(self, parts):
        return self.torch.cat(parts, -1)

    def conv(self, x, layer, stride=1):
        taps = layer["weight"].shape[-1]
        return self.nn.conv2d(x, layer["weight"], layer["bias"], stride, taps // 2 if taps % 2 else 0)

    def shuffle(self, x):
        return self.nn.pixel_shuffle(x, 2)

    def attend(self, q, k, v):
        q, k, v = (each.transpose(2, 3) for each in (q, k, v))
        return self.nn.scaled_dot_product_attention(q, k, v).transpose(2, 3)

    def permuted(self, x, order):
        return x.permute(*order)


def unet(ops, weights, z, t):
    """The network `convolutional`, channels first, written for a batch."""

    def changed(x, scale, shift):
        return x * (1.0 + scale[:, :, None, None]) + shift[:, :, None, None]

    def block(x, layer):
        timing = told @ layer["timing"]["weight"] + layer["timing"]["bias"]
        c, groups = x.shape[1], x.shape[1] // 8
        inner = ops.conv(ops.silu(changed(ops.norm(x, groups), timing[:, :c], timing[:, c : 2 * c])), layer["first"])
        inner = changed(ops.norm(inner, groups), timing[:, 2 * c : 3 * c], timing[:, 3 * c :])
        return x + ops.conv(ops.silu(inner), layer["second"])

    def attention(x, layer):
        n, c, height, width = x.shape
        asked = ops.conv(ops.norm(x, c // 8), layer["inwards"]).reshape(n, 3, c // 32, 32, height * width)
        return x + ops.conv(ops.attend(asked[:, 0], asked[:, 1], asked[:, 2]).reshape(n, c, height, width), layer["outwards"])

    told = clock(t, weights["clock"]["first"], weights["clock"]["second"], ops)
    x, seen = ops.conv(ops.permuted(z, (0, 3, 1, 2)), weights["enter"]), []
    for number, layers in enumerate(weights["down"]):
        if number:
            seen.append(x)
            x = ops.conv(x, weights["coarser"][number - 1], 2)
        for layer in layers:
            x = block(x, layer)
    x = attention(x, weights["attention"])
    for number in reversed(range(len(weights["up"]))):
        if number < len(weights["up"]) - 1:
            x = ops.shuffle(ops.conv(x, weights["finer"][number])) + seen.pop()
        for layer in weights["up"][number]:
            x = block(x, layer)
    x = ops.conv(ops.silu(ops.norm(x, x.shape[1] // 8)), weights["leave"])
    return ops.permuted(x, (0, 2, 3, 1))


def affine(layer):
    return {"weight": np.asarray(layer.weight), "bias": np.asarray(layer.bias)}


def conv(layer):
    """Channels first; an affine map is a convolution with one tap."""
    weight = np.asarray(layer.weight)
    weight = weight if weight.ndim == 4 else weight[None, None]
    return {"weight": weight.transpose(3, 2, 0, 1), "bias": np.asarray(layer.bias)}


def coarser(layer):
    """From blocks of pixels to a convolution with stride 2."""
    weight = np.asarray(layer.weight)
    return {"weight": weight.reshape(2, 2, -1, weight.shape[1]).transpose(3, 2, 0, 1), "bias": np.asarray(layer.bias)}


def finer(layer):
    """The order of channels that a pixel shuffle reads: that of pixels comes last."""
    weight, bias = np.asarray(layer.weight), np.asarray(layer.bias)
    weight = weight.reshape(len(weight), 4, -1).swapaxes(1, 2).reshape(len(weight), -1)
    return {"weight": weight.T[:, :, None, None], "bias": bias.reshape(4, -1).T.reshape(-1)}


def weights_of_unet(model):
    def level(blocks):
        return [{"first": conv(b.first), "second": conv(b.second), "timing": affine(b.timing)} for b in blocks]

    return {
        "clock": {"first": affine(model.clock.first), "second": affine(model.clock.second)},
        "enter": conv(model.enter),
        "down": [level(blocks) for blocks in model.down],
        "coarser": [coarser(layer) for layer in model.coarser],
        "attention": {"inwards": conv(model.attention.inwards), "outwards": conv(model.attention.outwards)},
        "finer": [finer(layer) for layer in model.finer],
        "up": [level(blocks) for blocks in model.up],
        "leave": conv(model.leave),
    }


def test_a_step_of_the_convolutional_network():
    model = model_of("convolutional", widths=WIDTHS, blocks=2)
    weights = jax.tree.map(jnp.asarray, weights_of_unet(model))
    runs = {
        "quasistatic": ours(model),
        "plain jax": in_jax(weights, lambda w, z, t: unet(JaxOps, w, jnp.asarray(z), jnp.asarray(t))),
    }
    if importlib.util.find_spec("torch"):
        for name, compiled in (("torch", False), ("torch compiled", True)):
            ops = TorchOps()
            runs[name] = in_torch(weights_of_unet(model), lambda w, z, t, ops=ops: unet(ops, w, z, t), compiled)
    ratios = compared("convolutional", runs)
    assert ratios["plain jax"] >= 1.3


def test_a_step_of_the_convolutional_network_in_a_loop():
    model = model_of("convolutional", widths=WIDTHS, blocks=2)
    ratios = compared("convolutional", {"quasistatic": ours(model), f"{LOOP} in a loop": ours(model, in_a_loop=True)})
    assert ratios[f"{LOOP} in a loop"] / LOOP <= 1.5


def mixer_in_torch(options):
    from torch.nn.functional import layer_norm

    ops, patch, width = TorchOps(), options.patch, options.width

    def ask(w, z, t):
        n, side = len(z), SIZE // patch
        told = clock(t, w["clock"]["first"], w["clock"]["second"], ops)
        tokens = z.reshape(n, side, patch, side, patch).permute(0, 2, 4, 1, 3).reshape(n, patch**2, side, side)
        h = ops.conv(tokens, w["enter"]).permute(0, 2, 3, 1)
        for layer in w["blocks"]:
            timing = (told @ layer["timing"]["weight"] + layer["timing"]["bias"]).reshape(n, 4, 1, 1, width)
            seen = layer_norm(h, (width,)) * (1.0 + timing[:, 0]) + timing[:, 1]
            h = h + mixing(seen.transpose(1, 3), layer["rows"]).transpose(1, 3)
            h = h + mixing(seen.transpose(2, 3), layer["columns"]).transpose(2, 3)
            h = h + mixing(layer_norm(h, (width,)) * (1.0 + timing[:, 2]) + timing[:, 3], layer["channels"])
        out = layer_norm(h, (width,)) @ w["leave"]["weight"] + w["leave"]["bias"]
        return out.reshape(n, side, side, patch, patch, 2).permute(0, 1, 3, 2, 4, 5).reshape(n, SIZE, SIZE, 2)

    def mixing(x, layer):
        gate, value = (x @ layer["first"]["weight"] + layer["first"]["bias"]).chunk(2, -1)
        return (ops.silu(gate) * value) @ layer["second"]["weight"] + layer["second"]["bias"]

    return ask


def weights_of_mixer(model):
    def mixing(layer):
        return {"first": affine(layer.first), "second": affine(layer.second)}

    return {
        "clock": mixing(model.clock),
        "enter": conv(model.enter),
        "blocks": [
            {
                "rows": mixing(b.rows),
                "columns": mixing(b.columns),
                "channels": mixing(b.channels),
                "timing": affine(b.timing),
            }
            for b in model.blocks
        ],
        "leave": affine(model.leave),
    }


@needs_torch
def test_a_step_of_the_mixer():
    model = model_of("mixer")
    runs = {"quasistatic": ours(model)}
    for name, compiled in (("torch", False), ("torch compiled", True)):
        runs[name] = in_torch(weights_of_mixer(model), mixer_in_torch(model.options), compiled)
    compared("mixer", runs)


class Watch(qs.AbstractObserver):
    """K on validation events, beside the minutes since the start: of this process on all processors, or by the clock."""

    def __init__(self, clock):
        self.clock, self.begin, self.seen = clock, clock(), []

    def minutes(self):
        return (self.clock() - self.begin) / 60.0

    def validation(self, update, ledger, diffusion):
        self.seen.append((self.minutes(), ledger.bound.to("bits/dim").value))
        print(f"{'':>14} update {update}: {self.seen[-1][0]:.1f} min, K (T = 100) {self.seen[-1][1]:+.3f} bits/pixel", flush=True)


def trained_on_leaves(name, clock, minutes, **options):
    """The source, the network after so many minutes, and what was seen on the way. The kernel starts from the linear denoiser."""
    source = qs.make("source", "dead-leaves", validation_events=4000, test_events=256)
    kernel = qs.make("kernel", "gaussian", source.event, reference="mixture", features="residual", first_noise=3e-3)
    kernel = kernel.measured(kernel.measure(lambda split: source.split(split).x))
    model, watch = qs.make("model", name, qs.Ports.of(kernel), key=jr.key(0), **options), Watch(clock)
    training = TrainingOptions(
        updates=100_000, batch=64, rate=3e-3, warmup=30, schedule="constant", ema=0.995, fuse=1, validate_every=200,
        validation_events=64, validation_steps=100, checkpoint_every=100_000,
    )  # fmt: skip
    task = Task(source, qs.Diffusion(kernel, model, 1000), qs.make("objective", "bound"), options=training)
    outcome = fit_task(task, [watch], stop=lambda: watch.minutes() > minutes)
    return source, outcome.diffusion, watch


def scale_mixture(covariance, train, xs):
    """Log densities of xs under 20 normal distributions that differ by a factor of the covariance, weights fitted to `train`."""
    size, scales = len(covariance), np.geomspace(0.05, 5.0, 20)
    root = np.linalg.cholesky(covariance)
    constant = np.log(np.diag(root)).sum() + 0.5 * size * math.log(2.0 * math.pi)

    def by_scale(events):
        square = (np.linalg.solve(root, events.reshape(len(events), -1).T) ** 2).sum(axis=0)
        return -0.5 * square[:, None] / scales - 0.5 * size * np.log(scales) - constant

    log_weights, found = np.full(20, -math.log(20)), by_scale(train)
    for _ in range(200):
        share = log_weights + found
        share -= np.logaddexp.reduce(share, axis=1, keepdims=True)
        log_weights = np.logaddexp.reduce(share, axis=0) - math.log(len(train))
    return np.logaddexp.reduce(log_weights + by_scale(xs), axis=1)


def test_dead_leaves_in_ten_minutes():
    """K on 32x32 dead leaves, beside a normal distribution and a mixture of scales with the exact covariance."""
    source, diffusion, watch = trained_on_leaves("mixer", time.perf_counter, 9.0)
    xs = source.split("test").x
    rows, columns = np.divmod(np.arange(1024), 32)
    distance = np.hypot(np.subtract.outer(rows, rows), np.subtract.outer(columns, columns))
    lengths, which = np.unique(distance, return_inverse=True)
    covariance = source.correlation(lengths)[which].reshape(distance.shape) + source.options.noise**2 * np.eye(1024)
    simple = {**source.baselines(xs), "20 scales": scale_mixture(covariance, source.split("train").x, xs)}
    for name, found in simple.items():
        print(f"{name:>30}: {found.mean() / 1024 / math.log(2.0):+.3f} bits/pixel")
    bound = qs.ledger(diffusion, xs, key=jr.key(1), steps=1000).bound.to("bits/dim")
    print(f"{'K (T = 1000) of the mixer':>30}: {bound}, after {watch.minutes():.1f} min with its evaluation")
    assert bound.value >= -0.3


def test_bits_for_minutes_of_the_processor():
    """What a minute of the processor gives with each network: the U-Net has fewer updates of it, and learns more."""
    last = {name: trained_on_leaves(name, time.process_time, MINUTES)[2].seen[-1][1] for name in ("mixer", "convolutional")}
    print(f"K (T = 100) on dead leaves after {MINUTES} minutes on one processor, bits/pixel: {last}")
    assert last["convolutional"] >= last["mixer"] >= -0.3
