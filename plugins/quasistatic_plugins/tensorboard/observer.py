"""Event files in OUT/tensorboard. They are only written: nothing here opens a port."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from tensorboardX import SummaryWriter

import quasistatic as qs
from quasistatic_plugins.tensorboard import TensorboardOptions

SAMPLES, STEPS = 64, 100  # of a picture; a longer chain is walked in coarser steps


class TensorBoard(qs.AbstractObserver):
    """Scalars at every chunk; K, weights, samples and the ledger at every validation. Without a folder it does nothing."""

    def __init__(self, options: TensorboardOptions, out: Path | None):
        self._folder = None if out is None else out / "tensorboard"
        self._writer: SummaryWriter | None = None
        self._info: qs.RunInfo | None = None

    def start(self, info: qs.RunInfo) -> None:
        if self._folder is not None:
            self._info = info
            # hides what an earlier part of the run wrote after the update it is resumed from
            self._writer = SummaryWriter(str(self._folder), purge_step=info.first_step + 1)

    def progress(self, step: int, metrics: Mapping[str, float]) -> None:
        if self._writer is not None:
            for name, value in metrics.items():
                self._writer.add_scalar(f"training/{name}", value, step)

    def validation(self, step: int, ledger: qs.Ledger, diffusion: qs.Diffusion) -> None:
        if self._writer is None or self._info is None:
            return
        figures = {
            "validation/bound_nats": ledger.bound.value,
            "validation/bound_bits_per_dim": ledger.bound.to("bits/dim").value,
            "validation/standard_error_nats": ledger.bound.standard_error,
            "validation/T": ledger.steps,
            "ledger/first_nats": ledger.first.value,
            "ledger/gaps_nats": ledger.total_gap.value,
            "ledger/prior_nats": ledger.prior.value,
        }
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)
        for path, leaf in jax.tree_util.tree_leaves_with_path((diffusion.model, diffusion.grid)):
            if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jnp.floating):
                part = ("model", "grid")[path[0].idx]
                self._writer.add_histogram(part + jax.tree_util.keystr(path[1:]), np.asarray(leaf), step)
        source, sampler = self._info.source, self._info.sampler
        given = source.split("validation").given
        # the same noise at every validation: one sees the same samples grow
        drawn = qs.sample(sampler, diffusion, SAMPLES, jr.key(0), min(STEPS, len(diffusion.times())), given)
        unit = ledger.bound.customary().unit
        for name, figure in (
            ("samples", qs.pictures.samples(source, drawn)),
            ("ledger", qs.pictures.ledger_per_step(ledger, unit)),
        ):
            self._writer.add_image(name, qs.pictures.pixels(figure), step, dataformats="HWC")

    def finish(self, step: int, reason: str) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
