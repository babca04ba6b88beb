"""quasistatic show"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable

import pytest
from click.testing import Result

import quasistatic as qs
from quasistatic._recipes.options import describe
from quasistatic._recipes.sections import SECTIONS

Cli = Callable[..., Result]
COMPONENTS = [(component.kind, component.name) for component in qs.plugins().components()]


def test_everything_is_listed(cli: Cli) -> None:
    result = cli("show")
    assert result.exit_code == 0
    rows = {tuple(line.split()[:2]) for line in result.stdout.splitlines()[1:]}
    assert rows == {*COMPONENTS, *(("section", name) for name in SECTIONS)}


def test_json_has_the_same_words(cli: Cli) -> None:
    listed = json.loads(cli("show", "--json").stdout)
    assert {(each["kind"], each["name"]) for each in listed} == {*COMPONENTS, *(("section", name) for name in SECTIONS)}
    kernel = json.loads(cli("show", "kernel", "gaussian", "--json").stdout)
    assert kernel["fits"] == ["real", "levels", "measured"] and kernel["plugin"].startswith("'gaussian' (quasistatic ")
    assert {each["option"]: each["default"] for each in kernel["options"]}["first_noise"] == 1e-4
    assert json.loads(cli("show", "training", "--json").stdout)["name"] == "training"
    required = json.loads(cli("show", "source", "swiss-roll", "--json").stdout)["options"]
    assert not any(each["must_be_given"] for each in required)


def test_one_kind_is_listed(cli: Cli) -> None:
    rows = cli("show", "kernel").stdout.splitlines()[1:]
    assert {line.split()[0] for line in rows} == {"kernel"}


@pytest.mark.parametrize(("kind", "name"), COMPONENTS)
def test_a_component_shows_what_it_is_and_every_option(cli: Cli, kind: str, name: str) -> None:
    result = cli("show", kind, name)
    component = qs.plugins().component(kind, name)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"{kind} {name}, of plugin ")
    assert component.description in result.stdout
    for reference in component.references:
        assert f"  {reference}\n" in result.stdout
    for option in describe(component.options):
        (line,) = [line for line in result.stdout.splitlines() if line.split(" ")[0] == option.name and option.help in line]
        assert option.type in line
        default = "must be given" if option.required else json.dumps(option.default)
        assert default in line
        if not option.required:
            assert tomllib.loads(f"default = {default}")["default"] == option.default


@pytest.mark.parametrize(
    ("name", "shape", "options", "said"),
    [
        # 2 numbers and 16 of time to 4, 4 to 2 elements of 2 params, and a straight map
        ("dense", "2", ["width=4", "depth=1"], f"It trains {18 * 4 + 4 + 4 * 4 + 4 + 2 * 4} numbers for events of 2 real, under"),
        # the network of the 2015 paper's reference code for its digits
        pytest.param(
            "multiscale", "28x28", ["variant=code", "bump_width=0.5"],
            "It trains 1,762,928 numbers for events of 28x28 real, under the kernel gaussian.", marks=pytest.mark.slow,
        ),
    ],
    ids=["dense", "reference"],
)  # fmt: skip
def test_what_a_network_trains_is_counted_for_a_shape(cli: Cli, name: str, shape: str, options: list[str], said: str) -> None:
    given = [word for option in options for word in ("--set", option)]
    result = cli("show", "model", name, "--shape", shape, *given)
    assert result.exit_code == 0
    assert said in result.stdout
    counted = json.loads(cli("show", "model", name, "--shape", shape, *given, "--json").stdout)["trained"]
    assert f"{counted['parameters']:,}" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("kernel", "gaussian", "--shape", "3"), "--shape counts what a network trains: it needs KIND model and a NAME"),
        (("model", "dense", "--set", "width=3"), "and --set needs --shape"),
        (("model", "dense", "--shape", "28*28"), "--shape: expected whole numbers such as 28x28 or 32x32x3, got '28*28'"),
        (("model", "dense", "--shape", "3", "--set", "widht=3"), "model.widht: unknown option; did you mean 'width'?"),
        (("model", "mixer", "--shape", "3"), "model 'mixer': takes images"),
    ],
)
def test_what_cannot_be_counted(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    result = cli("show", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in " ".join(result.stderr.split())


@pytest.mark.parametrize("name", SECTIONS)
def test_the_sections_of_the_core_are_shown_alike(cli: Cli, name: str) -> None:
    result = cli("show", name)
    assert result.exit_code == 0
    for option in describe(SECTIONS[name]):
        assert any(line.startswith(option.name) and line.endswith(option.help) for line in result.stdout.splitlines())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("kernal",), "there is no kind 'kernal'; did you mean 'kernel'?  (known: source, kernel, model,"),
        (("gaussian",), "there is no kind 'gaussian'; did you mean quasistatic show kernel gaussian?"),
        (("kernel", "gausian"), "no kernel is called 'gausian'; did you mean 'gaussian'?"),
        (("training", "steps"), "section 'training' takes no name"),
        (("kernel", "a", "b"), "unexpected extra argument"),
    ],
)
def test_what_cannot_be_shown(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    result = cli("show", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_options_that_no_recipe_can_give_are_the_plugins_fault(cli: Cli, install_plugin: Callable[..., str]) -> None:
    install_plugin("bad_options")
    found = qs.PluginManager().provided_by("bad_options")
    for component in (each for each in found if isinstance(each, qs.Component)):
        result = cli("show", component.kind, component.name)
        assert result.exit_code == 2
        assert "bad_options." in result.stderr
