"""quasistatic features and cluster"""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import quasistatic as qs
from quasistatic.cli import parts

if TYPE_CHECKING:
    import numpy as np

    from quasistatic_plugins.groups.clustering import Clustering

BY = ("mean", "hidden", "ledger")
METHODS = ("spectral", "ward", "kmeans")
HEADERS = ("group", "events", "share", "mean probability", "labels")
LABELS = 3  # of a group that are named

data_argument = click.argument("data", required=False, type=click.Path(path_type=Path))


def _time(_ctx: click.Context, _parameter: click.Parameter, value: str) -> float | str:
    if value == "auto":
        return value
    try:
        return float(value)
    except ValueError:
        raise click.BadParameter(f"expected 'auto' or a time, got {value!r:.80}") from None


@click.command()
@parts.run_argument
@data_argument
@click.option("--by", type=click.Choice(BY), default="mean", show_default=True, help="What is written of each event.")
@click.option("--time", default="auto", show_default=True, callback=_time, metavar="TIME", help="On the chain; 'auto' chooses.")
@click.option("--repeats", type=parts.WholeNumber(1), default=16, show_default=True, help="Draws of the noise, averaged.")
@parts.seed_option
@parts.out_option([".csv", ".npz"], "A table with a line for every record, or arrays.", required=True)
@click.pass_obj
def features(
    manager: qs.PluginManager, folder: Path, data: Path | None, by: Any, time: Any, repeats: int, seed: int, out: Path
) -> None:
    """Write events of the file DATA, or all of the RUN's own, as vectors for other tools.

    By 'mean', what the network makes of a noisy event; 'hidden', its hidden layer, where it offers one; or 'ledger', the terms of
    -K. The vector of an event depends on that event and the seed alone.

    \b
    quasistatic features runs/digits -o features.npz
    quasistatic features runs/table new.csv --by ledger -o features.csv
    """
    from quasistatic_plugins.groups.events import events_of

    parts.run_folder(folder)
    if data is not None:
        parts.refuse_absent(data)
    qs.files.try_out(out)
    run = qs.open_run(folder, manager)
    found = run.features(events_of(run, data), by=by, time=time, seed=seed, repeats=repeats)
    if out.suffix.lower() == ".csv":
        written = qs.answers.record_table(found.data, dict(zip(found.names, found.values.T, strict=True)))
    else:
        written = _arrays(found.values, found.names, found.data)
    qs.files.write_durably(out, written)
    at = "" if found.time is None else f", at time {found.time:.4g}"
    parts.echo(f"{len(found.values)} events, {len(found.names)} numbers each{at}: {out}")
    outside = qs.answers.about_outside(found.data)
    if outside is not None:
        parts.echo(outside)


def _arrays(values: np.ndarray, names: tuple[str, ...], data: qs.Data) -> bytes:
    """Features, their names, the number of each record, and its tags."""
    import numpy as np

    buffer = io.BytesIO()
    tags: dict[str, Any] = {f"tag_{name}": np.asarray(each) for name, each in data.tags.items() if np.asarray(each).dtype != object}
    np.savez(buffer, features=values, names=np.array(names), record=data.numbers, **tags)
    return buffer.getvalue()


