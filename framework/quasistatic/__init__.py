"""Learn a distribution by destroying it slowly.

Everything named here is the public API. Names are imported when they are first used: a plugin that registers a
component, and the command line that lists it, never load jax. Importing configures nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quasistatic import errors as errors
    from quasistatic import oracles as oracles
    from quasistatic import pictures as pictures
    from quasistatic import testing as testing
    from quasistatic import trajectory as trajectory
    from quasistatic._component import Command as Command
    from quasistatic._component import Component as Component
    from quasistatic._component import NamedRecipe as NamedRecipe
    from quasistatic._diffusion import Diffusion as Diffusion
    from quasistatic._distribution import AbstractDistribution as AbstractDistribution
    from quasistatic._distribution import AbstractIntegrable as AbstractIntegrable
    from quasistatic._distribution import uniform as uniform
    from quasistatic._event import Event as Event
    from quasistatic._finite import Finite as Finite
    from quasistatic._finite import FiniteKernel as FiniteKernel
    from quasistatic._finite import floored_log as floored_log
    from quasistatic._grid import AbstractGrid as AbstractGrid
    from quasistatic._grid import FixedGrid as FixedGrid
    from quasistatic._grid import LearnedGrid as LearnedGrid
    from quasistatic._hooks import hookimpl as hookimpl
    from quasistatic._kernel import AbstractKernel as AbstractKernel
    from quasistatic._ledger import Estimate as Estimate
    from quasistatic._ledger import Ledger as Ledger
    from quasistatic._ledger import ledger as ledger
    from quasistatic._ledger import ledger_terms as ledger_terms
    from quasistatic._loading import PluginStatus as PluginStatus
    from quasistatic._model import AbstractModel as AbstractModel
    from quasistatic._model import Ports as Ports
    from quasistatic._model import bumps as bumps
    from quasistatic._objective import AbstractObjective as AbstractObjective
    from quasistatic._observe import AbstractObserver as AbstractObserver
    from quasistatic._observe import RunInfo as RunInfo
    from quasistatic._plugins import PluginManager as PluginManager
    from quasistatic._plugins import plugins as plugins
    from quasistatic._recipe import Choice as Choice
    from quasistatic._recipe import Recipe as Recipe
    from quasistatic._recipe import load_recipe as load_recipe
    from quasistatic._run import Run as Run
    from quasistatic._run import open_run as open_run
    from quasistatic._run import train as train
    from quasistatic._sample import sample as sample
    from quasistatic._sampler import AbstractSampler as AbstractSampler
    from quasistatic._schedule import AbstractSchedule as AbstractSchedule
    from quasistatic._schedule import log_noise as log_noise
    from quasistatic._schedule import log_survival as log_survival
    from quasistatic._schedule import make_schedule as make_schedule
    from quasistatic._source import AbstractSource as AbstractSource
    from quasistatic._source import AugmentedSource as AugmentedSource
    from quasistatic._source import Data as Data
    from quasistatic._source import GeneratedSource as GeneratedSource
    from quasistatic._source import Split as Split
    from quasistatic._source import Units as Units
    from quasistatic._tables import Table as Table
    from quasistatic._tables import as_table as as_table
    from quasistatic._tables import read_table as read_table
    from quasistatic.errors import CheckpointError as CheckpointError
    from quasistatic.errors import ComponentConflict as ComponentConflict
    from quasistatic.errors import ComponentNotFound as ComponentNotFound
    from quasistatic.errors import DataError as DataError
    from quasistatic.errors import IncompatibleError as IncompatibleError
    from quasistatic.errors import InputError as InputError
    from quasistatic.errors import PluginError as PluginError
    from quasistatic.errors import QuasistaticError as QuasistaticError
    from quasistatic.errors import RecipeError as RecipeError
    from quasistatic.errors import RunError as RunError
    from quasistatic.errors import TrainingDiverged as TrainingDiverged

    __version__: str

_SUBMODULES = ("errors", "oracles", "pictures", "testing", "trajectory")

# the same as above, for the interpreter; a test compares the two
_NAMES = {
    "_component": "Command Component NamedRecipe",
    "_diffusion": "Diffusion",
    "_distribution": "AbstractDistribution AbstractIntegrable uniform",
    "_event": "Event",
    "_finite": "Finite FiniteKernel floored_log",
    "_grid": "AbstractGrid FixedGrid LearnedGrid",
    "_hooks": "hookimpl",
    "_kernel": "AbstractKernel",
    "_ledger": "Estimate Ledger ledger ledger_terms",
    "_model": "AbstractModel Ports bumps",
    "_objective": "AbstractObjective",
    "_observe": "AbstractObserver RunInfo",
    "_loading": "PluginStatus",
    "_plugins": "PluginManager plugins",
    "_recipe": "Choice Recipe load_recipe",
    "_run": "Run open_run train",
    "_sample": "sample",
    "_sampler": "AbstractSampler",
    "_schedule": "AbstractSchedule log_noise log_survival make_schedule",
    "_source": "AbstractSource AugmentedSource Data GeneratedSource Split Units",
    "_tables": "Table as_table read_table",
    "errors": (
        "CheckpointError ComponentConflict ComponentNotFound DataError IncompatibleError InputError PluginError "
        "QuasistaticError RecipeError RunError TrainingDiverged"
    ),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("quasistatic")
    if name in _SUBMODULES:
        return importlib.import_module(f"quasistatic.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'quasistatic' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"quasistatic.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_SUBMODULES, "__version__"})
