"""Runs that begin with the weights of others, that are refitted on all rows, that hold out nothing, and that are pickled."""

import json
import pickle

import attrs
import jax
import numpy as np
import pytest

import quasistatic as qs
from quasistatic._report.run_report import run_report
from quasistatic._report.summary import all_rows, kept_lines, summarise
from quasistatic._runs.job import start
from quasistatic._storage.folder import RunFolder
from quasistatic._training.refit import whole

SMALL = {
    "model.width": 16,
    "model.depth": 1,
    "training.updates": 40,
    "training.batch": 16,
    "training.validate_every": 20,
    "training.checkpoint_every": 20,
    "training.observers": [],
    "trajectory.steps": 5,
    "evaluation.trajectory_steps": [],
    "evaluation.samples": 8,
    "evaluation.repeats": 1,
}


def rows(count=60, seed=0, columns=2):
    return np.random.default_rng(seed).normal(size=(count, columns)) @ np.diag(np.arange(1.0, columns + 1)) + 3.0


def recipe(tmp_path=None, data=None, **changed):
    options = SMALL | {key.replace("__", "."): value for key, value in changed.items()}
    if tmp_path is not None:
        path = tmp_path / f"data{len(list(tmp_path.iterdir()))}.csv"
        np.savetxt(path, rows() if data is None else data, delimiter=",")
        options["source.path"] = str(path)
    return qs.load_recipe("array", options)


def weights(diffusion):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(diffusion.model)]


