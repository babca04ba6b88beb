"""report.html: what a run found, and the pictures to go with it."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Sequence

import numpy as np

from quasistatic._data.draw import worth_drawing
from quasistatic._data.source import AbstractJudge, AbstractPictures, capability
from quasistatic._plugins.manager import PluginManager, plugins
from quasistatic._process.estimate import Estimate, customary_unit
from quasistatic._process.event import AbstractEvent, Real
from quasistatic._process.tree import count_of, take
from quasistatic._recipes.wire import components
from quasistatic._report import pictures
from quasistatic._report.figure import as_picture
from quasistatic._report.page import HtmlTable, Picture, page
from quasistatic._report.reporting import AbstractReporting, Reported
from quasistatic._report.summary import IN_USER_UNITS, Summary, compared_rows, in_model_units, kept_lines, simple_rows
from quasistatic._runs.evaluation import Evaluation
from quasistatic._runs.run import Run
from quasistatic._storage.files import read_plain, write_durably
from quasistatic._storage.folder import RunFolder
from quasistatic._training.keys import Role, role_key


def run_report(summary: Summary, folder: RunFolder, manager: PluginManager | None = None) -> str:
    """The page of a finished run, of plugins of `manager`; its pictures are also left in the run folder as files."""
    run, versions = summary.run, folder.read_about()
    reported = _reported(summary)
    own = list(_own_sections(reported))
    first = [each for each in own if isinstance(each, Picture) and each.is_first]
    others = [each for each in own if isinstance(each, Picture) and not each.is_first]
    drawn = [*first, *_walks(reported), *others, *_accounts(summary, folder)]
    tables = [*_tables(summary), *(each for each in own if isinstance(each, HtmlTable)), _training(run)]
    folder.pictures.mkdir(exist_ok=True)
    for picture in drawn:
        write_durably(folder.pictures / f"{picture.name}.png", picture.png)
    packages = ", ".join(f"{name} {version}" for name, version in versions.get("packages", {}).items())
    software = f"Python {versions.get('python', '')}, {packages}"
    recipe, remarks = run.recipe, [*_references(run, manager or plugins()), software]
    return page(recipe.name, _about(run), _tiles(summary), summary.advice(), [*tables, *drawn], recipe.to_toml(), remarks)


def _references(run: Run, manager: PluginManager) -> Iterator[str]:
    """What a paper that uses this run should cite."""
    named = (each for each in components(run.recipe, run.source.event, manager) if each.references)
    cited = [f"{each.kind} {each.name}: {'; '.join(each.references)}" for each in named]
    if cited:
        yield f"References of the components. {'. '.join(cited)}."


def _own_sections(reported: Reported) -> Iterator[HtmlTable | Picture]:
    """Those of the source and of the network."""
    for each in (reported.run.source, reported.run.diffusion.model):
        reporting = capability(each, AbstractReporting)
        if reporting is not None:
            yield from reporting.report(reported)


def format_estimate(value: Estimate) -> str:
    """'-2.611 ± 0.028': two digits of the standard error, and as many of the value."""
    error = value.standard_error
    if not error > 1e-6:  # exact, or of a single event
        return f"{value.value:.4f}"
    digits = min(max(1 - math.floor(math.log10(error)), 0), 6)
    return f"{value.value:.{digits}f} \N{PLUS-MINUS SIGN} {error:.{digits}f}"


def _about(run: Run) -> str:
    recipe, event = run.recipe, run.source.event
    source, kernel, model = (recipe.choices[kind].component.name for kind in ("source", "kernel", "model"))
    return (
        f"{source} ({event.describe()} per event), kernel {kernel}, model {model}, T = {recipe.trajectory.steps}, "
        f"first step {recipe.trajectory.first_step}, {run.updates_done} updates, seed {recipe.seed}"
    )


def _tiles(summary: Summary) -> Iterator[tuple[str, str]]:
    """The values to look at first."""
    unit = customary_unit(summary.run.source.event.size)
    main, finest, best = summary.main, summary.finest, summary.best_simple
    where = in_model_units(main)
    if best is not None and finest.user_bound is not None:
        yield f"K (T = {finest.ledger.steps}){IN_USER_UNITS}, {unit} per event", format_estimate(finest.user_bound.to(unit))
    if best is not None:
        yield f"K - {best}, {unit} per event", format_estimate(summary.over(best).to(unit))
    for steps, value in summary.by_steps.items():
        yield f"K (T = {steps}){where}, {unit} per event", format_estimate(value.bound.to(unit))
    if main.mean_truth is not None:
        yield f"truth{where}, {unit} per event", format_estimate(main.mean_truth.to(unit))
    if main.gain is not None:
        yield f"K - null model, {unit} per event", format_estimate(main.gain.to(unit))


def _tables(summary: Summary) -> Iterator[HtmlTable]:
    main, run, event = summary.main, summary.run, summary.run.source.event
    where = in_model_units(main)
    if summary.baselines:
        yield HtmlTable(
            f"K beside simple models{IN_USER_UNITS if where else ''}",
            ("", *_headers(event)),
            tuple((label.strip(), *_in_units(value)) for label, value in simple_rows(summary)),
            _SIMPLE,
        )
    rows = [(str(summary.split), value) for value in summary.by_steps.values()]
    rows += [(name, value) for name, value in summary.by_split.items() if name != summary.split]
    yield HtmlTable(
        f"K, a lower bound on the mean log-likelihood{where}",
        ("split", "T", "events", *_headers(event)),
        tuple((name, str(v.ledger.steps), str(v.bound.events), *_in_units(v.bound)) for name, v in rows),
        "Every K belongs to its T. Errors are standard errors over events.",
    )
    k_row = (f"K (T = {main.ledger.steps}){where}", main.bound)
    yield HtmlTable(
        f"K beside what it should be read against, on the same events of the {summary.split} split",
        ("", *_headers(event)),
        tuple((label, *_in_units(value)) for label, value in (k_row, *compared_rows(main))),
        f"{'' if main.truth is None else _GAP} {_of_data(run.source.notes)}".strip(),
    )
    unit = customary_unit(run.source.event.size)
    by_part = main.ledger.bound_by_part
    if len(by_part) > 1:
        yield HtmlTable(
            f"K (T = {main.ledger.steps}), by the parts of an event{where}",
            ("part", *_headers(event)),
            tuple((name, *_in_units(value)) for name, value in by_part.items()),
            "They sum to K. A share is no bound by itself: every part is predicted from all of them.",
        )
    yield HtmlTable(
        f"The terms of -K{where}, {unit} per event",
        ("T", "first step", "steps back", "left at t = 1", "network calls per event"),
        tuple(
            (str(v.ledger.steps), *(format_estimate(part.to(unit)) for part in _parts(v)), str(v.ledger.evaluations))
            for v in summary.by_steps.values()
        ),
    )


def _of_data(notes: Sequence[str]) -> str:
    """Notes as one sentence: a note may begin with a user's name of a column, so none is capitalised."""
    return f"Data: {'; '.join(note.removesuffix('.') for note in notes)}." if notes else ""


