"""Runs: train one from a recipe, open one from a folder, and ask it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import equinox as eqx
import numpy as np

from quasistatic._diffusion import Diffusion
from quasistatic._engine import initial_state, make_optimiser, trained_part
from quasistatic._evaluate import Evaluation, evaluate
from quasistatic._folder import RunFolder
from quasistatic._keys import Role, role_key
from quasistatic._ledger import Ledger, ledger
from quasistatic._observe import AbstractObserver
from quasistatic._plugins import plugins
from quasistatic._provenance import about, kept_recipe
from quasistatic._recipe import Recipe, load_recipe
from quasistatic._sample import sample
from quasistatic._source import Data, Split
from quasistatic._store import Best, Store
from quasistatic._train import fit
from quasistatic._wire import Wired, wire
from quasistatic.errors import RunError

if TYPE_CHECKING:
    from quasistatic._plugins import PluginManager


@attrs.frozen(eq=False)
class Run:
    """A trained diffusion with what it was trained on.

    `diffusion` holds the averaged weights of the best validation K.
    """

    wired: Wired
    diffusion: Diffusion
    best: Best | None
    steps_done: int
    notes: tuple[str, ...] = ()

    @property
    def recipe(self) -> Recipe:
        return self.wired.recipe

    def sample(
        self, count: int, seed: int = 0, steps: int | None = None, given: np.ndarray | None = None
    ) -> np.ndarray:
        """`count` events (count, *event) in the user's units.

        `given` (rows, given) is the side information, repeated as needed; by default that of the test split.
        """
        source = self.wired.source
        side = source.split("test").given if given is None else given
        xs = sample(self.wired.sampler, self.diffusion, count, role_key(seed, Role.SAMPLE), steps, side)
        return source.units.to_user(xs)

    def bound(
        self,
        x: np.ndarray,
        steps: int | None = None,
        seed: int = 0,
        repeats: int = 1,
        given: np.ndarray | None = None,
    ) -> Ledger:
        """K of events x (N, *event) given in the user's units: `.per_event` (N,) and `.bound`, nats, model units.

        Densities in the user's units are lower by size * log(scale), see `source.units`. Raises DataError for events
        that do not fit.
        """
        return ledger(self.diffusion, self.wired.source.events(x), role_key(seed, Role.EVALUATION), steps, given, repeats)

    def evaluate(
        self, split: Split | Data = "test", steps: int | None = None, seed: int = 0, repeats: int | None = None
    ) -> Evaluation:
        """K of a split of the source (at most `evaluation.events`) or of events in model units, beside the truth."""
        options, source = self.recipe.evaluation, self.wired.source
        data = split
        if not isinstance(data, Data):
            whole = source.split(data)
            count = min(options.events, len(whole))
            data = Data(whole.x[:count], None if whole.given is None else whole.given[:count])
        key = role_key(seed, Role.EVALUATION)
        return evaluate(self.diffusion, source, data, key, steps, options.repeats if repeats is None else repeats)


def train(
    recipe: Recipe | str,
    data: np.ndarray | None = None,
    observers: Sequence[AbstractObserver] = (),
    out: str | os.PathLike[str] | None = None,
    manager: PluginManager | None = None,
) -> Run:
    """Train a recipe (or a recipe's name) and give back the run.

    `data` (N, *event) takes the place of the recipe's source. With `out` the run is kept in that folder; without it no
    file is touched. Nothing is printed, and neither jax nor logging is configured.
    """
    manager = manager or plugins()
    if isinstance(recipe, str):
        recipe = load_recipe(recipe, manager=manager)
    if out is None:
        return train_wired(wire(recipe, manager, data), observers)
    if data is not None:
        raise RunError("train: `out` keeps a recipe that can be run again, so data must come from a file: source.path")
    wired = wire(recipe, manager)
    folder = RunFolder.create(Path(out), recipe.to_toml(), about(recipe, manager))
    with folder.lock():
        return train_wired(wired, observers, Store(folder.checkpoints, recipe.training.keep))


def train_wired(
    wired: Wired,
    observers: Sequence[AbstractObserver] = (),
    store: Store | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Run:
    """Train what is wired, going on from the store's checkpoint if it holds one."""
    outcome = fit(wired, observers, store, stop)
    notes = () if store is None else tuple(store.notes)
    return Run(wired, outcome.diffusion, outcome.best, int(outcome.state.step), notes)


def open_run(path: str | os.PathLike[str], manager: PluginManager | None = None) -> Run:
    """The run in a folder, with the weights of its best checkpoint.

    Raises RunError where the folder holds no run, CheckpointError where no checkpoint is whole.
    """
    manager = manager or plugins()
    folder = RunFolder.open(Path(path))
    recipe, changed = kept_recipe(folder, manager)
    store = Store(folder.checkpoints, recipe.training.keep)
    if not store.holds_checkpoint():
        raise RunError(f"{path}: the run has saved no checkpoint yet; `quasistatic resume {path}` starts it again")
    wired = wire(recipe, manager)
    _, rest = trained_part(wired.diffusion)
    state, best, weights = store.load(initial_state(wired.diffusion, make_optimiser(recipe.training)))
    return Run(wired, eqx.combine(weights, rest), best, int(state.step), (*changed, *store.notes))