def same(one, other):
    return all((a == b).all() for a, b in zip(one, other, strict=True))


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A trained run in a folder, that of its best weights being no start."""
    folder = tmp_path_factory.mktemp("begun")
    run = qs.train(recipe(folder, kernel__reference="normal", training__rate=0.01), out=folder / "first")
    assert run.best.update > 0
    return run


def test_a_run_begins_with_the_best_weights_of_another(kept, tmp_path):
    run = qs.train(recipe(tmp_path, rows(80, 1), kernel__reference="normal"), out=tmp_path / "second", start_from=kept.folder)
    assert same(weights(run.task.diffusion), weights(kept.diffusion))
    told = json.loads((tmp_path / "second" / "run.json").read_text())["start_from"]
    assert told == {"run": str(kept.folder.absolute()), "update": kept.best.update, "sha256": run.beginning.sha256}
    assert next(kept_lines(run)) == f"began with the weights of update {kept.best.update} of {kept.folder.absolute()}"
    again = qs.open_run(tmp_path / "second")
    assert again.beginning == run.beginning and same(weights(again.task.diffusion), weights(kept.diffusion))


def test_it_goes_on_bit_for_bit_without_the_other(kept, tmp_path):
    chosen = recipe(tmp_path, rows(80, 1), kernel__reference="normal")
    straight = qs.train(chosen, out=tmp_path / "one", start_from=kept)
    asked = iter([False, False, True])
    start(chosen, qs.plugins(), tmp_path / "two", kept).train(stop=lambda: next(asked))
    from quasistatic._runs.job import reopen

    resumed = reopen(tmp_path / "two", qs.plugins()).train()
    assert resumed.progress == straight.progress and same(weights(resumed.diffusion), weights(straight.diffusion))
    # one that was killed before its first checkpoint too
    start(chosen, qs.plugins(), tmp_path / "three", kept)
    assert same(weights(reopen(tmp_path / "three", qs.plugins()).train().diffusion), weights(straight.diffusion))


def test_what_the_kernel_has_measured_comes_along():
    """The network has learned what it has to add to the mixture of the first data, not of others."""
    first = qs.train(recipe(), rows())
    second = qs.train(recipe(), rows(90, 5), start_from=first)
    assert first.task.measured and set(first.task.measured) == set(second.task.measured)
    assert all((second.task.measured[name] == array).all() for name, array in first.task.measured.items())
    fresh = qs.train(recipe(), rows(90, 5))
    assert not all((fresh.task.measured[name] == array).all() for name, array in first.task.measured.items())
    assert second.beginning.run is None and "a run in memory" in str(second.beginning)


def test_all_that_does_not_fit_is_said_at_once(kept, tmp_path):
    other = recipe(tmp_path, rows(60, 1, 3), kernel__reference="normal", model__width=8, trajectory__grid="learned")
    with pytest.raises(qs.errors.IncompatibleError) as caught:
        qs.train(other, out=tmp_path / "no", start_from=kept.folder)
    message = str(caught.value)
    assert message.startswith(f"start_from: the weights of {kept.folder} do not fit this recipe: ")
    for part in ("event: 2 real there, 3 real here", "model.width: 16 there, 8 here", "trajectory.grid: fixed there, learned here"):
        assert part in message
    assert not (tmp_path / "no").exists()
    # another chain and other rates do fit
    qs.train(recipe(kernel__reference="normal", trajectory__steps=7, training__rate=1e-4), rows(), start_from=kept)


def test_a_run_is_refitted_on_all_rows_and_judged_by_the_held_out_one(tmp_path):
    plain = {"kernel__reference": "normal", "training__rate": 0.01}
    held_out = qs.train(recipe(**plain), rows())
    run = qs.train(recipe(tmp_path, **plain, training__refit=True), out=tmp_path / "run")
    assert run.kept_update == held_out.kept_update > 0
    assert same(weights(run.held_out), weights(held_out.diffusion)) and not same(weights(run.diffusion), weights(run.held_out))
    for split in ("test", "train"):
        assert run.evaluate(split).bound.value == held_out.evaluate(split).bound.value
    own = run.source.split("test")
    assert run.evaluate(own).bound.value != held_out.evaluate(own).bound.value  # of given events, with the weights that one has
    assert any("on the rows of all splits" in line for line in kept_lines(run))
    again = qs.open_run(tmp_path / "run")
    assert same(weights(again.diffusion), weights(run.diffusion)) and same(weights(again.held_out), weights(run.held_out))
    assert again.is_done and not again.notes


def test_a_refit_that_was_stopped_is_finished(tmp_path):
    chosen = recipe(tmp_path, kernel__reference="normal", training__rate=0.01, training__refit=True)
    straight = qs.train(chosen, out=tmp_path / "one")
    asked = iter([False] * 4 + [False, True])  # 40 updates in chunks of 10, then one more chunk
    job = start(chosen, qs.plugins(), tmp_path / "two")
    first = job.train(stop=lambda: next(asked))
    assert first.held_out is None and not first.is_done
    assert "trains them on all rows" in qs.open_run(tmp_path / "two").notes[-1]
    assert same(weights(job.train().diffusion), weights(straight.diffusion))


def test_a_refit_trains_on_the_rows_of_every_split():
    task = whole(qs.train(recipe(training__updates=1), rows()).task)
    assert len(task.source.stored()) == 60 and len(task.source.split("validation")) == len(task.source.split("test")) == 0


def test_a_source_that_cannot_give_all_rows_is_refused(tmp_path):
    with pytest.raises(qs.errors.IncompatibleError, match=r"training\.refit: source 'swiss-roll' cannot give"):
        qs.train(qs.load_recipe("swiss-roll", {"training.refit": True}), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("shares", "split", "said"),
    [
        ((0.2, 0.0), "validation", "there are no test events"),
        ((0.0, 0.2), "test", "the last: there are no validation events to choose by"),
        ((0.0, 0.0), "train", "nothing was measured of others"),
    ],
)
def test_a_run_without_some_of_its_splits(tmp_path, shares, split, said):
    chosen = recipe(tmp_path, source__validation_share=shares[0], source__test_share=shares[1], training__patience=0.1)
    run = qs.train(chosen, out=tmp_path / "run")
    assert (run.best is None) == (shares[0] == 0) and run.updates_done == 40
    assert run.evaluate().bound.value == run.evaluate(split).bound.value
    for each in (run, qs.open_run(tmp_path / "run")):
        summary = summarise(each)
        assert summary.split == split and any(said in line for line in kept_lines(each))
        assert summary.to_dict()["evaluations"][0]["data"] == split and list(all_rows(summary))
        page = run_report(summary, RunFolder.open(tmp_path / "run"))
        assert said in page and "K beside what it should be read against, on the same events of the " + split in page
    for name in ("validation", "test"):
        if not len(run.source.split(name)):
            with pytest.raises(qs.DataError, match=f"the {name} split holds no events"):
                run.evaluate(name)


def test_pickled_runs_are_the_same(kept):
    in_memory = qs.train(qs.load_recipe("heartbeat", SMALL))
    for run in (kept, in_memory, attrs.evolve(kept, diffusion=kept.task.diffusion)):
        again = pickle.loads(pickle.dumps(run))
        xs = run.sample(5, seed=3)
        np.testing.assert_array_equal(again.sample(5, seed=3), xs)
        np.testing.assert_array_equal(again.bound(xs).per_event, run.bound(xs).per_event)
        assert again.recipe == run.recipe and again.progress == run.progress and again.folder == run.folder
    again = pickle.loads(pickle.dumps(in_memory.task))
    assert same(weights(again.diffusion), weights(in_memory.task.diffusion))


def test_a_run_in_a_folder_is_pickled_without_its_data(kept):
    assert len(pickle.dumps(kept)) < 30_000 and b"_Part" not in pickle.dumps(kept)
