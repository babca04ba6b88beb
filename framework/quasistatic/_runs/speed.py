"""How fast this machine is, and how fast a recipe trains, samples and is measured on it."""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process.ledger import ledger
from quasistatic._process.sample import sample
from quasistatic._process.tree import take
from quasistatic._training.engine import Fixed, TrainState, chunk, initial_state, trained_part
from quasistatic._training.loop import fit_task
from quasistatic._training.observer import AbstractObserver
from quasistatic._training.rows import Batches
from quasistatic._training.task import Task

MATRIX = {"cpu": 1024}  # rows of the matrices whose product is timed
LARGE_MATRIX = 8192
COPIED = 2**26  # bytes of the array that is copied: more than any cache holds
ROUNDS = 5
MOST_EVENTS = 2**16  # that are drawn or measured at a time


@attrs.frozen
class Speed:
    """So many of something a second: the median over rounds, and the slowest and the fastest of them."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, rates: Sequence[float]) -> Speed:
        return cls(statistics.median(rates), min(rates), max(rates))

    def times(self, factor: float) -> Speed:
        return Speed(self.median * factor, self.low * factor, self.high * factor)


def machine_speed() -> dict[str, Speed]:
    """'matmul': floating-point operations a second of a product of float32 matrices; 'copy': bytes read and written a second."""
    rows = MATRIX.get(jax.default_backend(), LARGE_MATRIX)
    matrix, many = jnp.ones((rows, rows), jnp.float32), jnp.zeros(COPIED // 4, jnp.float32)
    product, copy = jax.jit(lambda a: a @ a), jax.jit(lambda a: a + 1.0)
    return {"matmul": _rate(lambda: product(matrix), 2.0 * rows**3), "copy": _rate(lambda: copy(many), 2.0 * COPIED)}


def _rate(run: Callable[[], Any], work: float, seconds: float = 0.1) -> Speed:
    """`work` a second: after a call that compiles, rounds of as many calls as fill so many seconds."""
    jax.block_until_ready(run())
    calls = max(1, int(seconds / max(_seconds(run), 1e-6)))
    return Speed.of([work * calls / _seconds(lambda: [run() for _ in range(calls)][-1]) for _ in range(ROUNDS)])


def _seconds(run: Callable[[], Any]) -> float:
    began = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - began


def forward_flops(task: Task) -> float:
    """Floating-point operations of one call of the network for one event of a batch, as XLA counts them."""
    zs = jax.vmap(task.diffusion.kernel.equilibrium().sample)(jr.split(jr.key(0), task.options.batch))
    side = task.source.split("train", 1).side
    diffusion = task.diffusion.given(None if side is None else take(side, 0))
    lowered = jax.jit(lambda zs: jax.vmap(lambda z: diffusion.params(z, jnp.asarray(0.5)))(zs)).lower(zs)
    analysis = lowered.cost_analysis() or {}
    return float(analysis.get("flops", np.nan)) / task.options.batch


def update_memory(task: Task) -> int:
    """Bytes that XLA reserves for the program of a chunk of updates, beside what it reads and gives back."""
    fixed, state, rows = _program(_without_validation(task))
    compiled = chunk.lower((fixed, rows, np.int32(1)), state).compile()  # type: ignore[attr-defined]  # of eqx.filter_jit
    return int(compiled.compiled.memory_analysis().temp_size_in_bytes)


def _without_validation(task: Task) -> Task:
    """Validation is timed by itself: here it is one event on a short chain, before and after all updates."""
    never = 2**31 - 1
    quick = attrs.evolve(task.options, validation_events=1, validation_steps=2, validate_every=never, checkpoint_every=never)
    return attrs.evolve(task, options=quick)


def _program(task: Task) -> tuple[Fixed, TrainState, Any]:
    """What a chunk of updates reads: the fixed part, the first state, and the rows of its batches."""
    options, (_, rest) = task.options, trained_part(task.diffusion)
    with Batches(task.source.stored(), options.batch, options.fuse, 0) as batches:
        rows = jax.tree.map(jnp.asarray, batches.chunk(0))
    fixed = Fixed(rest, task.objective, jr.key(0), task.source.draw, options)
    return fixed, initial_state(task.diffusion, options), rows


class _Clock(AbstractObserver):
    """When each chunk of updates was done."""

    def __init__(self) -> None:
        self.ticks: list[tuple[float, int]] = []

    def progress(self, update: int, metrics: Mapping[str, float]) -> None:
        self.ticks.append((time.perf_counter(), update))

    def rate(self) -> float:
        """Updates a second, from the end of the first chunk to that of the last."""
        (began, first), (ended, last) = self.ticks[0], self.ticks[-1]
        return (last - first) / (ended - began)


def training_speed(task: Task, seconds: float) -> dict[str, Speed]:
    """Updates a second of the compiled update alone ('update') and of training as a user gets it ('loop'), in turns, and the ratio
    of the two in each round ('ratio')."""
    fuse, timed = task.options.fuse, _without_validation(task)
    fixed, state, rows = _program(timed)

    def updates(chunks: int) -> TrainState:
        nonlocal state
        for _ in range(chunks):
            state, report = chunk((fixed, rows, np.int32(fuse)), state)
            int(report.bad_update)
        return state

    def loop(chunks: int) -> float:
        clock = _Clock()
        fit_task(timed, [clock], until=chunks * fuse)
        return clock.rate()

    updates(1), loop(2)
    chunks = max(3, int(seconds / max(_seconds(lambda: updates(1)), 1e-6)))
    found = [(chunks * fuse / _seconds(lambda: updates(chunks)), loop(chunks + 1)) for _ in range(ROUNDS)]
    bare, whole = zip(*found, strict=True)
    return {"update": Speed.of(bare), "loop": Speed.of(whole), "ratio": Speed.of([b / a for a, b in found])}


def sampling_speed(task: Task, seconds: float) -> Speed:
    """Events drawn a second, on the chain of the recipe, by its sampler."""
    side = task.source.split("train", 256).side

    def drawn(count: int) -> Any:
        return sample(task.diffusion, count, key=jr.key(0), sampler=task.sampler, side=side)

    return _rate_of_many(drawn, MOST_EVENTS, seconds)


def ledger_speed(task: Task, seconds: float) -> Speed:
    """Events measured a second: K on the chain of the recipe."""
    data = task.source.split("test", MOST_EVENTS)

    def measured(count: int) -> Any:
        rows = np.arange(count) % len(data)
        return ledger(task.diffusion, take(data.x, rows), key=jr.key(0), side=take(data.side, rows)).terms

    return _rate_of_many(measured, MOST_EVENTS, seconds)


def _rate_of_many(run: Callable[[int], Any], most: int, seconds: float) -> Speed:
    """Events a second, of as many together as fill so many seconds."""
    count, took = 32, 0.0
    while took < 0.5 * seconds and count < most:
        run(count)  # compiles
        took = _seconds(functools.partial(run, count))
        count = min(most, max(count, int(count * seconds / took)))
    run(count)
    return Speed.of([count / _seconds(functools.partial(run, count)) for _ in range(ROUNDS)])
