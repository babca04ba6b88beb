"""Options are read strictly, every problem is named at once with its path, and what is written reads back equal."""

from __future__ import annotations

import tomllib
from typing import Any, Literal, Optional

import attrs
import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

import quasistatic as qs
from quasistatic._recipes.options import describe, structure, unstructure


@attrs.frozen
class Inner:
    """A table inside."""

    depth: int = attrs.field(default=1, validator=attrs.validators.ge(1), metadata={"help": "how deep"})


@attrs.frozen
class Options:
    """Every type that an option may have."""

    path: str = attrs.field(metadata={"help": "a file"})
    steps: int = attrs.field(default=3, validator=[attrs.validators.ge(1), attrs.validators.lt(100)])
    rate: float = attrs.field(default=0.5, validator=attrs.validators.gt(0))
    on: bool = False
    mode: Literal["fast", "slow", 3] = "fast"
    limit: int | None = None
    either: Optional[float] = 2.5  # noqa: UP045  the older spelling is read too
    names: tuple[str, ...] = ("a", "b")
    scales: tuple[float, ...] = attrs.field(default=(), validator=attrs.validators.deep_iterable(attrs.validators.gt(0)))
    inner: Inner = Inner()
    inners: tuple[Inner, ...] = attrs.field(factory=tuple)
    size: int | Literal["auto"] = "auto"


def problems(values: Any, cls: type = Options, path: str = "model") -> tuple[str, ...]:
    with pytest.raises(qs.errors.RecipeError) as caught:
        structure(cls, values, path, owner="dense")
    return caught.value.problems


def read(**values: Any) -> Options:
    return structure(Options, {"path": "x", **values}, "model")


def test_defaults_are_those_of_the_class():
    assert read() == Options("x")


def test_whole_numbers_are_numbers_but_not_the_other_way_round():
    rate = read(rate=2).rate
    assert (rate, type(rate)) == (2.0, float)
    assert problems({"path": "x", "steps": 3.0}) == ("model.steps: expected a whole number, got 3.0",)


NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("steps", 3.7, "expected a whole number, got 3.7"),
        ("steps", True, "expected a whole number, got true"),
        ("steps", "3", "expected a whole number, got '3'"),
        ("steps", 2**63, f"expected a whole number of at most 64 bits, got {2**63}"),
        ("steps", 0, "expected a value >= 1, got 0"),
        ("steps", 100, "expected a value < 100, got 100"),
        ("rate", True, "expected a number, got true"),
        ("rate", "0.1", "expected a number, got '0.1'"),
        ("rate", NAN, "expected a finite number, got nan"),
        ("rate", -INFINITY, "expected a finite number, got -inf"),
        ("rate", -1, "expected a value > 0, got -1.0"),
        ("on", "false", "expected true or false, got 'false'"),
        ("on", 0, "expected true or false, got 0"),
        ("path", 3, "expected text in quotes, got 3"),
        ("path", "a\udcffb", "expected text in UTF-8, got \"'a\\\\udcffb'\""),
        ("mode", "fats", "expected one of 'fast', 'slow', 3, got 'fats'; did you mean 'fast'?"),
        ("mode", 3.0, "expected one of 'fast', 'slow', 3, got 3.0"),
        ("limit", 1.5, "expected a whole number, got 1.5"),
        ("either", "x", "expected a number, got 'x'"),
        ("names", "abc", "expected a list of text, got 'abc'"),
        ("names", {"a": 1}, "expected a list of text, got {'a': 1}"),
        ("inner", 3, "expected a table of options, got 3"),
        ("size", "car", "expected whole number | 'auto', got 'car'"),
    ],
)
def test_what_does_not_fit_is_refused(key, value, said):
    assert problems({"path": "x", key: value}) == (f"model.{key}: {said}",)


def test_inside_lists_and_tables_the_path_goes_on():
    values = {
        "path": "x",
        "names": ["a", 3, True],
        "scales": [1, -1],
        "inner": {"depth": 0},
        "inners": [{}, {"deep": 1}],
    }
    assert problems(values) == (
        "model.names[1]: expected text in quotes, got 3",
        "model.names[2]: expected text in quotes, got true",
        "model.inner.depth: expected a value >= 1, got 0",
        "model.inners[1].deep: unknown option; did you mean 'depth'?  (this table takes: depth)",
        "model.scales: expected a value > 0, got -1.0",
    )


