"""quasistatic evaluate"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from quasistatic.cli._common import manager_of
from quasistatic.cli.parts import (
    WholeNumber,
    chain_of,
    data_option,
    echo,
    echo_json,
    echo_values,
    grid_option,
    json_option,
    per_event_option,
    refuse_absent,
    refuse_both,
    run_argument,
    run_folder,
    seed_option,
    steps_option,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quasistatic._data.source import Split
    from quasistatic._process.diffusion import Diffusion
    from quasistatic._process.estimate import Estimate
    from quasistatic._process.grid import Steps
    from quasistatic._runs.evaluation import Evaluation
    from quasistatic._runs.likelihood import Likelihood, Method
    from quasistatic._runs.run import Run


@click.command()
@run_argument
@steps_option()
@grid_option
@click.option("--split", type=click.Choice(["train", "validation", "test"]), help="Split of the run's own source; by default test.")
@data_option
@click.option("--repeats", type=WholeNumber(1),
              help="Passes over the events; by default the recipe's. The errors of --per-event are good from 16 on.")  # fmt: skip
@click.option(
    "--fitted-variances", is_flag=True, help="Steps of Gaussian noise have the constant variances that fit validation events."
)
@click.option(
    "--likelihood",
    type=click.Choice(["flow", "weighted"]),
    help="Also measure log p: the density along the probability flow, or that of the chain, at least, by weighted paths.",
)
@click.option("--paths", type=WholeNumber(2), help="Paths of an event, of --likelihood weighted; by default 128.")  # fmt: skip
@per_event_option
@click.option("--strict", is_flag=True, help="Refuse a file with a record that is outside of the model's support.")
@seed_option
@json_option
@click.pass_context
def evaluate(
    ctx: click.Context,
    folder: Path,
    steps: int | None,
    grid: Path | None,
    split: Split | None,
    data: Path | None,
    repeats: int | None,
    fitted_variances: bool,
    likelihood: Method | None,
    paths: int | None,
    per_event: Path | None,
    strict: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Measure the bound K of a trained run, with its split and its error, beside the null model and the known truth.

    With --likelihood also log p, which K is at most; the flow and the chain of one network are two models.

    A record of FILE that the model gives no probability is one line of OUT.csv too, 'outside', with the reason.
    """
    from quasistatic._storage.files import try_out, write_durably

    if data is not None and split is not None:
        raise click.UsageError("--data and --split exclude one another: events are of a file, or of a split")
    if strict and data is None:
        raise click.UsageError("--strict: is about a file; name it with --data")
    if paths is not None and likelihood != "weighted":
        raise click.UsageError("--paths is for --likelihood weighted")
    refuse_both(steps, grid)
    run_folder(folder)
    if data is not None:
        refuse_absent(data)
    if per_event is not None:
        try_out(per_event)
    from quasistatic._data.answers import about_outside, answers_to_json, refuse_outside
    from quasistatic._data.events import read_events
    from quasistatic._data.source import judging_split
    from quasistatic._report.summary import compared_rows, describe, own_rows, split_rows
    from quasistatic._runs.job import open_run
    from quasistatic.cli._jax import configure_jax

    configure_jax()
    run = open_run(folder, manager_of(ctx))
    for note in run.notes:
        echo(f"note: {note}", err=True)
    named = split or (judging_split(run.source) if data is None else "test")
    events = run.source.split(named, run.recipe.evaluation.events) if data is None else read_events(run.source, data)
    if strict and data:
        refuse_outside(events, data)
    chain = chain_of(run, steps, grid)
    if fitted_variances:
        run = _with_fitted_variances(run, chain)
    chosen = named if data is None else events
    measured = run.evaluate(chosen, steps=chain, seed=seed, repeats=repeats or (4 if per_event else None))
    if strict and data:
        refuse_outside(measured.data, data)
    found = None
    if likelihood is not None:
        # a chain has as many steps as it has; the flow has steps of its own
        of_method: Any = {"steps": chain, "paths": paths or 128} if likelihood == "weighted" else {"steps": steps}
        found = run.log_prob(measured.data, method=likelihood, seed=seed, **of_method)
    if per_event is not None:
        write_durably(per_event, _table(measured, found))
    if as_json:
        fitted = {"variances": "fitted to validation events"} if fitted_variances else {}
        what = named if data is None else str(data)
        likely = {} if found is None else {"likelihood": _likelihood_json(found, measured)}
        echo_json({"run": str(folder), **fitted, **describe(run, measured, what), **likely, **answers_to_json(measured.data)})
        return
    if inside := len(measured.data):
        more = [] if found is None else _likelihood_rows(found, measured)
        echo_values([*own_rows(run, measured), *split_rows(measured), *compared_rows(measured), *more])
        for note in [] if found is None else _likelihood_notes(found):
            echo(note)
    if outside := about_outside(measured.data):
        echo(f"{outside}{f'; K is the mean over the {inside} inside' if inside else ''}")


