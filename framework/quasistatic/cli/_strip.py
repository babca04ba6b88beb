"""quasistatic strip"""

from __future__ import annotations

from pathlib import Path

import click

from quasistatic.cli._common import manager_of
from quasistatic.cli.parts import echo, run_argument, run_folder


@click.command()
@run_argument
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, metavar="FOLDER", help="A new folder, for the copy.")
@click.pass_context
def strip(ctx: click.Context, folder: Path, out: Path) -> None:
    """Copy a trained run into a new folder that others may have: what samples are drawn from, and no more.

    Paths, digests, notes, numbers of rows, text from the standard input, the host, reports, pictures and metrics stay behind.
    What samples show remains: the names of columns, categories, letters.
    """
    run_folder(folder)
    from quasistatic._storage.folder import RunFolder

    RunFolder(out).refuse_used()
    from quasistatic._runs.job import open_run
    from quasistatic._runs.stripping import strip as copy
    from quasistatic.cli._jax import configure_jax

    configure_jax()
    run = open_run(folder, manager_of(ctx))
    copy(run, out)
    if run.source.side is not None:
        echo(
            f"note: samples need side information ({run.source.side.describe()}), which was that of rows and stays behind; "
            "in Python: run.sample(n, side=...)",
            err=True,
        )
    echo(f"stripped: {out}  (quasistatic sample {out} -o FILE)")
