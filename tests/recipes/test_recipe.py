"""Recipes: found by name or path, overridden, and every problem of every section told at once."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import quasistatic as qs
from quasistatic._plugins.kind import KINDS
from quasistatic._recipes.options import describe
from quasistatic._recipes.sections import SECTIONS
from quasistatic._training.options import MOST_STEPS

SMALL = """
seed = 7
[source]
use = "heartbeat"
[kernel]
use = "binomial"
base_rate = 0.2
schedule = "cosine"
[training]
updates = 50
observers = []
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


def problems(*arguments: Any, **more: Any) -> tuple[str, ...]:
    with pytest.raises(qs.errors.RecipeError) as caught:
        qs.load_recipe(*arguments, **more)
    return caught.value.problems


def test_a_file_is_read_and_what_it_does_not_say_is_the_default(small):
    recipe = qs.load_recipe(small)
    assert (recipe.name, recipe.seed) == ("small", 7)
    kernel = recipe.choices["kernel"]
    assert (kernel.component.name, kernel.options.base_rate, kernel.options.schedule) == ("binomial", 0.2, "cosine")
    assert [recipe.choices[kind].component.name for kind in ("model", "objective", "sampler")] == [
        "dense", "bound", "ancestral",
    ]  # fmt: skip
    assert (recipe.training.updates, recipe.training.batch, recipe.training.observers) == (50, 256, ())
    assert recipe.evaluation == SECTIONS["evaluation"]()
    assert qs.load_recipe(str(small)) == recipe


@pytest.mark.parametrize("name", [named.name for named in qs.plugins().recipes()])
def test_named_recipes_are_whole_and_are_read_again_equal(name, tmp_path):
    recipe = qs.load_recipe(name, {"source.path": "x.csv"} if name == "array" else ())
    assert recipe.name == name
    path = tmp_path / "resolved.toml"
    path.write_text(recipe.to_toml())
    assert qs.load_recipe(path) == recipe
    assert qs.plugins().recipe(name).summary


def test_the_resolved_recipe_has_every_option(small):
    values = qs.load_recipe(small).to_dict()
    kinds = [name for name, kind in KINDS.items() if kind.section == "required"]
    assert [*values] == ["name", "seed", *kinds, *SECTIONS, "observer"]
    for kind in kinds:
        component = qs.plugins().component(kind, values[kind]["use"])
        assert list(values[kind]) == ["use", *(field.name for field in describe(component.options))]
    for key, cls in SECTIONS.items():
        assert list(values[key]) == [field.name for field in describe(cls)]


@pytest.mark.parametrize(
    ("override", "section", "option", "expected"),
    [
        ("training.updates=3000", "training", "updates", 3000),
        (" training.updates = 3000 ", "training", "updates", 3000),
        ("training.rate=1e-4", "training", "rate", 1e-4),
        ("training.schedule=constant", "training", "schedule", "constant"),
        ('training.schedule="constant"', "training", "schedule", "constant"),
        ("training.validation_steps=none", "training", "validation_steps", None),
        ('training.observers=["jsonl"]', "training", "observers", ("jsonl",)),
        ("evaluation.trajectory_steps=[40, 1000]", "evaluation", "trajectory_steps", (40, 1000)),
    ],
)
def test_overrides_are_toml_values_or_bare_words(small, override, section, option, expected):
    assert getattr(getattr(qs.load_recipe(small, [override]), section), option) == expected


def test_overrides_may_be_a_mapping_and_the_last_one_holds(small):
    assert qs.load_recipe(small, {"training.updates": 3, "seed": 4}).seed == 4
    assert qs.load_recipe(small, ["seed=1", "seed=2"]).seed == 2
    assert qs.load_recipe(small, ["name=mine"]).name == "mine"


def test_another_component_drops_the_recipe_s_options_of_the_old_one(small):
    plain = {"source.use": "swiss-roll", "kernel.use": "gaussian"}
    recipe = qs.load_recipe(small, plain)
    assert recipe.choices["kernel"].options == recipe.choices["kernel"].component.options()
    kept = qs.load_recipe(small, ["kernel.use=binomial"])
    assert kept == qs.load_recipe(small)
    changed = qs.load_recipe(small, ["kernel.schedule=erasure", "kernel.use=gaussian", "source.use=swiss-roll"])
    assert changed.choices["kernel"].options.schedule == "erasure"  # in whatever order they come


