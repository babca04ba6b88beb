"""What a finished run has to say: K at every T of interest, on all splits, beside what it should be read against."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from quasistatic._evaluate import Evaluation
from quasistatic._ledger import Estimate, Unit, customary_unit
from quasistatic._run import Run
from quasistatic._source import SPLITS, Split

Line = tuple[str, str]


@attrs.frozen(eq=False)
class Summary:
    """Evaluations: the test split at each T, every split at the T of training, and simple models beside them."""

    run: Run
    by_steps: dict[int, Evaluation]
    by_split: dict[Split, Evaluation]
    baselines: dict[str, float]

    @property
    def main(self) -> Evaluation:
        """The test split at the T of training."""
        return self.by_split["test"]

    def to_dict(self) -> dict[str, Any]:
        """JSON values, nats per event with bits per dimension beside them."""
        return {
            "evaluations": [describe(self.run, value, "test") for value in self.by_steps.values()],
            "splits": {name: value.to_dict()["bound"] for name, value in self.by_split.items()},
            "baselines_nats": self.baselines,
            "best": None if self.run.best is None else attrs.asdict(self.run.best),
            "steps_done": self.run.steps_done,
        }


def summarise(run: Run) -> Summary:
    """Measure all that a report needs. An event meets the same noise in every evaluation of its split at one T."""
    steps = run.recipe.trajectory.steps
    by_split: dict[Split, Evaluation] = {name: run.evaluate(name) for name in SPLITS}
    by_steps = {
        count: by_split["test"] if count == steps else run.evaluate("test", count)
        for count in dict.fromkeys((steps, *run.recipe.evaluation.steps))
    }
    return Summary(run, by_steps, by_split, run.wired.source.baselines())


def describe(run: Run, evaluation: Evaluation, split: str) -> dict[str, Any]:
    """An evaluation as JSON values, with what was evaluated."""
    recipe = run.recipe
    return {
        "recipe": recipe.name,
        "source": recipe.source.component.name,
        "kernel": recipe.kernel.component.name,
        "model": recipe.model.component.name,
        "first_step": recipe.trajectory.first_step,
        "data": split,
        "checkpoint": run.steps_done if run.best is None else run.best.step,
        **evaluation.to_dict(),
    }


def table(summary: Summary) -> Iterator[Line]:
    """Label and figure of every line that a person reads at the end of a run."""
    unit = customary_unit(summary.run.wired.source.event.size)
    yield from lines(summary.main, unit)
    main = summary.main.ledger.steps
    for steps, value in summary.by_steps.items():
        if steps != main:
            yield f"K (T = {steps})", show(value.bound, unit)
    for split, value in summary.by_split.items():
        if split != "test":
            yield f"K (T = {main}), {split} split", show(value.bound, unit)
    for label, nats in summary.baselines.items():
        yield label, show(Estimate(nats, 0.0, "nats", size=summary.main.ledger.size), unit)


def lines(evaluation: Evaluation, unit: Unit) -> Iterator[Line]:
    """Label and figure of everything one evaluation knows."""
    ledger = evaluation.ledger
    yield f"K (T = {ledger.steps})", show(evaluation.bound, unit)
    yield "  -K: first step", show(ledger.first, unit)
    yield f"  -K: {ledger.steps - 1} steps back", show(ledger.total_gap, unit)
    yield "  -K: left at t = 1", show(ledger.prior, unit)
    for label, value in (
        ("truth of the same events", evaluation.mean_truth),
        ("truth - K", evaluation.dissipation),
        ("null model", evaluation.mean_null),
        ("K - null model", evaluation.gain),
        ("K in the units of the data", evaluation.user_bound),
    ):
        if value is not None:
            yield label, show(value, unit)


def show(value: Estimate, unit: Unit) -> str:
    """'-2.1234 +- 0.0098 bits per event'"""
    shown = value.to(unit)
    error = f" +- {shown.standard_error:.4f}" if shown.standard_error else ""
    return f"{shown.value:.4f}{error} {unit} per event"
