"""Who offers what: blocking, conflicts, and what is said when something is not there."""

from __future__ import annotations

import sys
from importlib import metadata

import pytest

import quasistatic as qs
from quasistatic._plugins.loading import PluginStatus
from quasistatic._recipes.options import describe

OUR_COMMANDS = ["classify", "cluster", "condition", "denoise", "export", "features", "guide", "impute", "inpaint"]
OUR_COMMANDS += ["landscape", "parzen", "schedule", "score", "thermo"]


def _status(manager: qs.PluginManager, name: str) -> PluginStatus:
    (found,) = [status for status in manager.statuses() if status.name == name]
    return found


def test_every_built_in_plugin_is_found_by_its_entry_point_and_provides_something():
    built_in = [status for status in qs.PluginManager().statuses() if status.distribution == "quasistatic"]
    assert {status.name for status in built_in} == {
        point.name for point in metadata.distribution("quasistatic").entry_points.select(group="quasistatic")
    }
    for status in built_in:
        assert (status.state, status.version) == ("loaded", qs.__version__), status
        assert status.provides, status


@pytest.mark.parametrize("component", qs.plugins().components(), ids=lambda each: f"{each.kind}-{each.name}")
def test_every_component_says_what_it_is_and_can_be_loaded(component):
    assert component.summary.endswith(".")
    assert all(field.help for field in describe(component.options))
    assert callable(component.load())


def test_components_are_found_by_kind_and_name():
    manager = qs.plugins()
    assert qs.plugins() is manager
    gaussian = manager.component("kernel", "gaussian")
    assert (gaussian.kind, gaussian.name) == ("kernel", "gaussian")
    assert gaussian in manager.components("kernel")
    assert {component.kind for component in manager.components("kernel")} == {"kernel"}
    assert set(manager.components("kernel")) < set(manager.components())
    assert manager.owner("kernel", "gaussian").name == "gaussian"
    assert manager.provided_by("gaussian") == manager.provided_by("quasistatic:gaussian") == (gaussian,)


def test_an_unknown_name_is_answered_with_what_there_is_and_what_is_not_loaded(install_plugin):
    install_plugin("exits")
    with pytest.raises(qs.errors.ComponentNotFound) as caught:
        qs.PluginManager().component("kernel", "gausian")
    assert str(caught.value) == (
        "no kernel is called 'gausian'; did you mean 'gaussian'?  "
        "(known: absorbing, binomial, gaussian, ordinal, product, substitution, uniform; quasistatic plugins lists all; "
        "not loaded: exits)"
    )


def test_what_a_broken_plugin_should_have_provided_is_an_error_with_its_reason(install_plugin):
    install_plugin("import_error")
    with pytest.raises(qs.errors.PluginError) as caught:
        qs.PluginManager().component("source", "import_error")
    assert str(caught.value) == (
        "source 'import_error' is not available: plugin 'import_error' (bad-import-error 0.1) is broken: "
        "ModuleNotFoundError: No module named 'a_module_that_nobody_has'"
    )


def test_a_plugin_that_breaks_half_way_provides_nothing_and_its_components_know_why(install_plugin):
    install_plugin("raising_hook")
    manager = qs.PluginManager()
    assert "half" not in [component.name for component in manager.components("sampler")]
    with pytest.raises(qs.errors.PluginError, match=r"sampler 'half' is not available: .*raising_hook.* no commands today"):
        manager.component("sampler", "half")
    with pytest.raises(qs.errors.PluginError, match="no commands today"):
        manager.provided_by("raising_hook")


def test_blocked_plugins_are_not_imported(install_plugin):
    name = install_plugin("rival_one")
    assert _status(qs.PluginManager(blocked=[name]), name).state == "blocked"
    assert "rival_one" not in sys.modules
    assert _status(qs.PluginManager(), name).state == "loaded"
    assert "rival_one" in sys.modules


def test_the_variable_blocks_too(monkeypatch):
    monkeypatch.setenv("QUASISTATIC_DISABLE", " gaussian ,,quasistatic:rbf")
    manager = qs.PluginManager(blocked=["dense"])
    assert [status.name for status in manager.statuses() if status.state == "blocked"] == ["dense", "gaussian", "rbf"]
    with pytest.raises(qs.errors.PluginError, match=r"kernel 'gaussian' is not available: .* blocked"):
        manager.component("kernel", "gaussian")


def test_blocking_an_unknown_plugin_by_hand_is_an_error():
    with pytest.raises(qs.errors.PluginError, match="no plugin is called 'gausian'; did you mean 'gaussian'"):
        qs.PluginManager(blocked=["gausian"])


