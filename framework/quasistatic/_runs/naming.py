"""Which paths of a run are followed: those that its reader has named, never one that only stands in it.

A seal is a checksum: whoever changes a recipe seals it again. What a user names, by starting a run or with `--data`, is signed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from quasistatic._data.origin import Places
from quasistatic._recipes.recipe import Recipe, paths_of
from quasistatic._storage.folder import Named, RunFolder
from quasistatic.errors import RunError

SOURCE = "source."  # begins the options of a source
STDIN = "-"  # no place: what was read there is kept by the run


def places_of(recipe: Recipe) -> list[str] | None:
    """The places of data that a user names by starting this recipe; None where it has no path at all."""
    named = paths_of(recipe)
    own = dict.fromkeys(place for option, place in named.items() if option.startswith(SOURCE) and place != STDIN)
    return [_absolute(place) for place in own] if named else None


def known_places(folder: RunFolder, data: Sequence[str | os.PathLike[str]]) -> Places:
    """Where the data of a run are looked for: where its reader names them now, then where they did before."""
    return Places((*map(_absolute, data), *folder.named().places), str(folder.path))


def name_data(folder: RunFolder, data: Sequence[str | os.PathLike[str]]) -> None:
    """Keep where this user names the data of a run, before what they named earlier."""
    before = folder.named()
    named = dict.fromkeys((*map(_absolute, data), *before.places))
    folder.name(Named(tuple(named), before.is_own))


def refuse_paths(folder: RunFolder, recipe: Recipe, is_recorded: bool) -> None:
    """Raises RunError for a path in the recipe of a run that this user has not started, but for data that are recorded."""
    if folder.named().is_own:
        return
    for option, place in paths_of(recipe).items():
        is_of_data = option.startswith(SOURCE)
        if not (is_of_data and is_recorded):
            why = "the run has no record of its data" if is_of_data else "it is not that of data"
            raise RunError(
                f"{folder.path}: you have not started this run, and a path that only stands in a run is never followed: {option} = "
                f"{place!r:.80}, and {why}; if you trust its recipe, begin anew: quasistatic run {folder.recipe}"
            )


def _absolute(place: str | os.PathLike[str]) -> str:
    return os.path.abspath(os.path.expanduser(place))