def test_all_problems_come_at_once():
    assert problems({"stepz": 1, "steps": 3.7, "rate": -1, "on": 0}) == (
        "model.stepz: unknown option; did you mean 'steps'?  (dense takes: path, steps, rate, on, mode, limit, either, "
        "names, scales, inner, inners, size)",
        "model.path: must be given (a file)",
        "model.steps: expected a whole number, got 3.7",
        "model.on: expected true or false, got 0",
        "model.rate: expected a value > 0, got -1.0",
    )


def test_none_is_written_as_a_word():
    assert read(limit="none").limit is read(limit=None).limit is None
    assert read(either="none").either is None
    assert unstructure(Options("x"))["limit"] == "none"


def test_checks_across_options_are_told_with_the_path_of_the_section():
    @attrs.frozen
    class Range:
        low: int = 0
        high: int = attrs.field(default=1)

        @high.validator
        def _ordered(self, _attribute: object, value: int) -> None:
            if value <= self.low:
                raise ValueError(f"high must be above low, got {self.low} and {value}")

        def __attrs_post_init__(self) -> None:
            if self.low + self.high == 13:
                raise ValueError("not 13")

    assert problems({"low": 3, "high": 2}, Range) == ("model: high must be above low, got 3 and 2",)
    assert problems({"low": 3, "high": 10}, Range) == ("model: not 13",)
    assert structure(Range, {"low": 3, "high": 4}, "model") == Range(3, 4)


def test_a_component_without_options_says_so():
    @attrs.frozen
    class Nothing:
        """Takes nothing."""

    assert problems({"x": 1}, Nothing) == ("model.x: unknown option  (dense takes no options)",)
    assert describe(Nothing) == ()


def test_options_are_described_for_a_person():
    described = {field.name: field for field in describe(Options)}
    assert {name: field.type for name, field in described.items()} == {
        "path": "text",
        "steps": "whole number",
        "rate": "number",
        "on": "true or false",
        "mode": "'fast' | 'slow' | 3",
        "limit": "whole number | none",
        "either": "number | none",
        "names": "list of text",
        "scales": "list of numbers",
        "inner": "table",
        "inners": "list of table",
        "size": "whole number | 'auto'",
    }
    assert (described["path"].required, described["path"].help) == (True, "a file")
    assert (described["steps"].required, described["steps"].default) == (False, 3)
    assert described["inner"].default == {"depth": 1}
    assert described["inners"].default == []


def test_options_that_no_recipe_can_give_are_the_plugin_s_fault():
    @attrs.frozen
    class Table:
        table: dict = attrs.field(factory=dict)

    @attrs.frozen
    class Missing:
        value: NoSuchType = 0  # noqa: F821

    with pytest.raises(qs.errors.PluginError, match=r"Table\.table: options cannot be of type <class 'dict'>"):
        describe(Table)
    with pytest.raises(qs.errors.PluginError, match=r"Missing: the type of an option cannot be read: name 'NoSuchType'"):
        describe(Missing)
    with pytest.raises(ValueError, match=r"Named\.use has the name"):
        qs.Component("model", "x", attrs.make_class("Named", {"use": attrs.field(type=str)}), build=print)


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
WHOLE = st.integers(-(2**63), 2**63 - 1)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
LEAVES = [
    (int, WHOLE),
    (float, NUMBER),
    (bool, st.booleans()),
    (str, TEXT),
    (Literal["a", "b", 1], st.sampled_from(["a", "b", 1])),
    (int | None, st.none() | WHOLE),
    (tuple[int, ...], st.lists(WHOLE, max_size=3).map(tuple)),
    (tuple[str, ...], st.lists(TEXT, max_size=3).map(tuple)),
    (tuple[tuple[float, ...], ...], st.lists(st.lists(NUMBER, max_size=2).map(tuple), max_size=2).map(tuple)),
]


@st.composite
def instances(draw: st.DrawFn, depth: int = 2) -> Any:
    """An instance of an attrs class that nobody has written."""
    kinds, values = {}, {}
    for number in range(draw(st.integers(0, 4))):
        name = f"option_{number}"
        if depth and draw(st.booleans()):
            values[name] = draw(instances(depth - 1))
            kinds[name] = attrs.field(type=type(values[name]))
        else:
            kind, strategy = draw(st.sampled_from(LEAVES))
            kinds[name], values[name] = attrs.field(type=kind), draw(strategy)
    return attrs.make_class("Generated", kinds, frozen=True)(**values)


@given(instances())
def test_what_is_written_reads_back_equal(options):
    text = tomli_w.dumps(unstructure(options))
    assert structure(type(options), tomllib.loads(text), "it") == options
