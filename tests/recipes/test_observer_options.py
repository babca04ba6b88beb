"""Options of observers: each has a table of its own in a recipe, [observer.NAME]."""

from __future__ import annotations

import importlib

import attrs
import pytest

import quasistatic as qs
from quasistatic._recipes.recipe import load_kept_recipe

BOTH = """
[source]
use = "swiss-roll"
[kernel]
use = "gaussian"
[training]
observers = ["jsonl", "raising"]
[observer.jsonl]
every = 7
[observer.raising]
every = 3
"""


@pytest.fixture
def manager(install_plugin):
    install_plugin("raising_observer")
    return qs.PluginManager()


@pytest.fixture
def both(tmp_path):
    path = tmp_path / "both.toml"
    path.write_text(BOTH)
    return path


def options(recipe):
    return {choice.component.name: attrs.asdict(choice.options) for choice in recipe.observers}


def problems(*arguments):
    with pytest.raises(qs.errors.RecipeError) as caught:
        qs.load_recipe(*arguments)
    return caught.value.problems


def test_options_of_one_name_do_not_meet(both, manager, tmp_path):
    recipe = qs.load_recipe(both, ["observer.raising.when=start"], manager)
    assert options(recipe) == {"jsonl": {"every": 7}, "raising": {"when": "start", "exits": False, "every": 3}}
    assert recipe.to_dict()["observer"] == options(recipe)
    (tmp_path / "resolved.toml").write_text(recipe.to_toml())
    assert attrs.evolve(qs.load_recipe(tmp_path / "resolved.toml", manager=manager), name="both") == recipe
    changed = qs.load_recipe(both, {"observer.jsonl.every": 9}, manager)
    assert {name: each["every"] for name, each in options(changed).items()} == {"jsonl": 9, "raising": 3}


def test_options_of_components_live_in_the_section_of_their_kind(install_plugin):
    recipe = qs.load_recipe("swiss-roll", ["kernel.schedule=cosine", "training.schedule=constant", "observer.jsonl.every=5"])
    values = recipe.to_dict()
    assert (values["kernel"]["schedule"], values["training"]["schedule"]) == ("cosine", "constant")
    assert values["observer"] == {"jsonl": {"every": 5}}


def test_the_order_and_the_defaults_are_those_of_training_observers(both, manager):
    recipe = qs.load_recipe(both, ['training.observers=["raising", "progress", "jsonl"]'], manager)
    assert list(options(recipe)) == ["raising", "progress", "jsonl"]
    assert options(recipe)["progress"] == {} and "progress" not in recipe.to_dict()["observer"]
    assert options(qs.load_recipe("swiss-roll"))["jsonl"] == {"every": 100}


def test_taking_an_observer_away_takes_its_options_away(both, manager):
    assert options(qs.load_recipe(both, ["training.observers=[]"], manager)) == {}
    kept = qs.load_recipe(both, {"observer.raising.every": 4, "training.observers": ["raising"]}, manager)
    assert options(kept)["raising"]["every"] == 4
    (found,) = problems(both, {"observer.jsonl.every": 4, "training.observers": ["raising"]}, manager)
    assert found == "observer.jsonl: training.observers does not name it  (it names: raising)"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("observer.raising.every=0", "observer.raising.every: expected a value >= 1, got 0"),
        ("observer.raising.whem=start", "observer.raising.whem: unknown option; did you mean 'when'?  (raising takes: when, "),
        ("observer.raising.when=strat", "observer.raising.when: expected one of 'build', 'start', "),
        ("observer.raising=3", "observer.raising: expected a table of options, got 3"),
        ("observer.raisin.every=3", "observer.raisin: training.observers does not name it; did you mean 'raising'?"),
        ("observer.every=3", "observer.every: training.observers does not name it  (it names: jsonl, raising)"),
        ("observer=3", "observer: expected a table [observer.NAME] for each with options, got 3"),
        ("observer.jsonl.use=raising", "observer.jsonl.use: unknown option"),
        ("observer.jsonl.every.x=3", "observer.jsonl.every.x: observer.jsonl.every is not a section"),
        ("obsever.jsonl.every=3", "obsever: unknown section; did you mean 'observer'?"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(both, manager, override, said):
    (found,) = problems(both, [override], manager)
    assert found.startswith(said)


def test_problems_of_observers_come_with_all_others(both, manager):
    found = problems(both, ["training.updates=0.5", "observer.jsonl.every=0", "observer.raising.every=0", "model.use=x"], manager)
    assert [problem.partition(":")[0] for problem in found] == [
        "model.use", "training.updates", "observer.jsonl.every", "observer.raising.every",
    ]  # fmt: skip


def test_a_recipe_that_was_kept_is_read_without_the_observers_that_are_gone(both, manager):
    recipe, gone = load_kept_recipe(both.read_bytes(), both, manager)
    assert (list(options(recipe)), gone) == (["jsonl", "raising"], [])
    recipe, gone = load_kept_recipe(both.read_bytes(), both, qs.PluginManager(blocked=["raising_observer"]))
    assert (options(recipe), gone) == ({"jsonl": {"every": 7}}, ["raising"])


def test_completion_knows_them(cli):
    asked = {"_QUASISTATIC_COMPLETE": "bash_complete", "COMP_CWORD": "4"}
    found = cli(env={**asked, "COMP_WORDS": "quasistatic config swiss-roll --set observer.jsonl"})
    assert "observer.jsonl.every=" in found.stdout


WATCHING = '''
import attrs
import quasistatic as qs

@attrs.frozen
class Options:
    """Watches."""

class Watcher(qs.AbstractObserver):
    is_display = DISPLAY

    def __init__(self, options, out):
        self.seen = []
        WATCHERS.append(self)

    def start(self, info):
        self.seen.append(info.updates)

WATCHERS = []

@qs.hookimpl
def quasistatic_observers():
    return [qs.Component("observer", "watcher", Options, Watcher, is_default=DEFAULT)]
'''
SMALL = {"model.width": 4, "model.depth": 1, "training.updates": 2, "training.batch": 4, "trajectory.steps": 2}


@pytest.mark.parametrize("default", [True, False])
@pytest.mark.parametrize("display", [True, False])
def test_observers_that_are_defaults_are_attached_and_displays_are_left_out_of_a_quiet_run(tmp_path, monkeypatch, default, display):
    monkeypatch.syspath_prepend(tmp_path)
    module = f"watching_{default}_{display}".lower()
    (tmp_path / f"{module}.py").write_text(f"DEFAULT, DISPLAY = {default}, {display}\n{WATCHING}")
    manager = qs.PluginManager(modules=[module])
    recipe = qs.load_recipe("swiss-roll", {**SMALL, "training.validation_events": 8}, manager)
    names = [choice.component.name for choice in recipe.observers]
    assert ("watcher" in names) == default and {"progress", "jsonl"} <= set(names)
    qs.train(recipe, manager=manager)  # the library is quiet
    watchers = importlib.import_module(module).WATCHERS
    assert [watcher.seen for watcher in watchers] == ([] if not default else [[]] if display else [[2]])