def _with_fitted_variances(run: Run, steps: Steps) -> Run:
    """The run with the constant variances that fit its validation events best on this chain."""
    from quasistatic._training.keys import Role, role_key
    from quasistatic.errors import InputError
    from quasistatic.thermodynamics.steps import with_fitted_variances

    data = run.source.split("validation", run.recipe.evaluation.events)

    def fitted(diffusion: Diffusion) -> Diffusion:
        return with_fitted_variances(diffusion, data.x, key=role_key(0, Role.VALIDATION), steps=steps, side=data.side)

    try:
        return attrs.evolve(run, diffusion=fitted(run.diffusion), held_out=run.held_out and fitted(run.held_out))
    except (TypeError, ValueError) as error:
        raise InputError(str(error)) from None


def _likelihood_rows(found: Likelihood, measured: Evaluation) -> Iterator[tuple[str, Estimate]]:
    """log p, of which model, with the error of an event's own, and both bounds for events of the model."""
    least = " at least" if found.is_bound else ""
    if found.log_scale is not None:
        yield f"log p{least}, in the units of the data", measured.mean_of(found.per_event - found.log_scale)
    yield f"log p{least}", measured.mean_of(found.per_event)
    yield "  error of an event's own", attrs.evolve(measured.mean_of(found.errors), standard_error=math.nan)
    if found.own is not None:
        yield "  of events of the model, at least", measured.mean_of(found.own[0])
        yield "  of events of the model, at most", measured.mean_of(found.own[1])


def _likelihood_notes(found: Likelihood) -> Iterator[str]:
    yield f"log p is of {found.model}"
    if count := int(found.is_doubtful.sum()):
        yield f"{count} of {len(found.per_event)} events are doubtful: log p may be more than the error above; --paths help"


def _likelihood_json(found: Likelihood, measured: Evaluation) -> dict[str, Any]:
    from quasistatic._runs.evaluation import to_json

    return {
        "method": found.method,
        "model": found.model,
        "is_bound": found.is_bound,
        "doubtful_events": int(found.is_doubtful.sum()),
        "values": {label.strip(): to_json(value) for label, value in _likelihood_rows(found, measured)},
    }


def _table(measured: Evaluation, found: Likelihood | None) -> bytes:
    """K of every record beside where it comes from, in the user's units where there are any; the unit is in the header."""
    from quasistatic._data.answers import record_table

    ledger, shift = measured.ledger, measured.log_scale
    dims = math.log(2) * ledger.units["dim"]
    where = "" if shift is None else "_in_user_units"
    user = ledger.per_event - (0.0 if shift is None else shift)
    errors = [""] * len(user) if ledger.per_event_error is None else ledger.per_event_error
    columns = {f"bound_nats{where}": user, "standard_error_nats": errors, f"bound_bits_per_dim{where}": user / dims}
    if shift is not None:
        columns["bound_nats_in_model_units"] = ledger.per_event
    if found is not None:
        columns |= {f"log_p_nats{where}": found.per_event - (0.0 if shift is None else shift), "log_p_error_nats": found.errors}
    return record_table(measured.data, columns)