def _training(run: Run) -> HtmlTable:
    """What training took."""
    batch, done = run.recipe.training.batch, run.updates_done
    rows = [("parameters", f"{run.task.sizes()[0]:,}"), ("updates", f"{done:,}"), ("events drawn for them", f"{done * batch:,}")]
    rows += [("kept" if number == 0 else "", line) for number, line in enumerate(kept_lines(run))]
    if run.pace is not None:
        rows.append(("seconds, with compilation and validation", f"{run.pace.seconds:.1f}"))
        rows.append(("events per second", f"{run.pace.updates * batch / run.pace.seconds:,.0f}"))
    return HtmlTable("Training", ("", ""), tuple(rows), leads=False)


_SIMPLE = (
    "On the same test events, in the same units. Simple models are fitted to training events, and their sizes are chosen on "
    "the validation split. The error of a difference is that of its mean over events."
)
_GAP = "The gap to the truth is model error and dissipated work together; the latter shrinks as T grows."


def _losses(run: Run, folder: RunFolder) -> list[tuple[int, float]]:
    """Minus a bound over training, as an observer has written it; nothing where none has, or where the loss is no bound."""
    if not run.task.objective.is_bound:
        return []
    try:
        lines = read_plain(folder.metrics).decode(errors="replace").splitlines()
    except OSError:
        return []
    found, done = [], run.updates_done
    for line in lines:
        with contextlib.suppress(ValueError, RecursionError):
            match json.loads(line):
                case {"kind": "progress", "update": int(update), "loss_nats": float(loss)} if (
                    abs(loss) < 1e30 and 0 < update <= done
                ):
                    found.append((update, loss))
    return found


