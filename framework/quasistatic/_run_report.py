"""report.html: what a run found, and the pictures to go with it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from matplotlib.figure import Figure

from quasistatic import pictures
from quasistatic._evaluate import Evaluation
from quasistatic._event import Event
from quasistatic._files import write_durably
from quasistatic._folder import RunFolder
from quasistatic._keys import Role, role_key
from quasistatic._ledger import Estimate, Unit, customary_unit
from quasistatic._report import Picture, Table, page
from quasistatic._run import Run
from quasistatic._summary import Summary

UNITS: tuple[Unit, ...] = ("bits", "nats", "bits/dim")
PER_UNIT = ("bits per event", "nats per event", "bits per dim")


def run_report(summary: Summary, folder: RunFolder) -> str:
    """The page of a finished run; its pictures are also left in the run folder as files."""
    run, versions = summary.run, folder.read_about()
    drawn = list(_pictures(summary, folder))
    folder.pictures.mkdir(exist_ok=True)
    for picture in drawn:
        write_durably(folder.pictures / f"{picture.name}.png", picture.png)
    packages = ", ".join(f"{name} {version}" for name, version in versions.get("packages", {}).items())
    software = f"Python {versions.get('python', '')}, {packages}"
    recipe = run.recipe
    return page(recipe.name, _about(run), _tiles(summary), [*_tables(summary), *drawn], recipe.to_toml(), [software])


def figure(value: Estimate) -> str:
    """'-2.611 ± 0.028': two digits of the standard error, and as many of the value."""
    error = value.standard_error
    if not error > 1e-6:  # exact, or of a single event
        return f"{value.value:.4f}"
    digits = min(max(1 - math.floor(math.log10(error)), 0), 6)
    return f"{value.value:.{digits}f} \N{PLUS-MINUS SIGN} {error:.{digits}f}"


def _about(run: Run) -> str:
    recipe, event = run.recipe, run.wired.source.event
    return (
        f"{recipe.source.component.name} ({event.describe()} per event), kernel {recipe.kernel.component.name}, "
        f"model {recipe.model.component.name}, T = {recipe.trajectory.steps}, "
        f"first step {recipe.trajectory.first_step}, {run.steps_done} updates, seed {recipe.seed}"
    )


def _tiles(summary: Summary) -> Iterator[tuple[str, str]]:
    """The figures to look at first."""
    unit = customary_unit(summary.run.wired.source.event.size)
    for steps, value in summary.by_steps.items():
        yield f"K (T = {steps}), {unit} per event", figure(value.bound.to(unit))
    if summary.main.mean_truth is not None:
        yield f"truth, {unit} per event", figure(summary.main.mean_truth.to(unit))
    if summary.main.gain is not None:
        yield f"K - null model, {unit} per event", figure(summary.main.gain.to(unit))


def _tables(summary: Summary) -> Iterator[Table]:
    main, run = summary.main, summary.run
    rows = [("test", value) for value in summary.by_steps.values()]
    rows += [(name, value) for name, value in summary.by_split.items() if name != "test"]
    yield Table(
        "K, a lower bound on the mean log-likelihood",
        ("split", "T", "events", *PER_UNIT),
        tuple((name, str(v.ledger.steps), str(v.bound.events), *_in_units(v.bound)) for name, v in rows),
        "Every K belongs to its T. Errors are standard errors over events.",
    )
    yield Table(
        "K beside what it should be read against, on the same events of the test split",
        ("", *PER_UNIT),
        tuple((label, *_in_units(value)) for label, value in _comparison(main, summary.baselines)),
        " ".join(["" if main.truth is None else _GAP, *run.wired.source.notes]).strip(),
    )
    unit = customary_unit(run.wired.source.event.size)
    yield Table(
        f"The terms of -K, {unit} per event",
        ("T", "first step", "steps back", "left at t = 1", "network calls per event"),
        tuple(
            (str(v.ledger.steps), *(figure(part.to(unit)) for part in _parts(v)), str(v.ledger.evaluations))
            for v in summary.by_steps.values()
        ),
    )


_GAP = "The gap to the truth is model error and dissipated work together; the latter shrinks as T grows."


def _parts(value: Evaluation) -> tuple[Estimate, Estimate, Estimate]:
    return value.ledger.first, value.ledger.total_gap, value.ledger.prior


def _comparison(main: Evaluation, baselines: dict[str, float]) -> Iterator[tuple[str, Estimate]]:
    for label, value in (
        (f"K (T = {main.ledger.steps})", main.bound),
        ("truth", main.mean_truth),
        ("truth - K", main.dissipation),
        ("null model", main.mean_null),
        ("K - null model", main.gain),
        ("K in the units of the data", main.user_bound),
    ):
        if value is not None:
            yield label, value
    for label, nats in baselines.items():
        yield label, Estimate(nats, 0.0, "nats", size=main.ledger.size)


def _in_units(value: Estimate) -> tuple[str, ...]:
    return tuple(figure(value.to(unit)) for unit in UNITS)


def _pictures(summary: Summary, folder: RunFolder) -> Iterator[Picture]:
    run = summary.run
    source, diffusion, sampler = run.wired.source, run.diffusion, run.wired.sampler
    event, unit = source.event, customary_unit(source.event.size)
    data = source.split("test")
    shown = _worth_drawing(event)
    count = max(shown, run.recipe.evaluation.samples)
    given = None if data.given is None else data.given[:count]
    walks = pictures.walk(diffusion, sampler, data.x[:count], role_key(run.recipe.seed, Role.PICTURES), given)
    yield _picture(
        "trajectories",
        "Destroyed step by step, and rebuilt",
        pictures.trajectories(source, walks, shown),
        "Above, test data on their way to noise. Below, from right to left, the way back from noise to samples.",
    )
    if event.shape == (2,) and event.support == "real" and event.given == 0:
        yield _picture(
            "drift",
            "Where the way back leads",
            pictures.drift(diffusion, walks),
            "Mean of a step back. Arrows are scaled in each panel, and pale where there are no data at that time.",
        )
    xs = walks.back.x
    judged = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in source.judge(xs).items())
    yield _picture("samples", "Samples", pictures.samples(source, xs), f"{len(xs)} samples{judged and f': {judged}'}.")
    history = list(_validations(folder))
    if history:
        steps, bounds, errors = (
            [line[name] for line in history] for name in ("step", "bound_nats", "standard_error_nats")
        )
        truth = summary.by_split["validation"].mean_truth
        true_nats = None if truth is None else truth.value
        yield _picture(
            "bound",
            "K over training",
            pictures.bound_history(steps, bounds, errors, true_nats, unit, history[-1]["T"]),
            "Always the same events of the validation split; the band is two standard errors on each side.",
        )
    yield _picture(
        "ledger",
        "The ledger: where -K comes from",
        pictures.ledger_per_step(summary.main.ledger, unit),
        "Left, its terms. Right, the share of every step back; the band is two standard errors on each side.",
    )


def _picture(name: str, title: str, drawn: Figure, note: str) -> Picture:
    return Picture(name, title, pictures.encode(drawn), drawn.get_figwidth(), note)


def _worth_drawing(event: Event) -> int:
    """As many events as one can look at in a small panel."""
    if event.size <= 2:
        return 1000
    return 25 if len(event.shape) > 1 else 32


def _validations(folder: RunFolder) -> Iterator[dict[str, Any]]:
    """The validation lines of metrics.jsonl, where that observer was on."""
    if not folder.metrics.exists():
        return
    for text in folder.metrics.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
        except ValueError:  # cut short by a kill
            continue
        if isinstance(line, dict) and line.get("kind") == "validation" and line.get("bound_nats") is not None:
            yield {**line, "standard_error_nats": line["standard_error_nats"] or 0.0}