def test_two_owners_of_a_name_are_an_error_at_use_that_names_both(install_plugin):
    install_plugin("shadows_gaussian")
    manager = qs.PluginManager()
    states = [_status(manager, name).state for name in ("gaussian", "shadows_gaussian", "binomial")]
    assert states == ["conflict", "conflict", "loaded"]
    with pytest.raises(qs.errors.ComponentConflict) as caught:
        manager.component("kernel", "gaussian")
    assert str(caught.value) == (
        f"kernel 'gaussian' is offered by both 'gaussian' (quasistatic {qs.__version__}) and "
        "'shadows_gaussian' (bad-shadows-gaussian 0.1); "
        "block one with --no-plugin gaussian or --no-plugin shadows_gaussian"
    )
    assert manager.component("sampler", "own").name == "own"  # what is not disputed can be used
    assert "gaussian" not in [component.name for component in manager.components("kernel")]


def test_blocking_one_owner_settles_it(install_plugin):
    install_plugin("shadows_gaussian")
    built_in = qs.PluginManager(blocked=["shadows_gaussian"])
    assert built_in.component("kernel", "gaussian").supports == (qs.Real, qs.Levels, qs.Measured)
    assert _status(built_in, "gaussian").state == "loaded"
    stranger = qs.PluginManager(blocked=["gaussian"])
    assert stranger.component("kernel", "gaussian").summary == "Another kernel called gaussian."


def test_two_strangers_conflict_whatever_they_offer(install_plugin):
    for name in ("rival_one", "rival_two"):
        install_plugin(name)
    manager = qs.PluginManager()
    assert _status(manager, "rival_one").reason == (
        "sampler 'disputed' is also offered by 'rival_two' (bad-rival-two 0.1); "
        "command 'quarrel' is also offered by 'rival_two' (bad-rival-two 0.1)"
    )
    assert [command.name for command in manager.commands()] == OUR_COMMANDS
    with pytest.raises(qs.errors.ComponentConflict, match="command 'quarrel' is offered by both"):
        manager.command("quarrel")


def test_plugins_of_one_name_are_told_apart_by_distribution(install_plugin):
    install_plugin("rival_one", distribution="aa", name="same")
    install_plugin("rival_two", distribution="zz", name="same")
    with pytest.raises(qs.errors.ComponentConflict, match="--no-plugin aa:same or --no-plugin zz:same"):
        qs.PluginManager().component("sampler", "disputed")
    assert qs.PluginManager(blocked=["aa:same"]).component("sampler", "disputed").build == "rival_two:build"
    assert qs.PluginManager(blocked=["zz:same"]).component("sampler", "disputed").build == "rival_one:build"


def test_the_names_of_built_in_commands_are_reserved(install_plugin):
    install_plugin("reserved_command")
    manager = qs.PluginManager()
    status = _status(manager, "reserved_command")
    assert (status.state, status.reason) == ("conflict", "command 'run' is built in")
    assert [command.name for command in manager.commands()] == sorted([*OUR_COMMANDS, "harmless"])
    with pytest.raises(qs.errors.ComponentNotFound):
        manager.command("run")


def test_modules_become_plugins_for_one_manager(tmp_path, monkeypatch):
    (tmp_path / "a_plugin_by_hand.py").write_text(
        "import attrs\nimport quasistatic as qs\n\n@attrs.frozen\nclass Options:\n    'Nothing.'\n\n@qs.hookimpl\n"
        "def quasistatic_components():\n    return [qs.Component('sampler', 'by-hand', Options, build='x:y')]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    manager = qs.PluginManager(modules=["a_plugin_by_hand", "a_plugin_by_hand", "quasistatic_plugins.gaussian"])
    assert manager.component("sampler", "by-hand").summary == "Nothing."
    assert manager.owner("sampler", "by-hand").owner == "'a_plugin_by_hand' (module a_plugin_by_hand)"
    assert manager.component("kernel", "gaussian")  # installed and asked for by hand: still one plugin
    assert "by-hand" not in [component.name for component in qs.PluginManager().components()]


@pytest.mark.parametrize("module", ["a_module_that_nobody_has", "../x", "not a module", ":", "", "json"])
def test_a_module_asked_for_by_hand_must_be_a_plugin(module):
    with pytest.raises(qs.errors.PluginError, match="is broken"):
        qs.PluginManager(modules=[module])


def test_an_unknown_plugin_provides_nothing():
    with pytest.raises(qs.errors.PluginError, match="did you mean 'gaussian'"):
        qs.plugins().provided_by("gausian")
