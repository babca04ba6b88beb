"""Each plugin is loaded alone: what becomes of the bad ones, and that the others do not notice."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import pytest

from quasistatic import Command, NamedRecipe, PluginManager, __version__, hookimpl
from quasistatic._plugins.installed import _out_of_range
from quasistatic.errors import PluginError

BAD = {
    "skips": ("broken", "Outcome"),
    "raises_warning": ("broken", "DeprecationWarning: this module is getting old"),
    "plain_options": ("broken", "TypeError: Component.options: expected an attrs class, got <class"),
    "bad_names": ("broken", "ValueError: Command.name: expected a word such as 'my-own', got '--help me'"),
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
    "wrong_kind": ("broken", "no plugin brings the kind 'engine' of its component 'warp'"),
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


@pytest.mark.parametrize(
    ("requirement", "reason"),
    [
        ("quasistatic>=2", "it needs quasistatic >=2, this is {}"),
        ("Quasistatic[data] (<0.1)", "it needs quasistatic <0.1, this is {}"),
        ("quasistatic!={}", "it needs quasistatic !={}, this is {}"),
        ('quasistatic>=2; python_version >= "3"', "it needs quasistatic >=2, this is {}"),
        ("quasistatic", ""),
        ("quasistatic>=0.0.1,<1000", ""),
        ('quasistatic>=2; extra == "later"', ""),
        ('quasistatic>=2; python_version < "3"', ""),
        ("quasistatic-thinning>=2", ""),
        ("quasistatic>=>=2", ""),
        ('quasistatic>=2; no_such_marker == "x"', ""),
        ("quasistatic @ file:///nowhere", ""),
        ("", ""),
    ],
)
def test_the_range_that_a_distribution_asks_for_is_checked_before_it_is_imported(install_plugin, tmp_path, requirement, reason):
    ours = __version__
    name = install_plugin("for_the_future" if reason else "prints")
    with (tmp_path / "site" / f"bad_{name}-0.1.dist-info" / "METADATA").open("a") as file:
        file.write(f"Requires-Dist: attrs>=1\nRequires-Dist: {requirement.replace('{}', ours)}\n")
    status = _by_name(PluginManager())[name]
    assert (status.state, status.reason) == ("incompatible" if reason else "loaded", reason.replace("{}", ours))
    assert (name in sys.modules) == (not reason)


def test_a_development_version_is_in_the_range_that_it_leads_to(monkeypatch):
    monkeypatch.setattr("quasistatic._plugins.installed.metadata.version", lambda name: "0.2.0.dev1")
    assert _out_of_range(["quasistatic>=0.1,<0.3"]) is None
    assert "this is 0.2.0.dev1" in str(_out_of_range(["quasistatic<0.1"]))


def test_ranges_cost_nothing_where_nobody_asks(install_plugin, python):
    install_plugin("rival_one")
    code = "import quasistatic, sys; quasistatic.PluginManager(); print('packaging' in sys.modules)"
    assert python(code) == "False\n"


def test_a_distribution_whose_metadata_cannot_be_read_is_broken(install_plugin, tmp_path):
    install_plugin("rival_one")
    (tmp_path / "site" / "bad_rival_one-0.1.dist-info" / "METADATA").write_bytes(b"Name: \xff\n")
    status = _by_name(PluginManager())["rival_one"]
    assert (status.state, status.reason) == ("broken", "its METADATA cannot be read")


def test_what_is_on_the_path_twice_counts_once(install_plugin, tmp_path, monkeypatch):
    install_plugin("rival_one")
    shutil.copytree(tmp_path / "site", tmp_path / "again")
    described = tmp_path / "again" / "bad_rival_one-0.1.dist-info" / "METADATA"
    described.write_text(described.read_text().replace("Version: 0.1", "Version: 0.2"))
    (tmp_path / "again" / "broken-1.dist-info").mkdir()
    (tmp_path / "again" / "broken-1.dist-info" / "entry_points.txt").write_text("[x]\nno equals sign\n")  # all are read one by one
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "again")])
    assert _by_name(PluginManager())["rival_one"].version == "0.1"  # as its module is that of the first


def test_loading_leaves_the_process_as_it_was(install_plugin, capsys):
    for name in ("moves", "no_exit", "prints", "strict_warnings"):
        install_plugin(name)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        before = os.getcwd(), sys.exit, sys.stdout, list(warnings.filters)
        statuses = _by_name(PluginManager())
        assert (os.getcwd(), sys.exit, sys.stdout, list(warnings.filters)) == before
    assert [statuses[name].state for name in ("moves", "no_exit", "prints", "strict_warnings")] == [
        "broken", "broken", "loaded", "loaded",
    ]  # fmt: skip
    out, err = capsys.readouterr()
    assert out == "" and err == "a banner that nobody asked for\nno components today\n"


def test_whoever_interrupts_the_program_is_obeyed(monkeypatch):
    class Plugin:
        @hookimpl
        def quasistatic_components(self):
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        _load_object(Plugin(), monkeypatch)
    assert signal.getsignal(signal.SIGINT) is before


def test_plugins_are_loaded_in_a_thread_as_well(install_plugin):
    install_plugin("interrupts")
    with ThreadPoolExecutor(1) as pool:
        assert _by_name(pool.submit(PluginManager).result())["interrupts"].state == "broken"


def test_flags_of_jax_are_put_back_and_named(install_plugin, python):
    for name in ("jax_flags", "late_jax_flags"):
        install_plugin(name)
    manager, said = PluginManager(), "it changed jax_enable_x64 of the whole program"
    assert _by_name(manager)["jax_flags"].reason == said and not jax.config.jax_enable_x64
    del sys.modules["jax_flags"]
    with pytest.raises(PluginError, match="importing jax_flags changes jax_enable_x64 for the whole program"):
        manager.component("sampler", "flagged").load()
    assert not jax.config.jax_enable_x64
    # where the plugin is the first to import jax, they are again what the environment says
    code = """
