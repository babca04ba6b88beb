"""A trained run, and what can be done with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import attrs

from quasistatic._data.conversion import data_of, samples_to_user
from quasistatic._data.source import AbstractSource, Data, Split, judging_split
from quasistatic._plugins.manager import plugins
from quasistatic._process.blocks import refuse_traced
from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import State
from quasistatic._process.estimate import Estimate
from quasistatic._process.grid import Steps
from quasistatic._process.ledger import Ledger, ledger
from quasistatic._process.sampler import AbstractSampler
from quasistatic._process.shown import as_line, as_table
from quasistatic._recipes.recipe import Recipe
from quasistatic._runs.beginning import Beginning
from quasistatic._runs.conditions import Wanted, draw
from quasistatic._runs.effort import Effort
from quasistatic._runs.evaluation import Evaluation, evaluate, refuse_infinite, without_far
from quasistatic._runs.features import At, By, Features, features
from quasistatic._runs.imputing import Imputed, impute
from quasistatic._runs.likelihood import Likelihood, Method, log_prob
from quasistatic._runs.pace import Pace
from quasistatic._runs.scoring import Scores, score
from quasistatic._training.keys import Role, role_key
from quasistatic._training.store import Measured, Progress
from quasistatic._training.task import Task
from quasistatic.errors import DataError

PathLike = str | os.PathLike[str]


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
        guide_from: int | None = None,
        where: str | Sequence[str] = (),
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
        away from the network without side information or, with `negative`, from another class, or with `guide_from` from the run's
        own network after so many updates; on `interval` of the log-SNR alone, if it is given: see `Diffusion.guided`, also for
        which distribution that is.
        `where` are conditions on the columns of a table, such as 'age>60', in the place of a sampler: each event is then one of
        weighted particles of its own, a draw that is exact as these become many. `sampler`, or the name of one with its default
        options, takes the place of the run's own. With `return_info` the events come with a `SampleInfo`. Raises InputError for a
        label that is not a class, guidance without side information, and conditions that cannot be met.
        """
        wanted = Wanted(side, label, guidance, negative, interval, guide_from, where)
        found, info = draw(self, wanted, count, seed, sampler=sampler, steps=steps, calls=calls, as_frame=as_frame)
        found = found if as_frame or model_units else samples_to_user(self.source, found)
        return (found, info) if return_info else found

    def bound(self, x: Any, *, steps: Steps = None, seed: int = 0, repeats: int = 1, side: State | None = None) -> Ledger:
        """K of events x (N, ...) given in the user's units: `.per_event` (N,) and `.bound`, nats, model units.

        x may be a data frame where the source is a table: columns are found by their names. A row with a cell that the model
        gives no probability has K = minus infinity; `evaluate` has the reasons. Densities in the user's units are lower by
        `evaluate(x).log_scale`. Raises DataError for events that do not fit, or where no row does, TypeError inside a
        transformation of jax.
        """
        refuse_traced("bound", "qs.log_prob_bound(run.diffusion, x, key=key), in model units,", x, side)
        data = data_of(self.source, x)
        if data.outside and not len(data):
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
            split = data_of(self.source, split)
        diffusion = self.diffusion if isinstance(split, Data) or self.held_out is None else self.held_out
        data, often = cast(Data, split), options.repeats
        if not isinstance(split, Data):
            data, often = Effort.of(options, self.progress).of_split(self.source, cast(Split, split), options)
        repeats = often if repeats is None else repeats
        found = evaluate(diffusion, self.source, data, key=role_key(seed, Role.EVALUATION), steps=steps, repeats=repeats)
        return without_far(found) if isinstance(split, Data) else refuse_infinite(found, split)

    def impute(self, x: Any, *, draws: int = 5, particles: int = 128, steps: Steps = None, seed: int = 0) -> Imputed:
        """What stands in the missing cells of a table x, a data frame or a path, by draws given the other cells of each row.

        `.draws` are completed tables; see `Imputed`. Each row with gaps has weighted `particles` of its own, more where these run
        out. Raises InputError for a run that is not of a table, DataError for a table without its columns.
        """
        return impute(self, x, draws=draws, particles=particles, steps=steps, seed=seed)

    def log_prob(self, x: Any, *, method: Method = "flow", steps: Steps = None, paths: int = 128, seed: int = 0) -> Likelihood:
        """log p of `Data`, rows of a frame or values (N, ...) in the user's units: `.per_event` (N,), in nats and model units.

        "flow" is the density along the probability flow, "weighted" the chain's, at least, by weighted `paths`; see `Likelihood`.
        Raises InputError for events or a schedule without a flow, DataError for events that do not fit.
        """
        return log_prob(self, x, method=method, steps=steps, paths=paths, seed=seed)

    def score(self, x: Data | Any, *, rate: float = 0.01, fdr: float = 0.1, seed: int = 0) -> Scores:
        """How unusual events are: `.scores`, `.errors`, `.p_values` (N,), `.flagged` at a `rate` of usual events, `.certificate`.

        x are rows of a data frame, values (N, ...) in the user's units, or `Data`; rows outside of the model are `.data.outside`.
        The score of an event is a function of that event and `seed` alone, to the bit. `.discovered` is a list of which a share
        `fdr` is usual on average. Raises InputError for a run without held-out events, DataError for events that do not fit.
        """
        return score(self, x, rate=rate, fdr=fdr, seed=seed)

    def features(self, x: Any, *, by: By = "mean", time: At = "auto", seed: int = 0, repeats: int = 16) -> Features:
        """Events x as vectors: `.values` (N, D), each a function of its event and `seed` alone, to the bit; see `Features`.
        Raises InputError for options that cannot be, DataError for events that do not fit."""
        return features(self, x, by=by, time=time, seed=seed, repeats=repeats)


def _unpickled(folder: Path | None, own: dict[str, Any]) -> Run:
    if folder is None:
        return Run(**own)
    from quasistatic._runs.job import reopen

    job = reopen(folder, plugins())
    return Run(recipe=job.recipe, task=job.task, **own)