@click.command()
@parts.run_argument
@data_argument
@click.option(
    "-k",
    "counts",
    type=parts.WholeNumber(2),
    multiple=True,
    default=(10,),
    show_default=True,
    help="How many classes; of several numbers the one of the highest validation K is kept.",
)
@click.option("--method", type=click.Choice(METHODS), default="spectral", show_default=True, help="What makes the first groups.")
@click.option("--seeds", type=parts.WholeNumber(1), default=1, show_default=True, help="Learn so often, to see what is stable.")
@parts.seed_option
@parts.json_option
@parts.out_option([".csv", *parts.PICTURES], "A table with a line for every record, or a picture of the groups.")
@click.pass_obj
def cluster(
    manager: qs.PluginManager,
    folder: Path,
    data: Path | None,
    counts: tuple[int, ...],
    method: str,
    seeds: int,
    seed: int,
    as_json: bool,
    out: Path | None,
) -> None:
    """Learn classes of the events that a finished RUN was trained with, without labels; and give those of the file DATA, or of all
    events of the run.

    A network like the run's learns with a hidden class of each event, which follows from K given each class, in turn. It is trained
    for about as long as the run. K with the classes, which are not given, stands beside K without. Labels, where there are any,
    only judge.

    \b
    quasistatic cluster runs/digits -k 10 -o groups.png
    quasistatic cluster runs/table new.csv -k 2 -k 3 -k 4 -o groups.csv
    """
    from quasistatic_plugins.groups import clustering, drawing
    from quasistatic_plugins.groups.events import events_of

    parts.run_folder(folder)
    if data is not None:
        parts.refuse_absent(data)
    if out is not None:
        qs.files.try_out(out)
    run = qs.open_run(folder, manager)
    events = events_of(run, data)

    def report(line: str) -> None:
        parts.echo(line, err=True)

    found = clustering.cluster(run, events, counts, method=method, seeds=seeds, seed=seed, report=report)
    if out is not None:
        is_table = out.suffix.lower() == ".csv"
        qs.files.write_durably(out, _table(found) if is_table else drawing.picture(run, found, out.suffix))
    if as_json:
        parts.echo_json({"run": str(folder), **_values(found), **qs.answers.answers_to_json(found.data)})
        return
    parts.echo_table(HEADERS, [_row(found, number) for number in range(found.found.count)])
    for line in _summary(found):
        parts.echo(line)


def _row(found: Clustering, number: int) -> list[str]:
    rows = found.groups == number
    events = int(rows.sum())
    sure = f"{found.probabilities[rows, number].mean():.3f}" if events else ""
    return [str(number), str(events), f"{events / max(len(rows), 1):.3f}", sure, _labels(found, rows)]


def _labels(found: Clustering, rows: np.ndarray) -> str:
    """The most frequent labels of some events, with their shares."""
    import numpy as np

    from quasistatic_plugins.groups.clustering import LABEL

    if LABEL not in found.data.tags or not rows.any():
        return ""
    names, counts = np.unique(np.asarray(found.data.tags[LABEL])[rows], return_counts=True)
    first = np.argsort(-counts, kind="stable")[:LABELS]
    return ", ".join(f"{names[each]} {counts[each] / counts.sum():.0%}" for each in first)


def _summary(found: Clustering) -> list[str]:
    from quasistatic_plugins.groups.clustering import mean_of

    lines = []
    for count, each in found.judged.items():
        (without, _), (within, error), (gain, spread) = mean_of(each.without), mean_of(each.learned), each.gain
        chosen = ", chosen" if count == found.found.count and len(found.judged) > 1 else ""
        lines.append(
            f"K of {len(each.learned)} validation events with {count} learned classes {within:.4f} +- {error:.4f} nats{chosen}"
        )
        lines.append(f"  without {without:.4f}, so classes add {gain:+.4f} +- {spread:.4f}")
    if found.stability:
        agreed = ", ".join(f"{value:.3f}" for value in found.stability)
        lines.append(f"mutual information of groups of {len(found.stability)} pairs of seeds, over their entropy: {agreed}")
    for name, value in found.agreement.items():
        lines.append(f"mutual information with labels, over their entropy: {name} {value:.3f}")
    outside = qs.answers.about_outside(found.data)
    return lines if outside is None else [*lines, outside]


def _table(found: Clustering) -> bytes:
    shares = {f"probability_of_{number}": share for number, share in enumerate(found.probabilities.T)}
    return qs.answers.record_table(found.data, {"group": found.groups, **shares})


def _values(found: Clustering) -> dict[str, Any]:
    from quasistatic_plugins.groups.clustering import mean_of

    judged = []
    for count, each in found.judged.items():
        value, error = mean_of(each.learned)
        gain, spread = each.gain
        own = {"bound": value, "standard_error": error, "without": mean_of(each.without)[0], "gain": gain, "gain_error": spread}
        judged.append({"classes": count, "events": len(each.learned), **own})
    return {
        "classes": found.found.count,
        "judged": judged,
        "stability": list(found.stability),
        "agreement_with_labels": found.agreement,
        "shares": [math.exp(share) for share in found.found.log_shares],
        "groups": found.groups.tolist(),
        "numbers": found.data.numbers.tolist(),
    }
