"""quasistatic cache"""

from __future__ import annotations

import click

from quasistatic.cli._compiled import MOST, clear, compiled_folder, programs
from quasistatic.cli.parts import echo, echo_json, json_option


@click.command()
@click.option("--clear", "wanted", is_flag=True, help="Remove them all; they are compiled again when they are needed.")
@json_option
def cache(wanted: bool, as_json: bool) -> None:
    """Show, or clear, the compiled programs that are kept on disk, so that the second run of a recipe starts at once.

    They are native code that is run: the folder is yours alone, or is not used. JAX_COMPILATION_CACHE_DIR names another.
    """
    folder = compiled_folder()
    removed = clear(folder) if wanted else 0
    left = [(size, path) for _, size, path in programs(folder)]
    count, size = sum(path.name.endswith("-cache") for _, path in left), sum(size for size, _ in left)
    if as_json:
        echo_json({"folder": str(folder), "programs": count, "bytes": size, "most_bytes": MOST, "removed": removed})
        return
    if wanted:
        echo(f"removed {removed} programs")
    echo(f"{folder}: {count} programs, {size / 1e6:.1f} MB of at most {MOST / 1e6:.0f} MB")
