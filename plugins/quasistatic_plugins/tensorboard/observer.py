"""Event files in OUT/tensorboard. They are only written: nothing here opens a port."""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.summary import histogram

import quasistatic as qs
from quasistatic.kits import pictures
from quasistatic_plugins.tensorboard import TensorboardOptions

EVERY = 100  # updates between two points of a curve, at least
PATIENCE = 20  # seconds of training before the first samples: what ends sooner has its last ones, and the report's
DPI = 100  # drawn during training: half the time of a picture for the page
# of a picture; a longer chain is walked in coarser steps. Large events are few: a look is to cost little beside the updates
# before it
SAMPLES, FEW, STEPS = 64, 16, 100
HASTY = 64  # numbers of an event, at most, that are measured by programs compiled in haste
HALVED, LEVELS = 25, 9  # steps whose dissipation is measured, and times at which the susceptibility is


class TensorBoard(qs.AbstractObserver):
    """Losses now and then; K and weights at every validation. Without a folder it does nothing.

    Samples, pictures and what the steps dissipate cost more than the updates between two validations of a small network. They are
    there at the first validation beyond each power of two, once training has lasted for a while, and at the end.

    Events are written here and now: on a full disk, the queue and the thread of tensorboardX's `SummaryWriter` would block
    training for ever.
    """

    def __init__(self, options: TensorboardOptions, out: Path | None):
        self._folder = None if out is None else out / "tensorboard"
        self._writer: EventsWriter | None = None
        self._info: qs.RunInfo | None = None
        self._written = 0
        self._started, self._looked = 0.0, 0  # when, and at which update there were samples last
        self._newest: tuple[int, qs.Ledger, qs.Diffusion] | None = None

    def start(self, info: qs.RunInfo) -> None:
        if self._folder is None:
            return
        self._info, self._written = info, info.first_update
        self._started, self._looked = time.monotonic(), info.first_update
        with self._explained():
            if self._folder.is_symlink():
                raise qs.errors.QuasistaticError(f"{self._folder}: is a link; a run keeps all of its own in its folder")
            self._folder.mkdir(parents=True, exist_ok=True)
            # the name has seconds only: the suffix keeps a run resumed at once from overwriting its own beginning
            self._writer = EventsWriter(str(self._folder / "events"), f".{info.first_update}")
            # tells readers to drop what an earlier part of the run wrote after the update it is resumed from
            self._write(info.first_update + 1, session_log=SessionLog(status=SessionLog.START))
            self._writer.flush()

    def progress(self, update: int, metrics: Mapping[str, float]) -> None:
        if self._writer is None or update // EVERY == self._written // EVERY:
            return
        self._written = update
        with self._explained():
            self._write(update, summary=_scalars({f"training/{name}": value for name, value in metrics.items()}))

    def validation(self, update: int, ledger: qs.Ledger, diffusion: qs.Diffusion) -> None:
        if self._writer is None or self._info is None:
            return
        self._newest = update, ledger, diffusion
        self._write_all(update, _measured(ledger, diffusion))
        if update.bit_length() > self._looked.bit_length() and time.monotonic() > self._started + PATIENCE:
            self._look()

    def finish(self, update: int, reason: str) -> None:
        if self._writer is None:
            return
        if reason == "done" and self._newest is not None:  # whoever stops a run does not wait for pictures
            self._look()
        if self._writer is not None:
            with self._explained():
                self._writer.close()
            self._writer = None

    def _look(self) -> None:
        """Samples and pictures of the newest validation, once."""
        assert self._newest is not None and self._info is not None
        self._looked, ledger, diffusion = self._newest
        self._newest = None
        self._write_all(self._looked, _looks(ledger, diffusion, self._info))

    def _write_all(self, update: int, summaries: Iterator[Summary]) -> None:
        with self._explained():
            for summary in summaries:
                self._write(update, summary=summary)
            if self._writer is not None:
                self._writer.flush()

    def _write(self, step: int, **content: Any) -> None:
        assert self._writer is not None
        self._writer.write_event(Event(step=step, wall_time=time.time(), **content))

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._writer = None
            raise qs.errors.QuasistaticError(f"{self._folder}: cannot be written: {error.strerror or error}") from error


