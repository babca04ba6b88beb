"""What a finished run has found: K at every T of interest, on all splits, beside what it should be read against."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import numpy as np

from quasistatic._data.source import SPLITS, AbstractBaselines, Split, capability, judging_split
from quasistatic._process.estimate import Estimate, Unit
from quasistatic._runs.effort import Effort, expected_seconds
from quasistatic._runs.evaluation import Evaluation, to_json
from quasistatic._runs.run import Run

Row = tuple[str, Estimate]
IN_USER_UNITS = ", in the units of the data"


@attrs.frozen(eq=False)
class Summary:
    """Evaluations: the split that the run is judged by at each T, and every split that holds events at the T of training.

    And simple models of the former, by event. It is the test split; without test events that of validation, or else of training.
    """

    run: Run
    by_steps: dict[int, Evaluation]
    by_split: dict[Split, Evaluation]
    baselines: dict[str, np.ndarray]

    @property
    def split(self) -> Split:
        """The split that the run is judged by."""
        return judging_split(self.run.source)

    @property
    def main(self) -> Evaluation:
        """That split at the T of training."""
        return self.by_split[self.split]

    @property
    def finest(self) -> Evaluation:
        """That split at the largest T, which other models are compared with: a slower process dissipates less."""
        return self.by_steps[max(self.by_steps)]

    def to_dict(self) -> dict[str, Any]:
        """JSON values, nats per event with bits per dimension beside them."""
        return {
            "evaluations": [describe(self.run, value, self.split) for value in self.by_steps.values()],
            "splits": {name: value.to_dict()["bound"] for name, value in self.by_split.items()},
            "baselines": {name: self._compared(values) for name, values in self.baselines.items()},
            "best": None if self.run.best is None else attrs.asdict(self.run.best),
            "updates_done": self.run.updates_done,
            "kept": list(kept_lines(self.run)),
            "start_from": None if self.run.beginning is None else attrs.asdict(self.run.beginning),
        }

    @property
    def best_simple(self) -> str | None:
        """The name of the best simple model."""
        return max(self.baselines, key=lambda name: self.baselines[name].mean(), default=None)

    def over(self, name: str) -> Estimate:
        """K minus a simple model, event by event."""
        return self.finest.mean_of(self.finest.ledger.per_event - self.baselines[name])

    def advice(self) -> tuple[str, ...]:
        """What to try where a simple model describes the test events better than the run does."""
        best = self.best_simple
        if best is None or self.over(best).value >= 0:
            return ()
        over = self.over(best)
        short = in_unit(attrs.evolve(over, value=-over.value), "nats")
        return (
            f"K is {short} below the simple model '{best}', which describes the test events better than this run. Try "
            f"{self._remedies()}; or keep the simple model.",
        )

    def _remedies(self) -> str:
        history, measured = self.run.progress.history, self.run.best
        if measured is not None and history and history[-1].bound_nats < measured.bound_nats:
            return (
                f"what holds the network back, as K of the validation split fell from update {measured.update} on: more "
                "training events, a narrower network (model.width), dropout (model.dropout), training.weight_decay"
            )
        scale = getattr(self.run.recipe.choices["source"].options, "scale", "whiten")
        whiten = ', source.scale = "whiten"' if scale != "whiten" else ""
        return "more updates (training.updates), a longer chain (trajectory.steps), a wider network (model.width)" + whiten

    def _compared(self, values: np.ndarray) -> dict[str, Any]:
        user = None if self.finest.log_scale is None else self.finest.mean_of(values - self.finest.log_scale)
        return {
            "value": to_json(self.finest.mean_of(values)),
            "value_in_user_units": to_json(user),
            "gain": to_json(self.finest.mean_of(self.finest.ledger.per_event - values)),
        }


def planned_line(run: Run) -> str:
    """What `summarise` measures, and about how long it takes."""
    options, steps = run.recipe.evaluation, run.recipe.trajectory.steps
    effort, finer = Effort.of(options, run.progress), {*options.trajectory_steps} - {steps}
    calls, counts = 0, []
    for name in SPLITS:
        if len(run.source.split(name, 1)):
            data, often = effort.of_split(run.source, name, options)
            chain = [steps, *(finer if name == judging_split(run.source) else ())]
            calls += len(data) * often * sum(chain)
            counts.append(f"{len(data):,} {name} events{f' {often} times' if often > 1 else ''}")
    seconds = expected_seconds(calls, run.pace, run.task.options)
    takes = "" if seconds is None else f", about {seconds:.0f} s" if seconds >= 1 else ", about a second"
    chains = ", ".join(map(str, sorted({steps, *finer})))
    return f"K of {', '.join(counts)} (T = {chains}): {calls:,} calls of the network{takes}"


def summarise(run: Run) -> Summary:
    """Measure all that a report needs. An event meets the same noise in every evaluation of its split at one T."""
    steps = run.recipe.trajectory.steps
    by_split: dict[Split, Evaluation] = {name: run.evaluate(name) for name in SPLITS if len(run.source.split(name, 1))}
    split = judging_split(run.source)
    by_steps = {
        count: by_split[split] if count == steps else run.evaluate(split, steps=count)
        for count in dict.fromkeys((steps, *run.recipe.evaluation.trajectory_steps))
    }
    simple = capability(run.source, AbstractBaselines)
    known = {} if simple is None else simple.baselines(by_split[split].data.x)
    return Summary(run, by_steps, by_split, known)


def kept_lines(run: Run) -> Iterator[str]:
    """Which weights a run keeps, where they began, and which events K is measured on, one plain line each."""
    options, done, kept = run.task.options, run.updates_done, run.kept_update
    if run.beginning is not None:
        yield f"began with the weights of {run.beginning}"
    is_early = done < options.updates and run.progress.is_stalled(options)
    ended = f"; training stopped at update {done:,}, as K did not rise any more" if is_early else ""
    if run.best is None:
        yield f"weights of update {kept:,} of {options.updates:,}, the last: there are no validation events to choose by"
    elif kept == 0:
        first = "that of the reference (for example the fitted mixture)"
        what = first if run.beginning is None else "that of the weights begun with"
        yield f"the kept weights are those before training: K is {what}, nothing was learned beyond it{ended}"
    else:
        yield f"weights of update {kept:,} of {options.updates:,}: the highest validation K{ended}"
    if run.held_out is not None:
        yield f"then trained on the rows of all splits for {kept:,} updates; K is that of the weights before, an estimate for these"
    elif run.recipe.training.refit:
        why = "as the weights before training were the best" if kept == 0 else "as training was stopped"
        yield f"not trained on the rows of all splits, {why}"
    split = judging_split(run.source)
    if split == "validation":
        yield "there are no test events: K is of validation events, which the update was chosen by, and so a little too high"
    elif split == "train":
        yield "no events were held out: K is of the training events, and nothing was measured of others"


def describe(run: Run, evaluation: Evaluation, split: str) -> dict[str, Any]:
    """An evaluation as JSON values, with what was evaluated."""
    recipe = run.recipe
    return {
        "recipe": recipe.name,
        "source": recipe.choices["source"].component.name,
        "kernel": recipe.choices["kernel"].component.name,
        "model": recipe.choices["model"].component.name,
        "first_step": recipe.trajectory.first_step,
        "data": split,
        "checkpoint": run.updates_done if run.best is None else run.best.update,
        **evaluation.to_dict(),
    }


def all_rows(summary: Summary) -> Iterator[Row]:
    """Label and value of every line that a person reads at the end of a run."""
    main = summary.main.ledger
    yield from simple_rows(summary)
    yield from split_rows(summary.main, "" if summary.split == "test" else f", {summary.split} split")
    printed = {f"K{IN_USER_UNITS.replace(',', '')}"} if summary.baselines and summary.finest is summary.main else set()
    yield from (row for row in compared_rows(summary.main) if row[0] not in printed)  # it is the first line
    for steps, value in summary.by_steps.items():
        if steps != main.steps:
            yield f"K (T = {steps}){in_model_units(value)}", value.bound
    for split, value in summary.by_split.items():
        if split != summary.split:
            yield f"K (T = {main.steps}), {split} split{in_model_units(value)}", value.bound


def in_model_units(evaluation: Evaluation) -> str:
    """What the label of a log density ends with, where the units of the data are others."""
    return "" if evaluation.user_bound is None else ", in model units"


def simple_rows(summary: Summary) -> Iterator[Row]:
    """K and its difference to the best simple model, then all simple models, in the units of the data where these have any."""
    finest, best = summary.finest, summary.best_simple
    if best is None:
        return
    shift = 0.0 if finest.log_scale is None else finest.log_scale
    yield f"K (T = {finest.ledger.steps}){'' if finest.user_bound is None else IN_USER_UNITS}", finest.user_bound or finest.bound
    yield f"  K - {best}", summary.over(best)
    for name, values in sorted(summary.baselines.items(), key=lambda item: -item[1].mean()):
        yield f"  {name}", finest.mean_of(values - shift)


def own_rows(run: Run, evaluation: Evaluation) -> Iterator[Row]:
    """K of own data in their own units: what their owner looks for first."""
    if evaluation.user_bound is not None and capability(run.source, AbstractBaselines) is not None:
        yield f"K (T = {evaluation.ledger.steps}){IN_USER_UNITS}", evaluation.user_bound


def split_rows(evaluation: Evaluation, split: str = "") -> Iterator[Row]:
    """K, its terms, and the shares of the parts of an event. `split` follows the first label."""
    ledger = evaluation.ledger
    yield f"K (T = {ledger.steps}){split}{in_model_units(evaluation)}", evaluation.bound
    yield "  -K: first step", ledger.first
    yield f"  -K: {ledger.steps - 1} steps back", ledger.total_gap
    yield "  -K: left at t = 1", ledger.prior
    if len(ledger.by_part) > 1:
        yield from ((f"  K: share of {name}", value) for name, value in ledger.bound_by_part.items())


def compared_rows(evaluation: Evaluation) -> Iterator[Row]:
    """What K should be read against, on the same events."""
    where = in_model_units(evaluation)
    for label, value in (
        (f"truth of the same events{where}", evaluation.mean_truth),
        ("truth - K", evaluation.dissipation),
        (f"null model{where}", evaluation.mean_null),
        ("K - null model", evaluation.gain),
        ("K in the units of the data", evaluation.user_bound),
    ):
        if value is not None:
            yield label, value


def in_units(value: Estimate) -> list[str]:
    """In the unit that people read, and of a picture in bits per pixel, of a sequence in bits per symbol."""
    customary = value.customary().unit
    return [in_unit(value, unit) for unit in (customary, *(f"bits/{name}" for name in value.units if name != "dim"))]


def in_unit(value: Estimate, unit: Unit) -> str:
    """'-2.1234 +- 0.0098 bits per event'"""
    shown = value.to(unit)
    error = f" +- {shown.standard_error:.4f}" if shown.standard_error > 0 else ""  # a single event has none
    return f"{shown.value:.4f}{error} {unit}{'' if '/' in unit else ' per event'}"
