"""A run without what it tells about its data and its maker: what sampling needs, and no more."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import equinox as eqx
import jax.numpy as jnp
import numpy as np

from quasistatic._data.source import AbstractKept, capability
from quasistatic._plugins.options import with_paths
from quasistatic._recipes.recipe import Recipe, paths_of
from quasistatic._runs.job import DATA, WEIGHTS
from quasistatic._runs.run import Run
from quasistatic._storage import files
from quasistatic._storage.folder import RunFolder
from quasistatic._training.engine import initial_state, trained_part
from quasistatic._training.store import Progress, Store
from quasistatic.errors import RunError

NAME, REMOVED = "stripped", "removed"  # what a recipe is called then, and what stands in it where a path was
ORIGIN = {"path": "", "size": 0, "sha256": ""}
ROWS = ("train", "validation", "test", "input")  # arrays of a record that are of rows: their numbers, and text itself
SHORTEST = 4  # letters of what is looked for


def strip(run: Run, out: Path) -> None:
    """Write into the new folder `out` what samples of a run are drawn from.

    Left out are paths, digests, notes and numbers of rows; text of the standard input; all but the kept weights, with the state
    of their training and every K but the best; reports, pictures and metrics. Samples of one seed are those of the run.
    Raises RunError for a run that cannot do without its files, and where something private would remain.
    """
    assert run.folder is not None
    folder = RunFolder.open(run.folder)
    about, arrays = folder.read_about(), folder.read_arrays()
    _refuse_needed(run, DATA in about)
    private = list(_private(run.recipe, about, folder))
    record = {DATA: _without({**about[DATA], "splits": {}}, private)} if DATA in about else {}
    kept: dict[str, Any] = {key: about[key] for key in ("python", "packages", "plugins") if key in about}
    numbers = {name: _of_no_rows(name, array) for name, array in arrays.items() if not name.startswith(WEIGHTS) and name != "input"}
    RunFolder(out).refuse_used()
    with files.committed(out) as draft:
        draft.mkdir()
        RunFolder.write(draft, _stripped(run.recipe).to_toml(), {**kept, **record}, numbers)
        _save(run, draft)
        _refuse_private(draft, private)


def _refuse_needed(run: Run, is_recorded: bool) -> None:
    for option, place in paths_of(attrs.evolve(run.recipe, observers=())).items():
        if not (option.startswith("source.") and is_recorded and capability(run.source, AbstractKept) is not None):
            raise RunError(f"{run.folder}: cannot do without its files: {option} = {place!r:.80} is read whenever it is opened")


def _stripped(recipe: Recipe) -> Recipe:
    source = recipe.choices["source"]
    choices = {**recipe.choices, "source": attrs.evolve(source, options=with_paths(source.options, REMOVED))}
    training = attrs.evolve(recipe.training, refit=False, observers=())
    return attrs.evolve(recipe, name=NAME, choices=choices, training=training, observers=())


def _without(value: Any, private: Iterable[str]) -> Any:
    """A record without notes and origins, and without any text that has something private in it."""
    if isinstance(value, Mapping):
        found = {key: [] if key == "notes" else _without(each, private) for key, each in value.items()}
        return {**found, **ORIGIN} if ORIGIN.keys() <= value.keys() else found
    if isinstance(value, list):
        return [_without(each, private) for each in value]
    return REMOVED if isinstance(value, str) and any(each in value for each in private) else value


def _of_no_rows(name: str, array: np.ndarray) -> np.ndarray:
    """Numbers of rows as if there were one; others as they are."""
    return np.arange(name == "train", dtype=array.dtype) if name in ROWS else array


def _save(run: Run, folder: Path) -> None:
    """One checkpoint, of the weights of the run alone."""
    weights, _ = trained_part(run.diffusion)
    fresh = initial_state(run.task.diffusion, run.task.options)
    update = jnp.asarray(run.kept_update, fresh.update.dtype)
    state = eqx.tree_at(lambda state: (state.update, state.trained, state.averaged), fresh, (update, weights, weights))
    Store(folder / "checkpoints").save(state, Progress(run.best, (), None))


def _private(recipe: Recipe, about: Mapping[str, Any], folder: RunFolder) -> Iterator[str]:
    """What must not remain: paths, as they were given and in full, the names of their files, the host and the home."""
    named = {*paths_of(recipe).values(), *folder.named().places, *_origins(about.get(DATA))}
    named |= {os.path.abspath(place) for place in named if os.sep in place}
    named |= {os.path.dirname(place) for place in named} | {os.path.basename(place) for place in named if "." in place}
    named |= {socket.gethostname(), os.path.expanduser("~"), str(folder.path.absolute())}
    yield from sorted(each for each in named if len(each) >= SHORTEST)


def _origins(value: Any) -> Iterator[str]:
    """Every path in a record."""
    if isinstance(value, Mapping):
        if ORIGIN.keys() <= value.keys():
            yield str(value["path"])
        for each in value.values():
            yield from _origins(each)
    elif isinstance(value, list):
        for each in value:
            yield from _origins(each)


def _refuse_private(folder: Path, private: Iterable[str]) -> None:
    """Raises RunError where the bytes of any file have something private."""
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        data = path.read_bytes()
        for each in private:
            if each.encode(errors="surrogateescape") in data:
                raise RunError(f"{path.relative_to(folder)}: {each!r} would remain in it; nothing was written")