def _measured(ledger: qs.Ledger, diffusion: qs.Diffusion) -> Iterator[Summary]:
    """K and its terms, and the weights."""
    yield _scalars(
        {
            "validation/bound_nats": ledger.bound.value,
            "validation/bound_bits_per_dim": ledger.bound.to("bits/dim").value,
            "validation/standard_error_nats": ledger.bound.standard_error,
            "validation/trajectory_steps": ledger.steps,
            "ledger/first_nats": ledger.first.value,
            "ledger/gaps_nats": ledger.total_gap.value,
            "ledger/prior_nats": ledger.prior.value,
        }
    )
    for name, part in (("model", diffusion.model), ("grid", diffusion.grid)):
        for path, leaf in jax.tree_util.tree_leaves_with_path(part):
            if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jnp.floating) and leaf.size:
                yield histogram(name + jax.tree_util.keystr(path), np.asarray(leaf), bins=50)


def _looks(ledger: qs.Ledger, diffusion: qs.Diffusion, info: qs.RunInfo) -> Iterator[Summary]:
    """What the steps dissipate, samples, and the ledger's picture."""
    is_small = info.source.event.size <= 2
    count = SAMPLES if is_small else FEW
    data = info.source.split("validation", count)
    steps = min(STEPS, len(diffusion.times()))
    # the same noise at every validation: one sees the same samples grow
    kept, is_picture = (
        qs.pictures.spread(steps, qs.pictures.COLUMNS),
        qs.sources.capability(info.source, qs.sources.AbstractPictures) is not None,
    )
    with _compiled_in_haste() if info.source.event.size <= HASTY else contextlib.nullcontext():
        found = _thermodynamics(ledger, diffusion, data, info.source)
    yield _scalars(found)
    sampler = qs.pictures.Filmed(info.sampler, kept, steps) if is_picture else info.sampler
    drawn = qs.sample(diffusion, count, key=jr.key(0), sampler=sampler, steps=steps, side=data.side)
    if is_picture:
        drawn, film = drawn
        times = np.asarray(diffusion.times(steps))[list(kept)]
        yield _picture("strip", pictures.strip(info.source, times, film, drawn))
        restored = pictures.restored(info.source, diffusion, data, key=jr.key(1))
        if restored is not None:
            yield _picture("restored", restored)
        if isinstance(diffusion.model, qs.AbstractFilters):
            yield _picture("filters", pictures.filters(diffusion.model))
    yield _picture("samples", qs.pictures.samples(info.source, drawn))
    yield _picture("ledger", qs.pictures.ledger_per_step(ledger, ledger.bound.customary().unit))


def _thermodynamics(ledger: qs.Ledger, diffusion: qs.Diffusion, few: qs.Data, source: qs.AbstractSource) -> dict[str, float]:
    """What the steps dissipate, by halving them, and the highest susceptibility, of Gaussian noise, with its time.

    Where the truth is known also the entropy production, and the share of the free energy that is won as work.
    """
    from quasistatic.thermodynamics.order import susceptibility  # here: before its first look a run does without
    from quasistatic.thermodynamics.work import dissipation

    # the same noise at every validation
    lost = dissipation(diffusion, few.x, key=jr.key(2), steps=min(HALVED, ledger.steps), side=few.side).mean
    found = {"dissipated_nats": lost.sum(), "largest_step_nats": lost.max()} if len(lost) else {}
    times = np.asarray(diffusion.times(min(LEVELS, ledger.steps)))
    with contextlib.suppress(TypeError):  # another noise, or a distribution of data without a mean
        answers = susceptibility(diffusion, few.x, key=jr.key(3), times=times, side=few.side).mean
        found |= {"susceptibility_nats": answers.max(), "most_susceptible_time": times[answers.argmax()]}
    truth, reference = qs.sources.capability(source, qs.sources.AbstractTruth), diffusion.kernel.reference()
    if truth is not None and reference is not None:
        xs = source.split("validation", len(ledger.terms)).x
        null = float(jnp.mean(jax.vmap(reference.log_prob)(xs)))
        free_energy, gain = float(truth.log_prob(xs).mean()) - null, ledger.bound.value - null
        found |= {"production_nats": free_energy - gain, "efficiency": gain / free_energy}
    return {f"thermodynamics/{name}": float(value) for name, value in found.items()}


@contextlib.contextmanager
def _compiled_in_haste() -> Iterator[None]:
    """For programs that run for a moment: to optimise them costs more than all that they compute in a training."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", before)


def _scalars(values: Mapping[str, float]) -> Summary:
    return Summary(value=[Summary.Value(tag=name, simple_value=float(value)) for name, value in values.items()])


def _picture(name: str, figure: Any) -> Summary:
    png = qs.pictures.encode(figure, dpi=DPI)
    width, height = struct.unpack(">II", png[16:24])
    image = Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=png)  # 4: RGBA
    return Summary(value=[Summary.Value(tag=name, image=image)])
