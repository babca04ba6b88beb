"""Event files in OUT/tensorboard. They are only written: nothing here opens a port."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np
from tensorboardX import SummaryWriter

import quasistatic as qs
from quasistatic_plugins.tensorboard import TensorboardOptions


class TensorBoard(qs.AbstractObserver):
    """Scalars at every chunk; weights, K and the ledger at every validation. Without a folder it does nothing."""

    def __init__(self, options: TensorboardOptions, out: Path | None):
        self._folder = None if out is None else out / "tensorboard"
        self._source: qs.AbstractSource | None = None
        self._writer: SummaryWriter | None = None

    def start(self, info: qs.RunInfo) -> None:
        self._source = info.source
        if self._folder is not None:
            # what an earlier part of the run wrote after this step is hidden
            purge = info.first_step + 1 if info.first_step else None
            self._writer = SummaryWriter(str(self._folder), purge_step=purge)

    def progress(self, step: int, metrics: Mapping[str, float]) -> None:
        if self._writer is not None:
            for name, value in metrics.items():
                self._writer.add_scalar(f"training/{name}", value, step)

    def validation(self, step: int, ledger: qs.Ledger, diffusion: qs.Diffusion) -> None:
        if self._writer is None:
            return
        bound = ledger.bound
        self._writer.add_scalar("validation/bound_nats", bound.value, step)
        self._writer.add_scalar("validation/bound_bits_per_dim", bound.to("bits/dim").value, step)
        self._writer.add_scalar("validation/standard_error_nats", bound.standard_error, step)
        for path, leaf in jax.tree_util.tree_leaves_with_path((diffusion.model, diffusion.grid)):
            if np.issubdtype(np.asarray(leaf).dtype, np.floating):
                self._writer.add_histogram(f"weights/{jax.tree_util.keystr(path).strip('.')}", np.asarray(leaf), step)
        self._writer.add_figure("validation/ledger", qs.pictures.ledger_per_step(ledger), step, close=False)
        if self._source is not None:
            data = self._source.split("validation").x[:64]
            self._writer.add_figure("data", qs.pictures.samples(self._source, data), step, close=False)

    def finish(self, step: int, reason: str) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
