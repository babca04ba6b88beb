"""A kind of component that a plugin brings: declared, named in a recipe, built, listed, checked."""

from __future__ import annotations

import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

import quasistatic as qs
from quasistatic._plugins.manager import PluginManager
from quasistatic.errors import ComponentConflict, ComponentNotFound, PluginError, RecipeError


class AbstractDistance(ABC):
    """How far samples are from data."""

    @abstractmethod
    def between(self, samples: np.ndarray, data: np.ndarray) -> float:
        """From events (N, ...) and (M, ...)."""


@attrs.frozen
class MeansOptions:
    """The distance of the means."""

    order: float = qs.option(2.0, "order of the norm")


class Means(AbstractDistance):
    def __init__(self, options: MeansOptions, event: qs.AbstractEvent):
        self.order, self.event = options.order, event

    def between(self, samples: np.ndarray, data: np.ndarray) -> float:
        return float(np.linalg.norm((samples.mean(axis=0) - data.mean(axis=0)).ravel(), self.order))


DISTANCE = qs.Kind("distance", AbstractDistance, "How far samples are from data.", inputs=("event",))
MEANS = qs.Component("distance", "means", MeansOptions, build=Means)


class Brings:
    """A plugin with kinds, and with components of them."""

    def __init__(self, kinds: Sequence[Any] = (), components: Sequence[Any] = ()):
        self.kinds, self.components = kinds, components

    @qs.hookimpl
    def quasistatic_kinds(self) -> Any:
        return self.kinds

    @qs.hookimpl
    def quasistatic_components(self) -> Any:
        return self.components


Load = Callable[..., PluginManager]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    """The manager that has these plugins besides the installed ones."""

    def loaded(*plugins: Any) -> PluginManager:
        names = []
        for number, plugin in enumerate(plugins):
            module: Any = type(sys)(f"brings_{number}")
            module.plugin = plugin
            monkeypatch.setitem(sys.modules, module.__name__, module)
            names.append(f"{module.__name__}:plugin")
        return PluginManager(names)

    return loaded


def test_a_kind_of_one_plugin_has_components_of_another(load: Load) -> None:
    manager = load(Brings([DISTANCE]), Brings([], [MEANS]))
    assert [*manager.kinds][-1] == "distance" and manager.kind("distance") is DISTANCE
    assert manager.components("distance") == (MEANS,) and MEANS in manager.components()
    distance = qs.make("distance", "means", qs.Real((2,)), manager=manager, order=1.0)
    assert distance.between(np.zeros((3, 2)), np.ones((4, 2))) == 2.0
    with pytest.raises(RecipeError, match=r"distance means.*ordre.*did you mean 'order'"):
        qs.make("distance", "means", qs.Real((2,)), manager=manager, ordre=1.0)


def test_what_is_built_is_of_the_class_of_its_kind(load: Load) -> None:
    manager = load(Brings([DISTANCE], [attrs.evolve(MEANS, build=lambda options, event: "none")]))
    with pytest.raises(PluginError, match=r"distance 'means' of plugin .*: its build gave a str, expected a AbstractDistance"):
        qs.make("distance", "means", qs.Real((2,)), manager=manager)


def test_a_recipe_may_choose_one_and_keeps_it(load: Load, tmp_path: Path) -> None:
    manager = load(Brings([DISTANCE], [MEANS]))
    assert "distance" not in qs.load_recipe("swiss-roll", manager=manager).choices
    recipe = qs.load_recipe("swiss-roll", {"distance.use": "means", "distance.order": 1.0}, manager)
    assert recipe.choices["distance"].options == MeansOptions(order=1.0)
    (tmp_path / "kept.toml").write_text(recipe.to_toml())
    kept = qs.load_recipe(tmp_path / "kept.toml", manager=manager)
    assert attrs.evolve(kept, name=recipe.name) == recipe
    with pytest.raises(RecipeError, match=r"distance\.use: no distance is called 'mean'; did you mean 'means'"):
        qs.load_recipe("swiss-roll", {"distance.use": "mean"}, manager)
    with pytest.raises(RecipeError, match="distance: unknown section"):  # without the plugin
        qs.load_recipe(tmp_path / "kept.toml")


