"""quasistatic check: which components are held against the laws, and how the verdicts are told."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable, Sequence

import attrs
import pytest
from click.testing import Result

import quasistatic as qs

Cli = Callable[..., Result]


@attrs.frozen
class Verdict:
    law: str
    component: str
    passed: bool
    figure: float
    tolerance: float
    unit: str
    reason: str


PASSED = Verdict("composition", "kernel gaussian", True, 1.5e-7, 1e-5, "nats", "")
FAILED = Verdict("work", "kernel gaussian", False, float("nan"), 0.5, "nats", "not finite [/red]")


class Laws:
    """Stands in for quasistatic.testing: keeps what it was asked, and answers what it is told."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers = [PASSED, FAILED]

    def check(self, components: Sequence[qs.Component]) -> list[Verdict]:
        self.asked += [f"{component.kind} {component.name}" for component in components]
        return self.answers


@pytest.fixture
def laws(monkeypatch: pytest.MonkeyPatch) -> Laws:
    stand_in = Laws()
    module = types.ModuleType("quasistatic.testing")
    vars(module)["check"] = stand_in.check
    monkeypatch.setitem(sys.modules, "quasistatic.testing", module)
    monkeypatch.setattr(qs, "testing", module, raising=False)
    return stand_in


def test_every_verdict_is_printed_and_a_law_that_fails_is_exit_code_1(cli: Cli, laws: Laws) -> None:
    result = cli("check", "gaussian")
    assert (result.exit_code, laws.asked) == (1, ["kernel gaussian"])
    passed, failed = result.stdout.splitlines()[1:]
    assert passed.split() == ["kernel", "gaussian", "composition", "passed", "1.5e-07", "1e-05", "nats"]
    assert failed.split() == ["kernel", "gaussian", "work", "FAILED", "nan", "0.5", "nats", "not", "finite", "[/red]"]


def test_all_laws_hold(cli: Cli, laws: Laws) -> None:
    laws.answers = [PASSED]
    assert cli("check", "kernel", "gaussian").exit_code == 0


def test_json(cli: Cli, laws: Laws) -> None:
    result = cli("check", "kernel", "gaussian", "--json")
    passed, failed = json.loads(result.stdout)
    assert passed == attrs.asdict(PASSED)
    assert failed == {**attrs.asdict(FAILED), "figure": None}
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Missing argument"),
        (["gausian"], "no plugin is called 'gausian'; did you mean 'gaussian'?"),
        (["kernel", "gausian"], "no kernel is called 'gausian'; did you mean 'gaussian'?"),
        (["kernl", "gaussian"], "expected a plugin, or one of source, kernel"),
        (["kernel", "gaussian", "binomial"], "expected a plugin, or one of source, kernel"),
        (["recipes"], "plugin 'recipes' provides no component: there is nothing to check"),
        (["exits"], "plugin 'exits' (bad-exits 0.1) is broken: it tried to end the program"),
    ],
)
def test_what_cannot_be_checked(
    cli: Cli, laws: Laws, install_plugin: Callable[..., str], arguments: list[str], said: str
) -> None:
    install_plugin("exits")
    result = cli("check", *arguments)
    assert (result.exit_code, laws.asked) == (2, [])
    assert said in result.stderr