def test_all_problems_of_all_sections_come_at_once(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text(
        'seed = -1\nkernal = 3\n[source]\nuse = "swis-roll"\n'
        '[kernel]\nuse = "gaussian"\nshedule = "cosine"\nmean = "velocty"\n'
        '[model]\nuse = 3\n[training]\nupdates = 3.7\nobservers = ["jsnol"]\n[trajectory]\nsteps = 0\n'
    )
    found = problems(path, ["evaluation.samples=many", "objective=simple"])
    starts = [
        "kernal: unknown section; did you mean 'kernel'?  (a recipe takes: name, seed, source",
        "seed: expected a value >= 0, got -1",
        "source.use: no source is called 'swis-roll'; did you mean 'swiss-roll'?",
        "kernel.shedule: unknown option; did you mean 'schedule'?  (gaussian takes: schedule, path, first_noise, ",
        "kernel.mean: expected one of 'velocity', ",
        "model.use: expected the name of a model, got 3",
        "objective: expected a section with use = ..., got 'simple'  (write objective.use)",
        "trajectory.steps: expected a value >= 1, got 0",
        "training.updates: expected a whole number, got 3.7",
        "evaluation.samples: expected a whole number, got 'many'",
        "training.observers: no observer is called 'jsnol'; did you mean 'jsonl'?",
    ]
    assert len(found) == len(starts)
    for problem, start in zip(found, starts, strict=True):
        assert problem.startswith(start)


def test_source_and_kernel_must_be_chosen(tmp_path):
    path = tmp_path / "empty.toml"
    path.write_text("")
    found = problems(path)
    assert [problem.partition(":")[0] for problem in found] == ["source.use", "kernel.use"]
    assert "must be given  (known: absorbing, binomial, gaussian, ordinal, product, substitution, uniform)" in found[1]


def test_observers_are_looked_up(small):
    (found,) = problems(small, ['training.observers=["jsnol"]'])
    assert found.startswith("training.observers: no observer is called 'jsnol'; did you mean 'jsonl'?")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("training.updates", "training.updates: expected section.option=value, such as training.updates=3000"),
        ("=3", "=3: expected section.option=value"),
        ("seed.x=3", "seed.x: seed is not a section"),
        ("training.updates.x=3", "training.updates.x: training.updates is not a section"),
        ("nowhere.x=3", "nowhere: unknown section"),
        ("training.updatez=3", "training.updatez: unknown option; did you mean 'updates'?"),
        ("training.updates=3\nbatch=4", "training.updates: expected a whole number, got '3\\nbatch=4'"),
        ("training.updates=" + "[" * 5000, "training.updates: expected a whole number, got '[[["),
        ("training=3", "training: expected a table of options, got 3"),
        ("training.updates=2024-01-01", "training.updates: expected a whole number, got datetime.date(2024, 1, 1)"),
        ("seed=" + "9" * 5000, "seed: expected a whole number, got '999"),
        ("seed=4294967296", "seed: expected a value < 4294967296, got 4294967296"),
        ("model.use=", "model.use: no model is called ''"),
    ],
)
def test_bad_overrides_are_refused_by_name(small, override, said):
    (found,) = problems(small, [override])
    assert found.startswith(said)


def test_files_that_are_no_recipes(tmp_path):
    files = {
        "latin.toml": b'name = "\xe9"\n',
        "broken.toml": b"[kernel\n",
        "deep.toml": b"x = " + b"[" * 5000,
        "huge.toml": b"# " + b"x" * 1_000_001,
        "digits.toml": b"seed = " + b"9" * 5000,
    }
    for name, text in files.items():
        (tmp_path / name).write_bytes(text)
    (tmp_path / "folder.toml").mkdir()
    os.mkfifo(tmp_path / "pipe.toml")  # nobody writes to it: reading would wait for ever
    said = {
        "latin.toml": "expected UTF-8 text, byte 8 is not",
        "broken.toml": "not TOML: Expected",
        "deep.toml": "not TOML: ",
        "huge.toml": "cannot be read: it has 1000003 bytes, expected at most 1000000",
        "digits.toml": "not TOML: ",
        "folder.toml": "cannot be read: not an ordinary file",
        "pipe.toml": "cannot be read: not an ordinary file",
        "absent.toml": "cannot be read: No such file or directory",
        "nul\0.toml": "cannot be read: ",
    }
    for name, text in said.items():
        (found,) = problems(tmp_path / name)
        assert found.startswith(f"{tmp_path / name}: {text}")
    assert "embedded null" in found  # in words that differ by version of Python


def test_a_file_without_permission(small, monkeypatch):
    def refuse(*_arguments: object, **_more: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert problems(small)[0].startswith(f"{small}: cannot be read: Permission denied")


def test_unknown_names_and_lost_files(install_plugin):
    with pytest.raises(qs.errors.ComponentNotFound, match="no recipe is called 'swis-roll'; did you mean 'swiss-roll'"):
        qs.load_recipe("swis-roll")
    install_plugin("bad_options")
    manager = qs.PluginManager()
    with pytest.raises(
        qs.errors.PluginError, match=r"recipe 'lost' of plugin 'bad_options' \(bad-bad-options 0.1\) cannot be read"
    ):
        qs.load_recipe("lost", manager=manager)
    (found,) = problems("swiss-roll", ["sampler.use=tagged"], manager)
    assert found == "sampler: bad_options.Options.tags: options cannot be of type <class 'set'>"


def _value(field: Any) -> st.SearchStrategy[Any]:
    """Values that an option of the core's sections may have."""
    by_type: dict[str, st.SearchStrategy[Any]] = {
        "whole number": st.integers(1, MOST_STEPS),
        "whole number | none": st.integers(1, MOST_STEPS) | st.none(),
        "number": st.floats(1e-9, 0.999),
        "true or false": st.booleans(),
        "list of whole numbers": st.lists(st.integers(1, MOST_STEPS), max_size=3),
        "list of numbers": st.lists(st.floats(1e-9, 0.999), max_size=3),
        "list of text | none": st.lists(st.sampled_from(["jsonl", "progress"]), max_size=2) | st.none(),
    }
    words = [word.strip("'") for word in field.type.split(" | ")]
    return by_type[field.type] if field.type in by_type else st.sampled_from(words)


OVERRIDES = {f"{key}.{field.name}": _value(field) for key, cls in SECTIONS.items() for field in describe(cls)}
OVERRIDES["training.accumulate"] = st.just(1)  # it has to divide the batch


@given(
    st.fixed_dictionaries({}, optional=OVERRIDES),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.integers(0, 2**32 - 1),
)
def test_whatever_is_resolved_reads_back_equal(overrides, name, seed):
    recipe = qs.load_recipe("swiss-roll", {**overrides, "name": name, "seed": seed})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "resolved.toml"
        path.write_text(recipe.to_toml(), encoding="utf-8", newline="\n")
        assert qs.load_recipe(path) == recipe
