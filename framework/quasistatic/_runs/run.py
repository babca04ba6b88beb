"""Runs: train one from a recipe, open one from a folder, and use it. The command line and the library run this code."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import attrs
import equinox as eqx

from quasistatic._data.conversion import from_user, rows_of_frame, samples_to_user
from quasistatic._data.source import AbstractFramed, AbstractKept, AbstractSource, Data, Kept, Split, capability, judging_split
from quasistatic._plugins.manager import PluginManager, plugins
from quasistatic._process.blocks import refuse_traced
from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import State
from quasistatic._process.estimate import Estimate
from quasistatic._process.grid import Steps
from quasistatic._process.ledger import Ledger, ledger
from quasistatic._process.sample import sample
from quasistatic._process.sampler import AbstractSampler
from quasistatic._process.shown import as_line, as_table
from quasistatic._recipes.recipe import Recipe, load_recipe
from quasistatic._recipes.samplers import sampler_for
from quasistatic._recipes.wire import build_observer, build_source, build_task
from quasistatic._runs.beginning import Beginning, begin_from, weights_of, with_weights
from quasistatic._runs.conditions import guided, side_of
from quasistatic._runs.effort import Effort
from quasistatic._runs.evaluation import Evaluation, evaluate, refuse_infinite, without_far
from quasistatic._runs.naming import known_places, places_of, refuse_paths
from quasistatic._runs.pace import Pace, Watch
from quasistatic._runs.provenance import about, kept_recipe
from quasistatic._runs.scoring import Scores, score
from quasistatic._storage import checkpoint
from quasistatic._storage.folder import RunFolder, default_path
from quasistatic._training.engine import initial_state, trained_part
from quasistatic._training.keys import Role, role_key
from quasistatic._training.loop import fit_task
from quasistatic._training.observer import AbstractObserver
from quasistatic._training.refit import refit
from quasistatic._training.store import Measured, Progress, Store
from quasistatic._training.task import Task
from quasistatic.errors import CheckpointError, DataError, InputError, RunError

PathLike = str | os.PathLike[str]
DATA = "data"  # in run.json, what the source has kept
BEGINNING = "start_from"  # in run.json, whose weights the run began with
KERNEL, WEIGHTS = "kernel.", "weights."  # begin the names of the arrays that the kernel has measured, and of the first weights


@attrs.frozen(eq=False, repr=False)
class Run:
    """A trained diffusion with what it was trained on.

    `diffusion` holds the averaged weights of the highest validation K. `progress` has all measurements of it. Where these weights
    were then trained on all rows (`training.refit`), `held_out` has those before, which K of a split is measured with. `folder` is
    where the run is kept, `beginning` whose weights it began with.
    """

    recipe: Recipe
    task: Task
    diffusion: Diffusion
    progress: Progress
    updates_done: int
    notes: tuple[str, ...] = ()
    pace: Pace | None = None
    held_out: Diffusion | None = None
    folder: Path | None = None
    beginning: Beginning | None = None

    def __reduce__(self) -> tuple[Callable[..., Run], tuple[Any, ...]]:
        """A run in a folder is pickled as its weights and the path of the folder, which need not hold its data; another in full."""
        own = {field.name: getattr(self, field.name) for field in attrs.fields(Run)}
        if self.folder is None:
            return _unpickled, (None, own)
        del own["recipe"], own["task"]
        return _unpickled, (self.folder.absolute(), own)

    def __repr__(self) -> str:
        return as_line("Run", self._rows())

    def _repr_html_(self) -> str:
        return as_table("Run", self._rows())

    def _rows(self) -> dict[str, object]:
        recipe, best = self.recipe, self.best
        chosen = {kind: recipe.choices[kind].component.name for kind in ("source", "kernel", "model", "objective")}
        updates = {"updates": f"{self.updates_done} of {self.task.options.updates}"}
        rows = {"recipe": recipe.name, **chosen, "event": self.source.event.describe(), **updates}
        if best is not None:
            found = Estimate(best.bound_nats, best.standard_error_nats, "nats", units=self.source.event.units).customary()
            rows["best K"] = f"{found} per event at update {best.update}, validation split, T = {best.trajectory_steps}"
        return {**rows, "folder": self.folder or "none: in memory"}

    @property
    def source(self) -> AbstractSource:
        """The source of the run's data, with their units and splits."""
        return self.task.source

    @property
    def sampler(self) -> AbstractSampler:
        """The sampler that the recipe names, used by `sample` unless another is given."""
        return self.task.sampler

    @property
    def best(self) -> Measured | None:
        """The highest validation K, whose weights these are."""
        return self.progress.best

    @property
    def kept_update(self) -> int:
        """The update whose weights were kept: that of the highest validation K, or the last where there was none."""
        return self.updates_done if self.best is None else self.best.update

    @property
    def is_done(self) -> bool:
        """Whether training has come to its end: the last update, or where validation K stopped to rise."""
        options = self.recipe.training
        is_over = self.updates_done >= self.task.options.updates or self.progress.is_stalled(self.task.options)
        return is_over and (self.held_out is not None or not options.refit or self.kept_update == 0)

    def sample(
        self,
        count: int,
        *,
        seed: int = 0,
        steps: Steps = None,
        calls: int | None = None,
        side: State | None = None,
        label: str | int | None = None,
        guidance: float = 0.0,
        negative: str | int | None = None,
        interval: tuple[float, float] | None = None,
        model_units: bool = False,
        sampler: AbstractSampler | str | None = None,
        as_frame: bool = False,
        return_info: bool = False,
    ) -> Any:
        """`count` events (count, ...) in the user's units, or in model units, by a chain of T = `steps`, or through these times.

        Of a table they come `as_frame`, a data frame of the library that training data came from, or else of polars; InputError
        where events are not the rows of a table.
        With `calls` T is as large as so many calls of the network for an event allow.

        `side` (rows, ...) is the side information, repeated as needed; by default that of the split that the run is judged by, and
        with `label`, the name or number of a class, that class in its place. `guidance` is the weight w of classifier-free guidance
        away from the network without side information or, with `negative`, from another class; on `interval` of the log-SNR alone,
        if it is given: see `Diffusion.guided`, also for which distribution that is.
        `sampler`, or the name of one with its default options, takes the place of the run's own. With `return_info` the events come
        with a `SampleInfo`. Raises InputError for a label that is not a class, and for guidance without side information.
        """
        side = side_of(self.source, count, side, label)
        diffusion = guided(self.diffusion, self.source, guidance, side, negative, interval)
        if isinstance(sampler, str):
            sampler = sampler_for(diffusion, plugins(), sampler)
        key = role_key(seed, Role.SAMPLE)
        framed = capability(self.source, AbstractFramed)
        if as_frame and framed is None:
            raise InputError(f"sample: as_frame is for the rows of a table, these events are {self.source.event.describe()}")
        chain: Any = {"sampler": sampler or self.sampler, "steps": steps, "calls": calls, "side": side}
        xs, info = sample(diffusion, count, key=key, **chain, return_info=True)
        if as_frame and framed is not None:
            found = framed.to_frame(xs)
        else:
            found = xs if model_units else samples_to_user(self.source, xs)
        return (found, info) if return_info else found

    def bound(self, x: Any, *, steps: Steps = None, seed: int = 0, repeats: int = 1, side: State | None = None) -> Ledger:
        """K of events x (N, ...) given in the user's units: `.per_event` (N,) and `.bound`, nats, model units.

        x may be a data frame where the source is a table: columns are found by their names. A row with a cell that the model
        gives no probability has K = minus infinity; `evaluate` has the reasons. Densities in the user's units are lower by
        `evaluate(x).log_scale`. Raises DataError for events that do not fit, or where no row does, TypeError inside a
        transformation of jax.
        """
        refuse_traced("bound", "qs.log_prob_bound(run.diffusion, x, key=key), in model units,", x, side)
        data = rows_of_frame(self.source, x)
        if data is None:
            data = Data(from_user(self.source, x))
        elif not len(data):
            raise DataError(f"data: every row is outside of the model, the first because {data.outside[0].reason}")
        key = role_key(seed, Role.EVALUATION)
        found = ledger(self.diffusion, data.x, key=key, steps=steps, side=side, repeats=repeats)
        return found.among(data.numbers, len(data) + len(data.outside)) if data.outside else found

    def evaluate(
        self, split: Split | Data | Any = None, *, steps: Steps = None, seed: int = 0, repeats: int | None = None
    ) -> Evaluation:
        """K of a split of the source (at most `evaluation.events`, and no more than `evaluation.error` takes), of events in model
        units (`Data`), or of the rows of a data frame, beside the truth.

        By default of the test split, or the validation split of a source without test events. K of a split is that of the weights
        which were trained with it held out. Of events, those so far from the training data that K is not finite in float32 go to
        `data.outside` of the result. Raises DataError for a split without events.
        """
        options: Any = self.recipe.evaluation
        split = judging_split(self.source) if split is None else split
        if not isinstance(split, str | Data):
            rows = rows_of_frame(self.source, split)
            split = Data(from_user(self.source, split)) if rows is None else rows
        diffusion = self.diffusion if isinstance(split, Data) or self.held_out is None else self.held_out
        data, often = cast(Data, split), options.repeats
        if not isinstance(split, Data):
            data, often = Effort.of(options, self.progress).of_split(self.source, cast(Split, split), options)
        repeats = often if repeats is None else repeats
        found = evaluate(diffusion, self.source, data, key=role_key(seed, Role.EVALUATION), steps=steps, repeats=repeats)
        return without_far(found) if isinstance(split, Data) else refuse_infinite(found, split)

    def score(self, x: Data | Any, *, rate: float = 0.01, fdr: float = 0.1, seed: int = 0) -> Scores:
        """How unusual events are: `.scores`, `.errors`, `.p_values` (N,), `.flagged` at a `rate` of usual events, `.certificate`.

        x are rows of a data frame, values (N, ...) in the user's units, or `Data`; rows outside of the model are `.data.outside`.
        The score of an event is a function of that event and `seed` alone, to the bit. `.discovered` is a list of which a share
        `fdr` is usual on average. Raises InputError for a run without held-out events, DataError for events that do not fit.
        """
        return score(self, x, rate=rate, fdr=fdr, seed=seed)


def _unpickled(folder: Path | None, own: dict[str, Any]) -> Run:
    if folder is None:
        return Run(**own)
    job = reopen(folder, plugins())
    return Run(recipe=job.recipe, task=job.task, **own)


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
        notes = (*self.notes, *notes)
        return Run(self.recipe, self.task, diffusion, progress, done, notes, folder=folder, beginning=self.beginning)


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
