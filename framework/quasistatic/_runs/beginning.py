"""A new run that begins with the weights of another, for other data, other rates or more updates."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs
import equinox as eqx
import numpy as np

from quasistatic._data.source import AbstractSource
from quasistatic._process.diffusion import Diffusion
from quasistatic._recipes.recipe import Recipe
from quasistatic._recipes.wire import build_source, build_task
from quasistatic._storage import arrays as named_arrays
from quasistatic._storage import checkpoint
from quasistatic._training.engine import trained_part
from quasistatic._training.task import Task
from quasistatic.errors import CheckpointError, IncompatibleError, RunError

if TYPE_CHECKING:
    from quasistatic._plugins.manager import PluginManager
    from quasistatic._runs.run import Run


@attrs.frozen
class Beginning:
    """Whose weights a run began with: the folder of the other run (None: it was in memory), its update, and their sha256."""

    run: str | None
    update: int
    sha256: str

    def __str__(self) -> str:
        return f"update {self.update:,} of {self.run or 'a run in memory'}"

    @classmethod
    def recall(cls, values: Any) -> Beginning:
        """From run.json. Raises RunError for what no run keeps there."""
        try:
            return cls(None if values["run"] is None else str(values["run"]), int(values["update"]), str(values["sha256"]))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise RunError(f"run.json: start_from: expected run, update and sha256, got {values!s:.200}") from error


def weights_of(diffusion: Diffusion) -> dict[str, np.ndarray]:
    """All that is trained, by name."""
    return checkpoint.flatten(trained_part(diffusion)[0])


def with_weights(task: Task, weights: Mapping[str, np.ndarray]) -> Task:
    """The task, whose training begins with these weights. Raises CheckpointError for those of another network."""
    trained, rest = trained_part(task.diffusion)
    return attrs.evolve(task, diffusion=eqx.combine(checkpoint.restore(trained, weights), rest))


def begin_from(other: Run, recipe: Recipe, manager: PluginManager, data: Any = None) -> tuple[Task, Beginning]:
    """The task of a recipe, beginning with the weights of a run, and where they come from.

    What the kernel has measured of the other data comes along: the network has learned what it has to add to it. How the new data
    are scaled is their own. Raises IncompatibleError with all that differs.
    """
    source = build_source(recipe, manager, data)
    differing = list(_differences(_facts(other.recipe, other.source), _facts(recipe, source)))
    where = f"start_from: the weights of {other.folder or 'the run'} do not fit this recipe"
    if differing:
        raise IncompatibleError(f"{where}: {'; '.join(differing)}")
    task, weights = build_task(recipe, manager, source, measured=other.task.measured), weights_of(other.diffusion)
    try:
        task = with_weights(task, weights)
    except CheckpointError as error:
        raise IncompatibleError(f"{where}: {error}") from None
    folder = None if other.folder is None else os.path.abspath(other.folder)
    return task, Beginning(folder, other.kept_update, hashlib.sha256(named_arrays.encode(weights)).hexdigest())


def _facts(recipe: Recipe, source: AbstractSource) -> dict[str, Any]:
    """All that trained weights depend on, by what a person calls it."""
    chain = recipe.trajectory
    learned = {"steps": chain.steps} if chain.grid == "learned" else {}
    return {
        "event": source.event.describe(),
        "side information": "none" if source.side is None else source.side.describe(),
        "kernel": recipe.choices["kernel"].to_dict(),
        "model": recipe.choices["model"].to_dict(),
        "trajectory": {"grid": chain.grid, **learned},
    }


def _differences(there: Mapping[str, Any], here: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """'model.width: 128 there, 64 here', for every value in nested tables."""
    for key in dict.fromkeys((*there, *here)):
        old, new = there.get(key), here.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _differences(old, new, f"{prefix}{key}.")
        elif old != new:
            yield f"{prefix}{key}: {_shown(old)} there, {_shown(new)} here"


def _shown(value: Any) -> str:
    return "not given" if value is None else f"{value!s:.200}"
