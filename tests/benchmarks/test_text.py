"""Bits per character of 5 million characters against the budget of training, beside n-grams on the same windows.

    python -m pytest -m benchmark -s tests/benchmarks/test_text.py -k "bits and any and 15"

The text is the source of Python's own library, its files in random order. Characters are masked in any order, or the last first:
-k "bits and last-first and 15". The twin is the network of any order with the same number of updates, by hand, asked for each
character by those before it: -k "twin and 15".
"""

import math
import sysconfig
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

import quasistatic as qs
from quasistatic._recipes.wire import build_task
from quasistatic._training.engine import make_optimiser
from quasistatic_plugins.transformer.model import normalised

pytestmark = pytest.mark.benchmark

LENGTH, CHARACTERS, WINDOWS = 128, 5_000_000, 200
UPDATES = {5: 450, 15: 1_450, 60: 6_000}  # about so many minutes on two cores
ORDERS = {
    "any": {},
    "last-first": {
        "kernel.order": "last-first",
        "model.causal": True,
        "trajectory.steps": LENGTH,
        "training.validation_steps": LENGTH,
    },
}
BITS = LENGTH * math.log(2.0)  # nats of a window for one bit per character


def corpus():
    folder = Path(sysconfig.get_path("stdlib"))
    files = sorted(path for path in folder.rglob("*.py") if "site-packages" not in path.parts)
    order = np.random.default_rng(0).permutation(len(files))
    return "\n".join(files[number].read_text("utf-8", "replace") for number in order)[:CHARACTERS]


def recipe_of(minutes, folder, order="any"):
    path = folder / "library.txt"
    path.write_text(corpus(), "utf-8")
    return qs.load_recipe(
        "text",
        {
            "source.path": str(path), "source.length": LENGTH, "training.updates": UPDATES[minutes],
            "training.validate_every": UPDATES[minutes] // 2, "training.validation_events": 64, "training.observers": [],
            **ORDERS[order],
        },
    )  # fmt: skip


def told(what, values):
    print(f"{what} {values.mean():.3f} +- {values.std() / len(values) ** 0.5:.3f} bits per character")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("minutes", UPDATES)
def test_bits_per_character(minutes, order, tmp_path):
    begin = time.perf_counter()
    run = qs.train(recipe_of(minutes, tmp_path, order))
    spent = (time.perf_counter() - begin) / 60.0
    xs = run.source.split("test", WINDOWS).x
    k = np.asarray(qs.ledger(run.diffusion, xs, key=jr.key(1), steps=1000).per_event) / BITS
    told(f"{spent:.1f} minutes: K (T = 1000)", k)
    ahead = {}
    for name, log_probs in run.source.baselines(xs).items():
        over = k - np.asarray(log_probs) / BITS
        ahead[name] = over.mean()
        print(f"  {name} {np.mean(log_probs) / BITS:.3f}, K less that {over.mean():+.3f} +- {over.std() / WINDOWS**0.5:.3f}")
    assert ahead["2-gram"] > 0.0
    assert minutes < 15 or ahead["3-gram"] > 0.0
    assert order == "any" or minutes < 15 or ahead["4-gram"] > 0.0


def log_probs(model, x):
    """Of each character of a window, by those before it; of the first by the mask."""
    (part,) = model.parts
    h = part.read(jnp.concatenate([jnp.array([len(part.embedding) - 1], x.dtype), x[:-1]]))
    clock, seen = model.clock(jnp.ones(()), None, h.dtype), jnp.tril(jnp.ones((LENGTH, LENGTH), bool))
    for block in model.blocks:
        h = block(h, clock, seen, 0.0, None)
    return jnp.take_along_axis(jax.nn.log_softmax(part.give(normalised(h))), x[:, None], axis=1)[:, 0]


@pytest.mark.parametrize("minutes", UPDATES)
def test_the_autoregressive_twin(minutes, tmp_path):
    task = build_task(recipe_of(minutes, tmp_path), qs.plugins())
    source, options, optimiser = task.source, task.options, make_optimiser(task.options)
    weights, rest = eqx.partition(task.diffusion.model, eqx.is_inexact_array)
    rows, rng = source.stored(), np.random.default_rng(0)

    @jax.jit
    def update(weights, averaged, state, rows, keys):
        def loss(weights):
            xs, _ = jax.vmap(lambda row, key: source.draw(row, key=key))(rows, keys)
            return -LENGTH * jnp.mean(jax.vmap(lambda x: log_probs(eqx.combine(weights, rest), x))(xs))

        gradient = jax.grad(loss)(weights)
        updates, state = optimiser.update(gradient, state, weights)
        weights = optax.apply_updates(weights, updates)
        return weights, optax.incremental_update(weights, averaged, 1.0 - options.ema), state

    begin, averaged, state = time.perf_counter(), weights, optimiser.init(weights)
    for number in range(UPDATES[minutes]):
        chosen = rows[rng.integers(len(rows), size=options.batch)]
        weights, averaged, state = update(weights, averaged, state, chosen, jr.split(jr.key(number), options.batch))
    jax.block_until_ready(averaged)
    spent = (time.perf_counter() - begin) / 60.0
    model = eqx.combine(averaged, rest)
    xs = source.split("test", WINDOWS).x
    each = jax.jit(lambda xs: jax.lax.map(lambda x: log_probs(model, x), xs, batch_size=20))
    found, half = np.asarray(each(xs)), LENGTH // 2
    told(f"{spent:.1f} minutes: the twin", found.sum(axis=1) / BITS)
    turned = np.concatenate([xs[:, :half], xs[:, :half:-1], xs[:, half : half + 1]], axis=1)
    np.testing.assert_allclose(each(turned)[:, :half], found[:, :half], atol=1e-4)  # what comes later is not seen
    assert found.sum(axis=1).mean() > source.baselines(xs)["2-gram"].mean()