def test_the_default_one_is_chosen_where_none_is_named_but_of_those_for_an_event(load: Load) -> None:
    usual = attrs.evolve(MEANS, is_default=True)
    bound, free = (load(Brings([attrs.evolve(DISTANCE, inputs=inputs)], [usual])) for inputs in (("event",), ()))
    assert "distance" not in qs.load_recipe("swiss-roll", manager=bound).choices
    assert qs.load_recipe("swiss-roll", manager=free).choices["distance"].component == usual
    hidden = load(Brings([attrs.evolve(DISTANCE, section="none")], [usual]))
    with pytest.raises(RecipeError, match="distance: unknown section"):
        qs.load_recipe("swiss-roll", {"distance.use": "means"}, hidden)


def test_a_run_is_trained_beside_it(load: Load) -> None:
    manager = load(Brings([DISTANCE], [MEANS]))
    short = {"training.updates": 1, "training.batch": 8, "training.validation_events": 8, "training.observers": []}
    small = {"model.width": 4, "trajectory.steps": 2, "distance.use": "means"}
    run = qs.train(qs.load_recipe("swiss-roll", short | small, manager), manager=manager)
    chosen = run.recipe.choices["distance"]
    distance = qs.make("distance", chosen.component.name, run.source.event, manager=manager, **attrs.asdict(chosen.options))
    assert distance.between(run.sample(4), run.sample(4, seed=1)) > 0.0


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (qs.Kind("kernel", AbstractDistance), "the name of its kind 'kernel' is taken by quasistatic"),
        (qs.Kind("training", AbstractDistance), "the name of its kind 'training' is taken by quasistatic"),
        (attrs.evolve(DISTANCE, section="required"), "its kind 'distance' is required"),
    ],
)
def test_a_kind_that_others_would_notice_is_refused(load: Load, kind: qs.Kind, said: str) -> None:
    with pytest.raises(PluginError, match=said):
        load(Brings([kind]))


def test_components_of_a_kind_that_nobody_brings_are_refused_with_all_that_hangs_on_them(load: Load) -> None:
    with pytest.raises(PluginError, match=r"no plugin brings the kind 'distance' of its component 'means'  \(known: source"):
        load(Brings([], [MEANS]))
    # the first plugin is broken, so its own kind is gone, and the second is broken too
    other = qs.Component("likeness", "none", MeansOptions, build=Means)
    with pytest.raises(PluginError, match="no plugin brings the kind"):
        load(Brings([qs.Kind("likeness", AbstractDistance)], [MEANS]), Brings([], [other]))
    with pytest.raises(PluginError, match="no plugin brings the kind 'command'"):
        load(Brings([], [attrs.evolve(MEANS, kind="command")]))


def test_two_plugins_with_one_kind_are_in_conflict(load: Load) -> None:
    manager = load(Brings([DISTANCE], [MEANS]), Brings([DISTANCE]))
    assert "distance" not in manager.kinds and manager.components("distance") == ()
    with pytest.raises(ComponentConflict, match="kind 'distance' is offered by both"):
        manager.kind("distance")
    with pytest.raises(ComponentNotFound, match="no kind is called 'distanz'"):
        manager.kind("distanz")


def test_check_reads_that_it_can_be_loaded(load: Load) -> None:
    manager = load(Brings([DISTANCE], [MEANS]))
    verdicts = qs.testing.check(manager.provided_by("brings_0:plugin"), manager=manager)
    assert {(each.component, each.outcome) for each in verdicts} == {("kind distance", "holds"), ("distance means", "holds")}
    broken = load(Brings([qs.Kind("distance", "nowhere:Distance")], [attrs.evolve(MEANS, build="nowhere:Means")]))
    assert {each.outcome for each in qs.testing.check(broken.provided_by("brings_0:plugin"), manager=broken)} == {"broken"}


def test_the_command_line_knows_it(load: Load, cli: Any) -> None:
    load(Brings([DISTANCE], [MEANS]))
    command = ("-p", "brings_0:plugin")
    shown = json.loads(cli(*command, "show", "distance", "means", "--json").stdout)
    assert (shown["kind"], shown["name"], [each["option"] for each in shown["options"]]) == ("distance", "means", ["order"])
    assert ["distance", "means", "brings_0:plugin"] in [line.split()[:3] for line in cli(*command, "show").stdout.splitlines()]
    assert "kind distance, distance means" in cli(*command, "plugins").stdout
    assert "no distance is called 'mean'" in cli(*command, "show", "distance", "mean").stderr
    assert "there is no kind 'distance'" in cli("show", "distance").stderr
