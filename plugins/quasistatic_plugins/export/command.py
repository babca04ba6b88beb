"""quasistatic export"""

from __future__ import annotations

import json
from pathlib import Path

import click

import quasistatic as qs
from quasistatic.cli import parts

PLATFORMS = ("cpu", "cuda", "tpu")


@click.command()
@parts.run_argument
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, metavar="FOLDER", help="A new folder.")
@click.option(
    "--platform",
    "platforms",
    type=click.Choice(PLATFORMS),
    multiple=True,
    help="What the programs run on; may be repeated. By default all three.",
)
@click.option("--sampler", "name", help="A sampler with its default options, in the place of the run's own.")
@parts.steps_option()
@parts.json_option
@click.pass_obj
def export(
    manager: qs.PluginManager,
    folder: Path,
    out: Path,
    platforms: tuple[str, ...],
    name: str | None,
    steps: int | None,
    as_json: bool,
) -> None:
    """Write a finished RUN for programs that have jax and nothing of quasistatic.

    FOLDER gets its sampler and its bound K as StableHLO, for any number of events, its weights as safetensors, what goes in and
    comes out as JSON, and a model card to complete. The programs are loaded again and compared with the run before anything is
    written. Nothing of the training data is in it but what the kernel has measured of them, such as a mean.
    """
    from quasistatic_plugins.export import card, programs

    parts.run_folder(folder)
    if out.exists():
        raise qs.InputError(f"{out}: is there already; expected the name of a new folder")
    if not out.absolute().parent.is_dir():
        raise qs.InputError(f"{out}: the folder {out.absolute().parent} does not exist")
    run = qs.open_run(folder, manager)
    made = programs.export_run(run, platforms or PLATFORMS, name, steps)
    files = {**made.files, card.NAME: card.card(run, made).encode()}
    files[programs.ABOUT] = json.dumps(made.about, indent=2).encode()
    out.mkdir()
    for each, data in files.items():
        qs.files.write_durably(out / each, data)
    if as_json:
        parts.echo_json({"folder": str(out), "files": sorted(files), **made.about})
        return
    parts.echo(f"{out}: {', '.join(sorted(files))}")
    parts.echo(f"loaded again: {made.agreement}")
