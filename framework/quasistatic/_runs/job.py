"""Jobs: a run from a recipe or from a folder, trained or opened. The command line and the library run this code."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import equinox as eqx

from quasistatic._data.source import AbstractKept, Kept, capability
from quasistatic._plugins.manager import PluginManager, plugins
from quasistatic._process.diffusion import Diffusion
from quasistatic._recipes.recipe import Recipe, load_recipe
from quasistatic._recipes.wire import build_observer, build_source, build_task
from quasistatic._runs.beginning import Beginning, begin_from, weights_of, with_weights
from quasistatic._runs.naming import known_places, places_of, refuse_paths
from quasistatic._runs.pace import Watch
from quasistatic._runs.provenance import about, kept_recipe
from quasistatic._runs.run import PathLike, Run
from quasistatic._storage import checkpoint
from quasistatic._storage.folder import RunFolder, default_path
from quasistatic._training.engine import initial_state, trained_part
from quasistatic._training.loop import fit_task
from quasistatic._training.observer import AbstractObserver
from quasistatic._training.refit import refit
from quasistatic._training.store import Progress, Store
from quasistatic._training.task import Task
from quasistatic.errors import CheckpointError, RunError

DATA = "data"  # in run.json, what the source has kept
BEGINNING = "start_from"  # in run.json, whose weights the run began with
KERNEL, WEIGHTS = "kernel.", "weights."  # begin the names of the arrays that the kernel has measured, and of the first weights


def _warn(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=2)


@attrs.frozen(eq=False)
class Job:
    """A recipe about to be trained, built once; in a folder, or in memory alone."""

    recipe: Recipe
    task: Task
    manager: PluginManager
    folder: RunFolder | None = None
    notes: tuple[str, ...] = ()
    beginning: Beginning | None = None

    def train(
        self,
        observers: Sequence[AbstractObserver] = (),
        *,
        stop: Callable[[], bool] = lambda: False,
        report: Callable[[str], None] = _warn,
        quiet: bool = True,
    ) -> Run:
        """Train until the last update or until `stop()`, going on from the folder's checkpoint if it holds one.

        The recipe's observers are attached, without displays if `quiet`; `report` takes what goes wrong in one of them.
        """
        with contextlib.nullcontext() if self.folder is None else self.folder.lock():
            return self._train(observers, stop, report, quiet)

    def _train(
        self, observers: Sequence[AbstractObserver], stop: Callable[[], bool], report: Callable[[str], None], quiet: bool
    ) -> Run:
        out = None if self.folder is None else self.folder.path
        attached = [build_observer(choice, self.manager, out, report, quiet) for choice in self.recipe.observers]
        built, store = [observer for observer in attached if observer is not None], self.store()
        watch = Watch()
        outcome = fit_task(self.task, [*built, *observers, watch], store, stop)
        pace = watch.until(int(outcome.state.update))
        run = self.run(outcome.diffusion, outcome.progress, int(outcome.state.update), () if store is None else tuple(store.notes))
        run = attrs.evolve(run, pace=pace if pace.updates else None)
        if not self.recipe.training.refit or run.kept_update == 0 or outcome.reason != "done":
            return run
        again = refit(self.task, run.kept_update, [each for each in built if each.is_display], self.store(refit=True), stop)
        return run if again.reason != "done" else attrs.evolve(run, diffusion=again.diffusion, held_out=run.diffusion)

    def store(self, *, refit: bool = False) -> Store | None:
        """Where checkpoints are kept, those of the run or of its refit; None in memory."""
        if self.folder is None:
            return None
        steps = self.recipe.training.validation_steps or self.recipe.trajectory.steps
        return Store(self.folder.refit if refit else self.folder.checkpoints, self.recipe.training.keep, steps)

    def run(self, diffusion: Diffusion, progress: Progress, done: int, notes: tuple[str, ...] = ()) -> Run:
        """The run of this job, with these weights."""
        folder = None if self.folder is None else self.folder.path
        return Run(self.recipe, self.task, diffusion, progress, done, (*self.notes, *notes), None, None, folder, self.beginning)


def start(recipe: Recipe, manager: PluginManager, out: PathLike | None, start_from: Run | PathLike | None = None) -> Job:
    """A new job in the new folder `out`, or in runs/RECIPE-001, -002 and so on; `start_from` is a run whose weights it begins with.

    Whatever does not fit is an error before a folder is made.
    """
    job = _prepared(recipe, manager, None, start_from)
    task, own = job.task, capability(job.task.source, AbstractKept)
    kept = None if own is None else own.kept()
    arrays = {} if kept is None else dict(kept.arrays)
    arrays |= {KERNEL + name: array for name, array in task.measured.items()}
    record = about(recipe, manager) if kept is None else {**about(recipe, manager), DATA: kept.about}
    if job.beginning is not None:
        record[BEGINNING] = attrs.asdict(job.beginning)
        arrays |= {WEIGHTS + name: array for name, array in weights_of(task.diffusion).items()}
    path = default_path(recipe.name) if out is None else Path(out)
    return attrs.evolve(job, folder=RunFolder.create(path, recipe.to_toml(), record, arrays, places_of(recipe)))


def _prepared(recipe: Recipe, manager: PluginManager, data: Any, start_from: Run | PathLike | None) -> Job:
    """A job in memory."""
    if start_from is None:
        task, beginning = build_task(recipe, manager, build_source(recipe, manager, data)), None
    else:
        other = start_from if isinstance(start_from, Run) else open_run(start_from, manager)
        task, beginning = begin_from(other, recipe, manager, data)
    return Job(recipe, task, manager, beginning=beginning)


def reopen(path: PathLike, manager: PluginManager, data: Sequence[PathLike] = ()) -> Job:
    """The job of a run folder, with `data` where the reader says that its data are.

    Nothing outside of the folder is read, but for what the reader has named: here, or by starting the run. Raises RunError where
    the folder holds no run, and for one of someone else's with a path in it that no record of data stands for.
    """
    folder = RunFolder.open(Path(path))
    recipe, changed = kept_recipe(folder, manager)
    record, arrays = folder.read_about(), folder.read_arrays()
    measured, weights = (
        {name.removeprefix(kind): array for name, array in arrays.items() if name.startswith(kind)} for kind in (KERNEL, WEIGHTS)
    )
    numbers = {name: array for name, array in arrays.items() if not name.startswith((KERNEL, WEIGHTS))}
    kept = Kept(record[DATA], numbers, known_places(folder, data)) if isinstance(record.get(DATA), dict) else None
    refuse_paths(folder, recipe, kept is not None and recipe.choices["source"].component.restore is not None)
    source, room = build_source(recipe, manager, kept=kept), checkpoint.room(folder.checkpoints)
    try:
        task = build_task(recipe, manager, source, measured, room)
    except CheckpointError:
        checkpoint.newest(folder.checkpoints)  # where none is whole, that is what is wrong
        raise
    beginning = Beginning.recall(record[BEGINNING]) if BEGINNING in record else None
    return Job(recipe, with_weights(task, weights) if weights else task, manager, folder, changed, beginning)


def train(
    recipe: Recipe | PathLike,
    data: Any = None,
    *,
    observers: Sequence[AbstractObserver] = (),
    out: PathLike | None = None,
    start_from: Run | PathLike | None = None,
    manager: PluginManager | None = None,
) -> Run:
    """Train a recipe, or what `load_recipe` gives of a name or a path, and give back the run.

    `data`, such as a data frame, an array (N, ...) or a mapping of arrays, take the place of what the recipe's source reads; not
    every source takes any. With `out` the run is kept in that folder, as `quasistatic train` does; without it no file is touched.
    Nothing is printed, and neither jax nor logging is configured.

    `start_from`, a run or its folder, gives the first weights, and with them what its kernel has measured of its data: for other
    data, other rates or more updates. Raises IncompatibleError where its event, kernel or network is another.
    """
    manager = manager or plugins()
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe, manager=manager)
    if out is None:
        return _prepared(recipe, manager, data, start_from).train(observers)
    if data is not None:
        raise RunError("train: `out` keeps a recipe that can be run again, so data must come from a file: source.path")
    return start(recipe, manager, out, start_from).train(observers)


def open_run(path: PathLike, manager: PluginManager | None = None, *, data: PathLike | Sequence[PathLike] = ()) -> Run:
    """The run in a folder, with the weights of its best checkpoint.

    `data` are places where the data of the run may be, for one that someone else has started: files or folders with the very
    bytes that it was trained on. No path that stands in a run is followed.

    Raises RunError where the folder holds no run, CheckpointError where no checkpoint is whole.
    """
    job = reopen(path, manager or plugins(), [data] if isinstance(data, str | os.PathLike) else data)
    store, again = job.store(), job.store(refit=True)
    assert store is not None and again is not None
    if not store.holds_checkpoint():
        raise RunError(f"{path}: the run has saved no checkpoint yet; `quasistatic resume {path}` starts it again")
    _, rest = trained_part(job.task.diffusion)
    template = initial_state(job.task.diffusion, job.task.options)
    state, progress, weights = store.load(template)
    run = job.run(eqx.combine(weights, rest), progress, int(state.update), tuple(store.notes))
    if again.holds_checkpoint():
        state, _, weights = again.load(template)
        if int(state.update) == run.kept_update:
            return attrs.evolve(run, diffusion=eqx.combine(weights, rest), held_out=run.diffusion)
    if not job.recipe.training.refit or run.is_done:
        return run
    note = f"the weights are those of the held-out run; `quasistatic resume {path}` trains them on all rows"
    return attrs.evolve(run, notes=(*run.notes, note))
