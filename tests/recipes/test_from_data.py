"""Data in memory in the place of those that a source reads, and runs that are sent to another process."""

import pickle

import numpy as np
import pytest

import quasistatic as qs
from quasistatic._recipes.wire import build_source, build_task

TINY = {
    **{"training.updates": 2, "training.batch": 4, "training.validate_every": 2, "training.validation_events": 4},
    **{"training.observers": [], "model.width": 4, "trajectory.steps": 3, "evaluation.events": 8},
}
RNG = np.random.default_rng(0)


def test_a_source_of_arrays_takes_them_from_memory_with_its_options():
    recipe = qs.load_recipe("array", {"source.scale": "one", "source.test_share": 0.5})
    source = build_source(recipe, qs.plugins(), RNG.normal(size=(40, 2)) * [1, 100])
    assert source.event == qs.Real((2,)) and np.ndim(source.units.scale) == 0 and len(source.split("test")) == 20
    parts = build_source(recipe, qs.plugins(), {"a": RNG.normal(size=(40, 2)), "b": RNG.integers(0, 2, (40, 3))})
    assert parts.event.describe() == "a: 2 real, b: 3 binary"


def test_a_source_of_pictures_takes_them_from_memory():
    recipe = qs.load_recipe("images", {"source.test_share": 0.5})
    source = build_source(recipe, qs.plugins(), RNG.integers(0, 256, (40, 4, 4)))
    assert isinstance(source.event, qs.Levels) and len(source.split("test")) == 20


def test_a_source_that_takes_none_is_one_message():
    said = "^source 'swiss-roll' takes no data from memory; sources that do: array, images"
    with pytest.raises(qs.errors.IncompatibleError, match=said):
        qs.train("swiss-roll", data=np.zeros((40, 2)))
    with pytest.raises(qs.DataError, match="holds 3 events"):
        qs.train("array", data=np.zeros((3, 2)))


def test_only_a_source_is_made_of_data():
    component = qs.plugins().component("source", "array")
    with pytest.raises(ValueError, match="only a source takes data from memory"):
        qs.Component("sampler", "mine", component.options, print, from_data=print)
    with pytest.raises(ValueError, match="takes no data from memory"):
        qs.plugins().component("source", "swiss-roll").load_from_data()


def test_train_takes_a_path_to_data(tmp_path):
    np.save(tmp_path / "mine.npy", RNG.normal(size=(40, 2)))
    recipe = qs.load_recipe(tmp_path / "mine.npy", TINY)
    assert recipe.name == "mine" and recipe.choices["source"].options.path == str(tmp_path / "mine.npy")
    with pytest.raises(qs.DataError, match="no such file"):
        qs.train(tmp_path / "gone.npy")


def test_a_run_of_arrays_can_be_pickled(tmp_path):
    np.save(tmp_path / "mine.npy", RNG.normal(size=(40, 2)))
    recipe = qs.load_recipe(tmp_path / "mine.npy", TINY)
    run = qs.train(recipe, out=tmp_path / "run")
    for each in (run, qs.open_run(tmp_path / "run")):
        again = pickle.loads(pickle.dumps(each))
        assert again.recipe == recipe
        np.testing.assert_array_equal(again.source.split("test").x, run.source.split("test").x)
        np.testing.assert_array_equal(again.sample(3, seed=1), run.sample(3, seed=1))


@pytest.mark.parametrize("name", ["heartbeat", "swiss-roll", "mixed", "array", "images"])
def test_recipes_tasks_and_diffusions_can_be_pickled(name):
    recipe = qs.load_recipe(name, TINY)
    data = {"array": RNG.integers(0, 3, (40, 5)) * 1.5, "images": RNG.integers(0, 256, (40, 8, 8))}.get(name)
    task = build_task(recipe, qs.plugins(), build_source(recipe, qs.plugins(), data))
    again = pickle.loads(pickle.dumps((recipe, task)))
    assert again[0] == recipe and again[1].source.event == task.source.event
    assert str(again[1].diffusion) == str(task.diffusion)
