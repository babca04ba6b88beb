"""Each plugin is loaded alone: what becomes of the bad ones, and that the others do not notice."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from quasistatic import NamedRecipe, PluginError, PluginManager, hookimpl

BAD = {
    "import_error": ("broken", "ModuleNotFoundError: No module named 'a_module_that_nobody_has'"),
    "exits": ("broken", "it tried to end the program (SystemExit: 3)"),
    "exiting_hook": ("broken", "it tried to end the program (SystemExit: enough)"),
    "wrong_signature": ("broken", "Argument(s) {'registry'} are declared in the hookimpl"),
    "raising_hook": ("broken", "RuntimeError: no commands today"),
    "misspelt_hook": ("broken", "there is no hook quasistatic_componets; did you mean quasistatic_components?"),
    "unmarked_hook": ("broken", "quasistatic_components is not marked with @quasistatic.hookimpl"),
    "no_hook": ("broken", "it implements no hook of quasistatic"),
    "later_hook": ("incompatible", "this version of quasistatic has no hook quasistatic_launch_everything"),
    "wrong_type": (
        "broken",
        "quasistatic_components must return a list of quasistatic.Component, it returned {'sampler'",
    ),
    "returns_nothing": (
        "broken",
        "quasistatic_observers must return a list of quasistatic.Component, it returned None",
    ),
    "wrong_kind": ("broken", "ValueError: Component.kind: expected one of source, kernel"),
    "twice": ("broken", "it offers sampler 'twin' twice"),
}


def _by_name(manager: PluginManager):
    return {status.name: status for status in manager.statuses()}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_plugin_gets_a_state_and_a_reason(install_plugin, name):
    install_plugin(name)
    status = _by_name(PluginManager())[name]
    state, reason = BAD[name]
    assert status.state == state
    assert reason in status.reason
    assert (status.distribution, status.version) == (f"bad-{name.replace('_', '-')}", "0.1")


def test_all_bad_plugins_together_leave_the_others_as_they_were(install_plugin):
    healthy = PluginManager()
    for name in BAD:
        install_plugin(name)
    manager = PluginManager()
    statuses = _by_name(manager)
    assert all(not statuses[name].usable for name in BAD)
    for before in healthy.statuses():
        assert (statuses[before.name].state, statuses[before.name].provides) == (before.state, before.provides)
    assert manager.components() == healthy.components()


def test_the_program_works_beside_all_bad_plugins(install_plugin, shell):
    for name in BAD:
        install_plugin(name)
    for arguments in (["--help"], ["--version"], ["show"], ["plugins"]):
        assert shell(*arguments).returncode == 0, arguments
    listed = {each["name"]: each for each in json.loads(shell("plugins", "--json").stdout)}
    assert {name: listed[name]["state"] for name in BAD} == {name: state for name, (state, _) in BAD.items()}
    assert listed["gaussian"]["provides"] == ["kernel gaussian"]


def test_a_hook_marked_optional_may_be_of_a_later_version(install_plugin):
    install_plugin("optional_hook")
    assert _by_name(PluginManager())["optional_hook"].state == "loaded"


@pytest.mark.parametrize("damage", [b"[quasistatic]\nno equals sign\n", b"[quasistatic]\n\xff = x\n"])
def test_one_damaged_entry_points_file_does_not_stop_the_scan(install_plugin, tmp_path, damage):
    install_plugin("rival_one")
    info = tmp_path / "site" / "damaged-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: damaged\nVersion: 2.0\n")
    (info / "entry_points.txt").write_bytes(damage)
    statuses = _by_name(PluginManager())
    assert (statuses["damaged"].state, statuses["damaged"].reason) == ("broken", "its entry_points.txt cannot be read")
    assert statuses["rival_one"].state == statuses["gaussian"].state == "loaded"


def test_entry_points_without_metadata_are_loaded(install_plugin, tmp_path):
    install_plugin("rival_one")
    (tmp_path / "site" / "bad_rival_one-0.1.dist-info" / "METADATA").unlink()
    status = _by_name(PluginManager())["rival_one"]
    assert (status.state, status.distribution, status.version) == ("loaded", "", "")


def test_plugins_are_sorted_by_name_and_distribution(install_plugin):
    install_plugin("rival_two", distribution="zz", name="same")
    install_plugin("rival_one", distribution="aa", name="same")
    keys = [(status.name, status.distribution) for status in PluginManager().statuses()]
    assert keys == sorted(keys)
    assert [distribution for name, distribution in keys if name == "same"] == ["aa", "zz"]


def _load_object(plugin, monkeypatch):
    module = type(sys)("module_of_an_object")
    module.plugin = plugin
    monkeypatch.setitem(sys.modules, "module_of_an_object", module)
    return PluginManager(modules=["module_of_an_object:plugin"]).statuses()[-1]


def test_an_object_can_be_a_plugin(monkeypatch):
    class Plugin:
        @hookimpl
        def quasistatic_components(self):
            return []

    assert _load_object(Plugin(), monkeypatch).state == "loaded"


def test_a_list_of_something_else_is_refused(monkeypatch):
    class Plugin:
        @hookimpl
        def quasistatic_commands(self):
            return [NamedRecipe("run-away", "package", "file.toml")]

    with pytest.raises(PluginError, match=r"must return a list of quasistatic\.Command, it returned \[NamedRecipe"):
        _load_object(Plugin(), monkeypatch)


def test_what_loading_took_is_recorded(install_plugin, shell):
    install_plugin("heavy")
    listed = {each["name"]: each["seconds"] for each in json.loads(shell("plugins", "--json").stdout)}
    assert listed["heavy"] > 10 * listed["gaussian"]
    assert " ms" in shell("plugins", "--trace").stdout


def test_misbehaving_plugins_are_all_used():
    texts = "".join(path.read_text() for path in Path(__file__).parents[1].rglob("test_*.py"))
    for path in (Path(__file__).parents[1] / "third_party" / "misbehaving").glob("*.py"):
        assert f'"{path.stem}"' in texts, path