import sys, quasistatic as qs
assert "jax" not in sys.modules
print({status.name: status.reason for status in qs.PluginManager().statuses()}["jax_flags"])
import jax
print(jax.config.jax_enable_x64, jax.config.jax_debug_nans)
"""
    assert python(code, JAX_DEBUG_NANS="1") == f"{said}\nFalse True\n"


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
    assert statuses["damaged"].state == "broken"
    assert statuses["damaged"].reason.startswith("its entry_points.txt cannot be read")
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


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Command("two words", "", "x:y"), "Command.name: expected a word such as 'my-own', got 'two words'"),
        (lambda: Command(3, "", "x:y"), "Command.name: expected a word such as 'my-own', got 3"),
        (lambda: Command("mine", None, "x:y"), "Command.summary: expected text, got None"),
        (lambda: NamedRecipe("", "package", "file.toml"), "NamedRecipe.name: expected a word such as 'my-own', got ''"),
    ],
)
def test_what_could_not_be_typed_or_shown_is_refused(make, said):
    with pytest.raises((ValueError, TypeError), match=f"^{re.escape(said)}$"):
        make()


def test_what_loading_took_is_recorded(install_plugin, shell):
    install_plugin("heavy")
    listed = {each["name"]: each for each in json.loads(shell("plugins", "--json").stdout)}
    assert listed["heavy"]["seconds"] > 10 * listed["gaussian"]["seconds"]
    assert {"jax", "jaxlib", "numpy"} <= set(listed["heavy"]["imports"]) and "heavy" not in listed["heavy"]["imports"]
    assert all(each["imports"] == [] for name, each in listed.items() if name != "heavy")
    (row,) = [line for line in shell("plugins", "--trace").stdout.splitlines() if line.startswith("heavy ")]
    assert " ms " in row and "jax, jaxlib, " in row


def test_misbehaving_plugins_are_all_used():
    texts = "".join(path.read_text() for path in Path(__file__).parents[1].rglob("test_*.py"))
    for path in (Path(__file__).parents[1] / "third_party" / "misbehaving").glob("*.py"):
        assert f'"{path.stem}"' in texts, path
