"""The events that a command is about: those of a file, or all that a run has."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import jax
import numpy as np

import quasistatic as qs

SPLIT = "split"  # the tag that says which one an event is of


def events_of(run: qs.Run, path: Path | None) -> qs.Data:
    """The events of a file, or those of all splits of the run, one after another."""
    if path is not None:
        return qs.read_events(run.source, path)
    splits = {name: run.source.split(name) for name in get_args(qs.Split)}
    splits = {name: data for name, data in splits.items() if len(data)}

    def joined(trees: list[Any]) -> Any:
        return jax.tree.map(lambda *leaves: np.concatenate(leaves), *trees)

    common = set.intersection(*(set(data.tags) for data in splits.values()))
    tags = [{name: np.asarray(data.tags[name]) for name in sorted(common)} for data in splits.values()]
    named = np.repeat(list(splits), [len(data) for data in splits.values()])
    x, side = (joined([getattr(data, part) for data in splits.values()]) for part in ("x", "side"))
    return qs.Data(x, side, {SPLIT: named, **joined(tags)})
