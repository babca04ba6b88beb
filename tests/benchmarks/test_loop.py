"""The training loop that users get beside its own compiled update with nothing around it: in turns, in one process.

python -m pytest -m benchmark -s tests/benchmarks/test_loop.py
"""

import statistics
import time

import jax
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic._recipes.wire import build_source, build_task
from quasistatic._training.engine import Fixed, chunk, initial_state, trained_part
from quasistatic._training.loop import fit_task
from quasistatic._training.rows import Batches

pytestmark = pytest.mark.benchmark

ROUNDS, UPDATES = 9, 400


def table_task(rows, batch):
    """What `quasistatic run my.csv` trains, of so many rows for training, without observers."""
    values = np.random.default_rng(0).normal(size=(round(rows / 0.8), 6)) @ np.random.default_rng(1).normal(size=(6, 6))
    overrides = {"training.batch": batch, "training.updates": UPDATES, "training.validate_every": UPDATES, "training.observers": []}
    recipe = qs.load_recipe("array", {**overrides, "training.checkpoint_every": UPDATES, "source.test_share": 0.1})
    return build_task(recipe, qs.plugins(), build_source(recipe, qs.plugins(), values))


class Clock(qs.AbstractObserver):
    """Seconds of the updates from the first report on."""

    def start(self, info):
        self.began = None

    def progress(self, update, metrics):
        now = time.perf_counter()
        self.began = self.began or (update, now)
        self.seconds = (now - self.began[1]) / max(1, update - self.began[0])


@pytest.mark.parametrize(("rows", "batch"), [(400, 128), (8400, 1024)])
def test_the_loop_is_as_fast_as_its_update(rows, batch):
    task, clock = table_task(rows, batch), Clock()
    options = task.options
    _, rest = trained_part(task.diffusion)
    fixed, count = Fixed(rest, task.objective, jr.key(0), task.source.draw, options), np.int32(options.fuse)
    with Batches(task.source.stored(), batch, options.fuse, 0) as batches:
        same = batches.chunk(0)
    state = [initial_state(task.diffusion, options)]

    def bare():
        began = time.perf_counter()
        for _ in range(UPDATES // options.fuse):
            state[0], _ = chunk((fixed, same, count), state[0])
        jax.block_until_ready(state[0])
        return (time.perf_counter() - began) / UPDATES

    def loop():
        fit_task(task, [clock])
        return clock.seconds

    bare(), loop()
    seconds = {bare: [], loop: []}
    for number in range(ROUNDS):
        for each in (bare, loop)[:: 1 if number % 2 else -1]:
            seconds[each].append(each())
    ratios = sorted(a / b for a, b in zip(seconds[bare], seconds[loop], strict=True))
    rates = {each.__name__: round(1 / statistics.median(found)) for each, found in seconds.items()}
    median = statistics.median(ratios)
    print(f"\nupdates/s, {rows} rows, batch {batch}: {rates}; loop / bare {median:.3f} [{ratios[0]:.2f}-{ratios[-1]:.2f}]")
    assert median >= 0.95