def _parts(value: Evaluation) -> tuple[Estimate, Estimate, Estimate]:
    return value.ledger.first, value.ledger.total_gap, value.ledger.prior


def _in_units(value: Estimate) -> tuple[str, ...]:
    return tuple(format_estimate(value.to(unit)) for unit in ("bits", "nats", *(f"bits/{name}" for name in value.units)))


def _headers(event: AbstractEvent) -> list[str]:
    return ["bits per event", "nats per event", *(f"bits per {name}" for name in event.units)]


def _reported(summary: Summary) -> Reported:
    """What all pictures of the walks are made of."""
    run = summary.run
    source = run.source
    count = max(*map(worth_drawing, source.event.parts().values()), run.recipe.evaluation.samples)
    data = source.split(summary.split, count)
    key = role_key(run.recipe.seed, Role.PICTURES)
    again = np.arange(count) % count_of(data.x)  # there may be fewer test events than samples are wanted
    walks = pictures.walk(run.diffusion, take(data.x, again), key=key, sampler=run.sampler, side=take(data.side, again))
    return Reported(run, summary.split, data, walks, key=key)


def _walks(reported: Reported) -> Iterator[Picture]:
    """Data on their way to noise, and samples on their way out of it."""
    run, walks = reported.run, reported.walks
    source, xs = run.source, walks.back.x
    is_photo = capability(source, AbstractPictures) is not None
    yield as_picture(
        "trajectories",
        "Destroyed step by step, and rebuilt",
        pictures.trajectories(source, walks),
        "Above, test data on their way to noise. Below, from right to left, the way back from noise to samples.",
        is_photo,
    )
    if source.event == Real((2,)) and source.side is None:
        yield as_picture(
            "drift",
            "Where the way back leads",
            pictures.drift(run.diffusion, walks),
            "Mean of a step back. Arrows are scaled in each panel, and pale where there are no data at that time.",
        )
    own = capability(source, AbstractJudge)
    measured = {} if own is None else own.judge(xs)
    judged = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in measured.items())
    note = f"{count_of(xs)} samples{judged and f': {judged}'}."
    yield as_picture("samples", "Samples", pictures.samples(source, xs), note, is_photo)


def _accounts(summary: Summary, folder: RunFolder) -> Iterator[Picture]:
    """K over training, and the terms of -K."""
    run, unit, where = summary.run, customary_unit(summary.run.source.event.size), in_model_units(summary.main)
    history = run.progress.history
    if history:
        measured = summary.by_split.get("validation")
        truth = None if measured is None else measured.mean_truth
        yield as_picture(
            "bound",
            "K over training",
            pictures.bound_history(history, None if truth is None else truth.value, unit, _losses(run, folder)),
            f"Always the same {run.recipe.training.validation_events} events at most of the validation split, with the same "
            f"noise, which is not that of the tables above{where}; the band is two standard errors on each side.",
        )
    yield as_picture(
        "ledger",
        "The ledger: where -K comes from",
        pictures.ledger_per_step(summary.main.ledger, unit),
        f"Left, its terms{where}. Right, the share of every step back; the band is two standard errors on each side.",
    )
