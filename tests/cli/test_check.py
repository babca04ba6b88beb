"""quasistatic check: which components are held against the laws, and how verdicts are printed."""

from __future__ import annotations

import functools
import inspect
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
import pytest
from click.testing import Result

import quasistatic as qs
from quasistatic.cli import _check as check
from quasistatic.testing._check import Built
from quasistatic.testing._law import REGISTRY, Law
from quasistatic.testing._reading import Reading, not_measured, worst

Cli = Callable[..., Result]


def law(name: str, reading: Reading, expected_failure: str = "") -> Law:
    return Law(name, "kernel", "Two steps | are one.", "eq. 2", lambda _setting: reading, expected_failure=expected_failure)


HOLDS = law("composition", Reading(1.5e-7, 1e-5, "nats"))
BROKEN = law("work", Reading(float("nan"), 0.5, "nats", "t = 1 [/red]"))
EXPECTED = law("precision", Reading(2.0, 1.0, "nats"), "float32 is not enough")
MISSING = law("pair", not_measured("decode: its pairs are two draws"))
PARTLY = law("samples", worst([not_measured("decode: no nodes"), Reading(1.0, 5.0, "standard errors")]))


class Laws:
    """Stands in for what builds laws: keeps what it was asked, and gives fixed answers."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers = [HOLDS, EXPECTED, BROKEN]

    def build_all(self, offers: Sequence[Any], manager: qs.PluginManager, events: Sequence[Any], once: bool) -> Iterator[Built]:
        self.asked += [f"{offer.kind} {offer.name}" if hasattr(offer, "kind") else offer.name for offer in offers]
        yield Built("kernel gaussian on 2 real", self.answers)


@pytest.fixture
def laws(monkeypatch: pytest.MonkeyPatch) -> Laws:
    stand_in = Laws()
    monkeypatch.setattr(qs.testing, "build_all", stand_in.build_all)
    return stand_in


def test_every_verdict_is_in_a_table_that_is_markdown_in_a_pipe(cli: Cli, laws: Laws) -> None:
    result = cli("check", "gaussian")
    assert (result.exit_code, laws.asked) == (1, ["kernel gaussian"])
    assert result.stdout.splitlines() == [
        "### kernel gaussian on 2 real",
        "",
        "| law | verdict | value | at most | what it states | source |",
        "| --- | --- | --- | --- | --- | --- |",
        "| composition | holds | 1.5e-07 nats | 1e-05 | Two steps \\| are one. | eq. 2 |",
        "| precision | expected failure | 2 nats | 1 | Two steps \\| are one. | eq. 2 |",
        "| work | BROKEN | nan nats | 0.5 | Two steps \\| are one. | eq. 2 |",
        "",
        "kernel gaussian on 2 real: precision: float32 is not enough",
        "",
        "kernel gaussian on 2 real: work: kernel law 'work' is broken at t = 1 [/red]: nan nats, at most 0.5. "
        "Two steps | are one. (eq. 2)",
        "",
        "1 laws hold, 1 are broken as expected, 1 are broken",
    ]


@pytest.mark.parametrize("kind", ["kernel", "potential"])
def test_the_laws_of_a_kind_are_listed_one_a_line(cli: Cli, laws: Laws, kind: str) -> None:
    names = list(REGISTRY[kind])
    lines = cli("check", "--laws", kind).stdout.splitlines()
    assert [line.split()[0] for line in lines] == names and all(line.endswith(".") for line in lines)
    listed = json.loads(cli("check", "--laws", kind, "--json").stdout)
    assert [each["law"] for each in listed] == names and all(each["unseen"] for each in listed)
    assert laws.asked == []
    assert "expected a plugin" in cli("check").stderr


def test_all_laws_hold_or_break_as_expected(cli: Cli, laws: Laws) -> None:
    laws.answers = [HOLDS, EXPECTED]
    assert cli("check", "kernel", "gaussian").exit_code == 0


def test_what_was_not_looked_at_does_not_read_as_holds(cli: Cli, laws: Laws) -> None:
    laws.answers = [HOLDS, MISSING, PARTLY]
    result = cli("check", "gaussian")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[4:] == [
        "| composition | holds | 1.5e-07 nats | 1e-05 | Two steps \\| are one. | eq. 2 |",
        "| pair | not measured |  |  | Two steps \\| are one. | eq. 2 |",
        "| samples | holds in part | 1 standard errors | 5 | Two steps \\| are one. | eq. 2 |",
        "",
        "kernel gaussian on 2 real: pair: not measured: decode: its pairs are two draws",
        "",
        "kernel gaussian on 2 real: samples: in part not measured: decode: no nodes",
        "",
        "2 laws hold, 0 are broken as expected, 0 are broken, 1 were not measured",
    ]
    _, missing, partly = json.loads(cli("check", "gaussian", "--json").stdout)
    assert (missing["outcome"], missing["value"], missing["passed"]) == ("not measured", None, True)
    assert missing["reason"] == missing["unmeasured"] == "decode: its pairs are two draws"
    assert (partly["outcome"], partly["unmeasured"], partly["reason"]) == ("holds", "decode: no nodes", "")


def test_json(cli: Cli, laws: Laws) -> None:
    result = cli("check", "kernel", "gaussian", "--json")
    holds, expected, broken = json.loads(result.stdout)
    label = "kernel gaussian on 2 real"
    assert holds == {**attrs.asdict(HOLDS.verdict(label)), "passed": True}
    assert (expected["outcome"], expected["reason"], expected["passed"]) == ("expected", "float32 is not enough", True)
    assert (broken["outcome"], broken["value"], broken["passed"]) == ("broken", None, False)
    assert result.exit_code == 1


def test_a_line_for_each_law_as_it_is_read_with_its_seconds(cli: Cli, laws: Laws) -> None:
    lines = sorted(cli("check", "gaussian").stderr.splitlines())  # in the order in which they end
    assert [re.sub(r"\d+\.\d s$", "S", line) for line in lines] == [
        "kernel gaussian on 2 real: composition ... holds  S",
        "kernel gaussian on 2 real: precision ... expected failure  S",
        "kernel gaussian on 2 real: work ... BROKEN  S",
    ]
    assert cli("check", "gaussian", "--json").stderr == ""


class Slow:
    def posterior(self, seconds: float) -> None:
        time.sleep(seconds)


def test_a_law_that_takes_long_says_what_it_waits_for(cli: Cli, laws: Laws, monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(component: Slow, setting: Any) -> Reading:
        component.posterior(0.5)
        return Reading(0.0, 1.0, "nats")

    monkeypatch.setattr(check, "LONG_S", 0.2)
    laws.answers = [Law("bayes", "kernel", "", "", functools.partial(measured, Slow()))]
    said = cli("check", "gaussian").stderr
    line = inspect.getsourcelines(Slow)[1] + 2
    assert re.search(
        rf"bayes ... \d s, waits for Slow.posterior \(test_check.py:{line}\)\n.*bayes ... holds  \d\.\d s$", said.strip(), re.S
    ), said
    frame = sys._getframe()
    assert check._waits_for(frame, "elsewhere") == "the law to begin"


def test_laws_are_read_side_by_side_where_there_are_cores(cli: Cli, laws: Laws, monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2, timeout=10.0)

    def measured(setting: Any) -> Reading:
        both.wait()
        return Reading(0.0, 1.0, "nats")

    laws.answers = [Law(name, "kernel", "", "", measured) for name in ("bayes", "pair")]
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert cli("check", "gaussian", "--json").exit_code == 0
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    both = threading.Barrier(2, timeout=0.1)
    assert cli("check", "gaussian", "--json").exit_code == 1


def test_what_ends_one_law_ends_the_check(cli: Cli, laws: Laws) -> None:
    def interrupted(setting: Any) -> Reading:
        raise KeyboardInterrupt

    laws.answers = [Law("bayes", "kernel", "", "", interrupted), *[HOLDS] * 3]
    result = cli("check", "gaussian")
    assert result.exit_code == 130 and "laws hold" not in result.stdout


def test_a_quick_check_of_a_kernel_is_on_one_event(cli: Cli) -> None:
    def labels(*more: str) -> list[str]:
        result = cli("check", "kernel", "gaussian", "--law", "times", "--json", *more)
        return [verdict["component"] for verdict in json.loads(result.stdout)]

    assert labels("--quick") == labels()[:1]
    assert len(labels()) == 3 and len(labels("--quick", "--set", "schedule=cosine")) == 1


def test_one_law_can_be_chosen_and_read_in_one_setting(cli: Cli, laws: Laws) -> None:
    read: list[int] = []

    def measured(setting: Any) -> Reading:
        read.append(setting.seed)
        return Reading(0.0, 1.0, "nats")

    laws.answers = [Law("bayes", "kernel", "", "", measured, examples=3), BROKEN]
    assert cli("check", "gaussian", "--law", "bayes").exit_code == 0 and len(read) == 3
    assert cli("check", "gaussian", "--law", "bayes", "--quick").exit_code == 0 and len(read) == 4
    laws.answers = [attrs.evolve(laws.answers[0], quick=False)]
    assert "left out by --quick" in cli("check", "gaussian", "--quick").stdout and len(read) == 4
    assert cli("check", "gaussian", "--quick", "--law", "bayes").exit_code == 0 and len(read) == 5
    laws.answers = [HOLDS, BROKEN]
    result = cli("check", "gaussian", "--law", "compositon")
    assert result.exit_code == 2
    assert "no law here is called 'compositon'; did you mean 'composition'?  (there are composition, work)" in result.stderr


def test_events_and_options_are_chosen(cli: Cli) -> None:
    choice = ("--event", "real:3x2", "--event", "levels:2", "--set", "schedule=cosine", "--law", "times")
    result = cli("check", "kernel", "gaussian", *choice, "--quick", "--json")
    assert result.exit_code == 0, result.stderr
    labels = [verdict["component"] for verdict in json.loads(result.stdout)]
    assert labels == [
        "kernel gaussian (schedule=cosine) on 3x2 real",
        "kernel gaussian (schedule=cosine) on 2 real in 5 levels",
    ]


def test_an_event_that_is_chosen_has_what_the_example_of_its_kind_has(cli: Cli) -> None:
    plugin = ("-p", "quasistatic_positive.square_root")
    for choice, label in ((), "2x1"), (("--event", "real:3"), "3"):
        result = cli(*plugin, "check", "kernel", "square-root", *choice, "--quick", "--law", "times", "--json")
        assert [verdict["component"] for verdict in json.loads(result.stdout)] == [f"kernel square-root on {label} real"], (
            result.stderr
        )


def test_the_recipes_of_a_plugin_are_checked(cli: Cli) -> None:
    result = cli("check", "recipes")
    assert result.exit_code == 0 and "### recipe swiss-roll" in result.stdout and "| resolves | holds |" in result.stdout


def test_without_hypothesis_one_message_says_what_to_install(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "quasistatic.testing._examples", raising=False)
    monkeypatch.delattr(qs.testing, "_examples", raising=False)
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    result = cli("check", "observer", "jsonl")
    assert result.exit_code == 2 and result.stderr == 'Error: the laws need hypothesis: pip install "quasistatic[test]"\n'


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "expected a plugin, or one of"),
        (["gausian"], "no plugin is called 'gausian'; did you mean 'gaussian'?"),
        (["kernel", "gausian"], "no kernel is called 'gausian'; did you mean 'gaussian'?"),
        (["kernl", "gaussian"], "expected a plugin, or one of source, kernel"),
        (["kernel", "gaussian", "binomial"], "expected a plugin, or one of source, kernel"),
        (["exits"], "plugin 'exits' (bad-exits 0.1) is broken: it tried to end the program"),
        (["kernel", "gaussian", "--event", "reel:3"], "--event: expected one of real, levels, measured and a shape, such as"),
        (["kernel", "gaussian", "--event", "real:3y"], "--event: expected one of real, levels, measured and a shape, such as"),
        (["model", "dense", "--event", "real:3"], "--event: only kernels and potentials are checked on events"),
        (["recipes", "--set", "a=1"], "--set: needs the one component that it is about"),
        (["kernel", "gaussian", "--set", "men=data"], "did you mean 'mean'"),
    ],
)
def test_what_cannot_be_checked(cli: Cli, laws: Laws, install_plugin: Callable[..., str], arguments: list[str], said: str) -> None:
    install_plugin("exits")
    result = cli("check", *arguments)
    assert (result.exit_code, laws.asked) == (2, [])
    assert said in result.stderr
