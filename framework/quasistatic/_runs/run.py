"""Runs: train one from a recipe, open one from a folder, and ask it. The command line and the library run this code."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import equinox as eqx

from quasistatic._data.source import AbstractKept, AbstractSource, Data, Kept, Split, capability, events_of, samples_to_user
from quasistatic._plugins.manager import PluginManager, plugins
from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import State
from quasistatic._process.grid import Steps
from quasistatic._process.ledger import Ledger, ledger
from quasistatic._process.sample import sample
from quasistatic._process.sampler import AbstractSampler
from quasistatic._recipes.recipe import Recipe, load_recipe
from quasistatic._recipes.wire import build_observer, build_task
from quasistatic._runs.evaluation import Evaluation, evaluate, without_far
from quasistatic._runs.provenance import about, kept_recipe
from quasistatic._storage.folder import RunFolder, default_path
from quasistatic._training.engine import initial_state, trained_part
from quasistatic._training.keys import Role, role_key
from quasistatic._training.loop import fit_task
from quasistatic._training.observer import AbstractObserver, RunInfo
from quasistatic._training.store import Measured, Progress, Store
from quasistatic._training.task import Task
from quasistatic.errors import InputError, RunError
from quasistatic.thermodynamics import with_fitted_variances

PathLike = str | os.PathLike[str]
DATA = "data"  # in run.json, what the source has kept
KERNEL = "kernel."  # begins the names of the arrays that the kernel has measured


@attrs.frozen
class Pace:
    """How many updates training took in this process, and how long, with compilation and validation."""

    updates: int
    seconds: float


@attrs.frozen(eq=False)
class Run:
    """A trained diffusion with what it was trained on.

    `diffusion` holds the averaged weights of the highest validation K. `progress` has all measurements of it.
    """

    recipe: Recipe
    task: Task
    diffusion: Diffusion
    progress: Progress
    updates_done: int
    notes: tuple[str, ...] = ()
    pace: Pace | None = None

    @property
    def source(self) -> AbstractSource:
        return self.task.source

    @property
    def sampler(self) -> AbstractSampler:
        return self.task.sampler

    @property
    def best(self) -> Measured | None:
        """The highest validation K, whose weights these are."""
        return self.progress.best

    def sample(
        self,
        count: int,
        *,
        seed: int = 0,
        steps: Steps = None,
        side: State | None = None,
        model_units: bool = False,
        sampler: AbstractSampler | None = None,
    ) -> State:
        """`count` events (count, ...) in the user's units, or in model units, by a chain of T = `steps`, or through these times.

        `side` (rows, ...) is the side information, repeated as needed; by default that of the test split. `sampler` takes the
        place of the run's own.
        """
        if side is None and self.source.side is not None:
            side = self.source.split("test", count).side
        key = role_key(seed, Role.SAMPLE)
        xs = sample(self.diffusion, count, key=key, sampler=sampler or self.sampler, steps=steps, side=side)
        return xs if model_units else samples_to_user(self.source, xs)

    def bound(self, x: Any, *, steps: Steps = None, seed: int = 0, repeats: int = 1, side: State | None = None) -> Ledger:
        """K of events x (N, ...) given in the user's units: `.per_event` (N,) and `.bound`, nats, model units.

        Densities in the user's units are lower by `units.log_volume(shape)`, see `source.units`. Raises DataError for events
        that do not fit; `evaluate` takes what `read_events` has of a file, with records outside of the model.
        """
        xs, key = events_of(self.source, x), role_key(seed, Role.EVALUATION)
        return ledger(self.diffusion, xs, key=key, steps=steps, side=side, repeats=repeats)

    def evaluate(
        self, split: Split | Data = "test", *, steps: Steps = None, seed: int = 0, repeats: int | None = None
    ) -> Evaluation:
        """K of a split of the source (at most `evaluation.events`) or of events in model units, beside the truth.

        Of the latter, those so far from the training data that K is not finite in float32 go to `data.outside` of the result.
        """
        options = self.recipe.evaluation
        data = split if isinstance(split, Data) else self.source.split(split, options.events)
        repeats = options.repeats if repeats is None else repeats
        found = evaluate(self.diffusion, self.source, data, key=role_key(seed, Role.EVALUATION), steps=steps, repeats=repeats)
        return without_far(found) if isinstance(split, Data) else found

    def with_fitted_variances(self, *, steps: Steps = None, seed: int = 0) -> Run:
        """The run with the variances that fit validation events best on this chain; see `thermodynamics.with_fitted_variances`.

        Raises InputError for another than Gaussian noise, and for a first step that is fixed.
        """
        data = self.source.split("validation", self.recipe.evaluation.events)
        chain = {"steps": steps, "side": data.side}
        try:
            diffusion = with_fitted_variances(self.diffusion, data.x, key=role_key(seed, Role.VALIDATION), **chain)
        except (TypeError, ValueError) as error:
            raise InputError(str(error)) from None
        return attrs.evolve(self, diffusion=diffusion)


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
        if self.folder is None:
            return self._train(observers, None, stop, report, quiet)
        with self.folder.lock():
            store = Store(self.folder.checkpoints, self.recipe.training.keep)
            return self._train(observers, store, stop, report, quiet)

    def _train(
        self,
        observers: Sequence[AbstractObserver],
        store: Store | None,
        stop: Callable[[], bool],
        report: Callable[[str], None],
        quiet: bool,
    ) -> Run:
        out = None if self.folder is None else self.folder.path
        built = [build_observer(choice, self.manager, out, report, quiet) for choice in self.recipe.observers]
        watch, began = _Watch(), time.monotonic()
        outcome = fit_task(self.task, [*filter(None, built), *observers, watch], store, stop)
        pace = Pace(int(outcome.state.update) - watch.first, time.monotonic() - began)
        notes = (*self.notes, *(store.notes if store is not None else ()))
        return Run(
            self.recipe,
            self.task,
            outcome.diffusion,
            outcome.progress,
            int(outcome.state.update),
            notes,
            pace if pace.updates else None,
        )


class _Watch(AbstractObserver):
    """From which update on training went."""

    first = 0

    def start(self, info: RunInfo) -> None:
        self.first = info.first_update


def start(recipe: Recipe, manager: PluginManager, out: PathLike | None) -> Job:
    """A new job in the new folder `out`, or in runs/RECIPE-001, -002 and so on.

    Whatever does not fit is said before a folder is made.
    """
    task = build_task(recipe, manager)
    own = capability(task.source, AbstractKept)
    kept = None if own is None else own.kept()
    measured = {KERNEL + name: array for name, array in task.measured.items()}
    told, arrays = about(recipe, manager), {**({} if kept is None else kept.arrays), **measured}
    path = default_path(recipe.name) if out is None else Path(out)
    folder = RunFolder.create(path, recipe.to_toml(), told if kept is None else {**told, DATA: kept.about}, arrays)
    return Job(recipe, task, manager, folder)


def reopen(path: PathLike, manager: PluginManager) -> Job:
    """The job of a run folder. Raises RunError where it holds no run."""
    folder = RunFolder.open(Path(path))
    recipe, changed = kept_recipe(folder, manager)
    data, arrays = folder.read_about().get(DATA), folder.read_arrays()
    measured = {name.removeprefix(KERNEL): array for name, array in arrays.items() if name.startswith(KERNEL)}
    kept = Kept(data, {name: arrays[name] for name in arrays if not name.startswith(KERNEL)}) if isinstance(data, dict) else None
    return Job(recipe, build_task(recipe, manager, kept=kept, measured=measured), manager, folder, changed)


def train(
    recipe: Recipe | PathLike,
    data: Any = None,
    *,
    observers: Sequence[AbstractObserver] = (),
    out: PathLike | None = None,
    manager: PluginManager | None = None,
) -> Run:
    """Train a recipe, or what `load_recipe` gives of a name or a path, and give back the run.

    `data`, such as an array (N, ...) or a mapping of arrays, take the place of what the recipe's source reads; not every source
    takes any. With `out` the run is kept in that folder, as `quasistatic train` does; without it no file is touched. Nothing is
    printed, and neither jax nor logging is configured.
    """
    manager = manager or plugins()
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe, manager=manager)
    if out is None:
        return Job(recipe, build_task(recipe, manager, data), manager).train(observers)
    if data is not None:
        raise RunError("train: `out` keeps a recipe that can be run again, so data must come from a file: source.path")
    return start(recipe, manager, out).train(observers)


def open_run(path: PathLike, manager: PluginManager | None = None) -> Run:
    """The run in a folder, with the weights of its best checkpoint.

    Raises RunError where the folder holds no run, CheckpointError where no checkpoint is whole.
    """
    job = reopen(path, manager or plugins())
    assert job.folder is not None
    store = Store(job.folder.checkpoints, job.recipe.training.keep)
    if not store.holds_checkpoint():
        raise RunError(f"{path}: the run has saved no checkpoint yet; `quasistatic resume {path}` starts it again")
    _, rest = trained_part(job.task.diffusion)
    state, progress, weights = store.load(initial_state(job.task.diffusion, job.task.options))
    diffusion = eqx.combine(weights, rest)
    return Run(job.recipe, job.task, diffusion, progress, int(state.update), (*job.notes, *store.notes))
