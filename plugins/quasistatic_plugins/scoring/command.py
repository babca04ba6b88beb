"""quasistatic score"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import quasistatic as qs
from quasistatic.cli import parts

if TYPE_CHECKING:
    import numpy as np

HEADERS = ("event", "score", "error", "p", "flagged", "list", "why")
SHOWN, NAMED = 10, 3  # events of the table, and columns of each

share = click.FloatRange(0.0, 1.0, min_open=True, max_open=True)


@click.command()
@parts.run_argument
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--rate", type=share, default=0.01, show_default=True, help="The rate at which usual events may be flagged.")
@click.option("--fdr", type=share, default=0.1, show_default=True, help="The share of usual events in the list of discoveries.")
@parts.seed_option
@parts.json_option
@parts.out_option([".csv", *parts.PICTURES], "A table with a line for every record, or a picture.")
@click.pass_obj
def score(
    manager: qs.PluginManager, folder: Path, data: Path, rate: float, fdr: float, seed: int, as_json: bool, out: Path | None
) -> None:
    """Score how unusual the events of the file DATA are beside those that a finished RUN was trained with.

    An event's score depends on that event alone. p-values compare with held-out events of the run, and an event is flagged
    where its own is --rate or less. Records outside of the model's support are flagged, with the reason.
    """
    import numpy as np

    from quasistatic_plugins.scoring import drawing

    parts.run_folder(folder)
    parts.refuse_absent(data)
    if out is not None:
        qs.files.try_out(out)
    run = qs.open_run(folder, manager)
    found = run.score(qs.read_events(run.source, data), rate=rate, fdr=fdr, seed=seed)
    if out is not None:
        qs.files.write_durably(out, _table(found) if out.suffix.lower() == ".csv" else drawing.picture(found, out.suffix))
    if as_json:
        parts.echo_json({"run": str(folder), **_values(found), **qs.answers.answers_to_json(found.data)})
        return
    if len(found.scores):
        parts.echo_table(HEADERS, [_row(found, row) for row in np.argsort(-found.scores, kind="stable")[:SHOWN]])
    for line in _summary(found):
        parts.echo(line)


def _row(found: qs.Scores, row: int) -> list[str]:
    tags = found.data.tags or {"event": found.data.numbers}
    name = ", ".join(f"{tag} {values[row]}" for tag, values in tags.items())
    why = ", ".join(f"{column} {value:+.2f}" for column, value in list(_shares(found, row).items())[:NAMED])
    marks = ["yes" if each[row] else "" for each in (found.flagged, found.discovered)]
    return [name, f"{found.scores[row]:.3f}", f"{found.errors[row]:.3f}", f"{found.p_values[row]:.3g}", *marks, why]


def _shares(found: qs.Scores, row: int) -> dict[str, float]:
    """What each column adds to the score, the largest first; they add up to it, with what belongs to all columns together."""
    shares = {name: float(values[row]) for name, values in _columns(found).items()}
    return dict(sorted(shares.items(), key=lambda each: -each[1]))


def _columns(found: qs.Scores) -> dict[str, np.ndarray]:
    return {**found.by_column, "all together": found.together}


def _summary(found: qs.Scores) -> list[str]:
    certified, count = found.certificate, len(found.known)
    lines = [f"{int(found.flagged.sum())} of {len(found.scores)} events are flagged at a rate of {found.rate:g}"]
    if certified.at_most:
        percent = 100.0 * certified.at_most
        lines.append(
            f"with {certified.confidence:.0%} confidence the rate of usual events that are flagged is at most {percent:.2g} %"
        )
    else:
        lines.append(f"none can be: {count} held-out events support rates of {1 / (count + 1):.2g} and more")
    lines.append(f"{int(found.discovered.sum())} are on a list with a share of {found.fdr:g} usual ones at most, on average")
    lines.append(f"p-values are beside {count} held-out events of the run")
    outside = qs.answers.about_outside(found.data)
    return lines if outside is None else [*lines, f"{outside}; all of these are flagged"]


def _table(found: qs.Scores) -> bytes:
    """Every record beside where it comes from, in the order of the file."""
    shares = {f"share_of_{name}": values for name, values in _columns(found).items()}
    columns = {"score": found.scores, "standard_error": found.errors, "p_value": found.p_values}
    marks = {"flagged": found.flagged.astype(int), "on_list": found.discovered.astype(int)}
    return qs.answers.record_table(found.data, {**columns, **marks, **shares})


def _values(found: qs.Scores) -> dict[str, Any]:
    import numpy as np

    certified = found.certificate
    events = [
        {
            "number": int(found.data.numbers[row]),
            "tags": {name: np.asarray(values[row]).tolist() for name, values in found.data.tags.items()},
            "score": float(found.scores[row]),
            "standard_error": float(found.errors[row]),
            "p_value": float(found.p_values[row]),
            "flagged": bool(found.flagged[row]),
            "on_list": bool(found.discovered[row]),
            "shares": _shares(found, row),
            "models": {name: float(values[row]) for name, values in found.by_model.items()},
        }
        for row in range(len(found.scores))
    ]
    return {
        "rate": found.rate,
        "fdr": found.fdr,
        "held_out_events": len(found.known),
        "certificate": {
            "threshold": certified.threshold,
            "rate_at_most": certified.at_most,
            "mean_rate": certified.mean,
            "confidence": certified.confidence,
        },
        "events": events,
    }
