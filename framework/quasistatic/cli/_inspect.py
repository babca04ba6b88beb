"""quasistatic inspect"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quasistatic.cli._common import echo, echo_json, echo_table, json_option, manager_of, recipe_of, set_option

if TYPE_CHECKING:
    from quasistatic._data.inspection import Column
    from quasistatic._process.event import AbstractEvent
    from quasistatic._recipes.recipe import Choice, Recipe

PICTURES = (".png", ".svg", ".pdf")


@click.command()
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE")
@set_option
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="PICTURE", help="Also draw the columns: .png, .svg or .pdf.")
@json_option
@click.pass_context
def inspect(ctx: click.Context, path: Path, overrides: tuple[str, ...], out: Path | None, as_json: bool) -> None:
    """Say what would be read from a file of data, and which options it needs; nothing is trained.

    FILE is a table (.csv, .tsv, .txt, .dat, also .gz, .jsonl; .parquet and .xlsx with quasistatic[table]), an array (.npy,
    .npz), or a folder of pictures.
    """
    if out is not None and out.suffix.lower() not in PICTURES:
        raise click.BadParameter(f"{out}: expected a name that ends with {', '.join(PICTURES)}", param_hint="--out")
    from quasistatic._data.choices import ArrayChoices
    from quasistatic._data.reading import checked
    from quasistatic._storage.files import try_out, write_durably

    if out is not None:
        try_out(out)

    if path.is_dir():
        _look_at_pictures(recipe_of(ctx, str(path), overrides).source, path, overrides, out, as_json)
        return
    checked(path)
    recipe = recipe_of(ctx, str(path), overrides)
    choices = recipe.source.options
    if not isinstance(choices, ArrayChoices):
        raise click.UsageError("source.use: inspect looks at tables and arrays, which are read by the source 'array'")
    from quasistatic.cli._jax import configure_jax

    configure_jax()
    from quasistatic._data.inspection import inspect as look
    from quasistatic._process.tree import take

    found = look(path, choices)
    more = () if found.source is None else _fitting_kernel(ctx, recipe, found.source.event)
    if as_json:
        echo_json(found.to_dict(more))
    else:
        echo_table(("column", "kind", "missing", "distinct", "lowest", "median", "highest"), [_row(each) for each in found.columns])
        echo(f"\n{found.rows} rows")
        for note in found.notes:
            echo(f"  {note}")
        for setting in (*found.settings(), *more):
            echo(f"suggested: --set {setting}")
        echo(f"this cannot be used yet: {found.problem}" if found.problem else f"next: {found.command(more)}")
    if out is not None and found.source is not None:
        from quasistatic._report.pictures import encode, samples
        from quasistatic._report.table_pictures import histograms, is_table

        xs = found.source.split("train").x
        drawn = histograms(found.source, xs) if is_table(found.source) else samples(found.source, take(xs, slice(25)))
        write_durably(out, encode(drawn, out.suffix.lower()[1:]))
        echo(f"picture: {out}", err=as_json)


def _fitting_kernel(ctx: click.Context, recipe: Recipe, event: AbstractEvent) -> tuple[str, ...]:
    """The setting of another kernel where the recipe's does not take such events."""
    if recipe.kernel.component.takes(event):
        return ()
    from quasistatic._recipes.wire import fitting_kernels

    return tuple(f"kernel.use={name}" for name in fitting_kernels(event, manager_of(ctx))[:1])


def _look_at_pictures(choice: Choice, path: Path, overrides: tuple[str, ...], out: Path | None, as_json: bool) -> None:
    """What the source of a folder has found; `out` gets some of its events."""
    from quasistatic._storage.files import write_durably
    from quasistatic.cli._jax import configure_jax

    configure_jax()
    source = choice.component.load()(choice.options)
    command = shlex.join(["quasistatic", "run", str(path), *(part for each in overrides for part in ("--set", each))])
    if as_json:
        echo_json({"path": str(path), "event": source.event.describe(), "notes": list(source.notes), "command": command})
    else:
        for line in (f"events: {source.event.describe()}", *source.notes, f"next: {command}"):
            echo(line)
    if out is not None:
        from quasistatic._report.pictures import encode, samples

        write_durably(out, encode(samples(source, source.split("train", 25).x), out.suffix.lower()[1:]))
        echo(f"picture: {out}", err=as_json)


def _row(column: Column) -> list[str]:
    values = ["" if value is None else f"{value:.6g}" for value in (column.low, column.middle, column.high)]
    kind = f"{column.kind}, constant" if column.is_constant else column.kind
    return [column.name, kind, str(column.missing or ""), str(column.distinct), *values]
