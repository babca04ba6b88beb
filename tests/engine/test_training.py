"""The training loop: what it moves, what it compiles, how it stops and goes on."""

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic._engine import initial_state, make_chunk, make_optimiser, trained_part
from quasistatic._rows import Rows
from quasistatic._store import Store
from quasistatic._train import _until_next, fit
from quasistatic._wire import wire

SMALL = {
    "model.width": 16,
    "model.depth": 1,
    "training.steps": 60,
    "training.batch": 16,
    "training.validate_every": 20,
    "training.validation_events": 32,
    "training.checkpoint_every": 20,
    "training.observers": [],
    "trajectory.steps": 5,
}


def small(name="swiss-roll", **overrides):
    return qs.load_recipe(name, SMALL | {key.replace("__", "."): value for key, value in overrides.items()})


def leaves(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


class Counter(qs.AbstractObserver):
    """Keeps what it was told."""

    def __init__(self):
        self.calls = []

    def start(self, info):
        self.calls.append(("start", info.first_step))

    def progress(self, step, metrics):
        assert np.isfinite(metrics["loss_nats"])
        self.calls.append(("progress", step))

    def validation(self, step, ledger, diffusion):
        self.calls.append(("validation", step))

    def finish(self, step, reason):
        self.calls.append(("finish", reason))


@pytest.mark.parametrize("grid", ["fixed", "learned"])
def test_an_update_moves_every_trained_leaf_and_nothing_else(grid):
    # readouts start at zero, so the layers below them move from the second update on
    wired = wire(small(trajectory__grid=grid, training__weight_decay=0.0), qs.plugins())
    before = wired.diffusion
    outcome = fit(attrs.evolve(wired, recipe=small(trajectory__grid=grid, training__steps=3)))
    trained, rest = trained_part(eqx.combine(outcome.state.trained, trained_part(before)[1]))
    start, start_rest = trained_part(before)
    assert all((a != b).any() for a, b in zip(leaves(trained), leaves(start), strict=True))
    assert eqx.tree_equal(rest, start_rest)
    names = {jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(trained)}
    assert (".grid.increments" in names) == (grid == "learned")
    assert len(names) == len(jax.tree.leaves(eqx.filter(before.model, eqx.is_inexact_array))) + (grid == "learned")


def test_a_whole_run_is_one_trace():
    traces = []

    class Counted(qs.AbstractObjective):
        inner: qs.AbstractObjective

        def __call__(self, diffusion, x, u, key, given=None):
            traces.append(1)
            return self.inner(diffusion, x, u, key, given)

    # 55 is no multiple of 10, and validation falls between chunks: still one program
    wired = wire(small(training__steps=55, training__validate_every=7), qs.plugins())
    fit(attrs.evolve(wired, objective=Counted(wired.objective)))
    assert len(traces) == 1


def test_the_fused_chunk_equals_single_steps():
    wired = wire(small(), qs.plugins())
    options = wired.recipe.training
    optimiser = make_optimiser(options)
    _, rest = trained_part(wired.diffusion)
    chunk = make_chunk(rest, wired.objective, optimiser, wired.source.draw, options.batch, options.ema, jr.key(0))
    at_once, _ = chunk(initial_state(wired.diffusion, optimiser), None, np.int32(6))
    one_by_one = initial_state(wired.diffusion, optimiser)
    for _ in range(6):
        one_by_one, _ = chunk(one_by_one, None, np.int32(1))
    assert all((a == b).all() for a, b in zip(leaves(at_once), leaves(one_by_one), strict=True))


def test_observers_are_told_in_order():
    counter = Counter()
    fit(wire(small(training__steps=25), qs.plugins()), [counter])
    assert counter.calls == [
        ("start", 0),
        ("progress", 10),
        ("progress", 20),
        ("validation", 20),
        ("progress", 25),
        ("validation", 25),
        ("finish", "done"),
    ]


@pytest.mark.parametrize("name", ["swiss-roll", "heartbeat", "digits"])
def test_resuming_is_bit_exact(name, tmp_path):
    wired = wire(small(name), qs.plugins())
    whole = fit(wired)
    asked = iter([False, False, False, True])
    first = fit(wired, store=Store(tmp_path), stop=lambda: next(asked))
    assert first.reason == "stopped" and int(first.state.step) == 30
    second = fit(wired, store=Store(tmp_path))
    assert second.best == whole.best
    for a, b in zip(leaves((whole.state, whole.diffusion)), leaves((second.state, second.diffusion)), strict=True):
        assert (a == b).all()


def test_the_best_weights_are_kept_not_the_last(tmp_path):
    class Uphill(qs.AbstractObjective):
        inner: qs.AbstractObjective

        def __call__(self, diffusion, x, u, key, given=None):
            loss, metrics = self.inner(diffusion, x, u, key, given)
            return -loss, metrics

    wired = wire(small(training__rate=1e-2, training__ema=0.0), qs.plugins())
    outcome = fit(attrs.evolve(wired, objective=Uphill(wired.objective)), store=Store(tmp_path))
    assert outcome.best.step == 20
    _, best, weights = Store(tmp_path).load(initial_state(wired.diffusion, make_optimiser(wired.recipe.training)))
    assert best == outcome.best
    trained, _ = trained_part(outcome.diffusion)
    assert all((a == b).all() for a, b in zip(leaves(weights), leaves(trained), strict=True))


def test_training_that_is_not_finite_stops_and_names_the_last_good_checkpoint(tmp_path):
    class Poisoned(qs.AbstractObjective):
        inner: qs.AbstractObjective

        def __call__(self, diffusion, x, u, key, given=None):
            loss, metrics = self.inner(diffusion, x, u, key, given)
            weights = diffusion.model.bias
            poisoned = jnp.abs(weights).max() > 0.007
            return loss * jnp.where(poisoned, jnp.nan, 1.0), metrics

    wired = wire(small(training__rate=1e-3, training__schedule="constant", training__checkpoint_every=5), qs.plugins())
    counter = Counter()
    with pytest.raises(qs.TrainingDiverged) as caught:
        fit(attrs.evolve(wired, objective=Poisoned(wired.objective)), [counter], Store(tmp_path))
    kept = Store(tmp_path).newest_step()
    assert kept is not None and kept <= caught.value.step
    assert f"of step {kept}" in str(caught.value) and str(caught.value.step) in str(caught.value)
    assert counter.calls[-1] == ("finish", "failed")
    state, _, _ = Store(tmp_path).load(initial_state(wired.diffusion, make_optimiser(wired.recipe.training)))
    assert all(np.isfinite(leaf).all() for leaf in leaves(state))


def test_rows_visit_every_event_once_an_epoch_in_a_new_order():
    rows = Rows({"x": np.arange(10)}, 4, seed=1)
    seen = np.concatenate([rows.chunk(step, 1)["x"].ravel() for step in range(5)])
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert list(seen[:10]) != list(seen[10:])
    assert (rows.chunk(0, 5)["x"].ravel() == seen).all()
    assert Rows({"x": np.arange(10)}, 4, seed=2).at(0).tolist() != rows.at(0).tolist()


@pytest.mark.parametrize(("step", "expected"), [(0, 7), (13, 1), (14, 6), (20, 1), (21, 2)])
def test_chunks_fall_on_the_same_steps_however_often_a_run_is_resumed(step, expected):
    assert _until_next(step, 23, 10, 7) == expected


def test_stratified_times_lower_the_variance_and_keep_the_mean():
    wired = wire(small("heartbeat", trajectory__steps=50), qs.plugins())
    data = wired.source.split("validation").x[:64]

    def loss(us, key):
        keys = jr.split(key, len(data))
        return jax.vmap(lambda x, u, k: wired.objective(wired.diffusion, x, u, k)[0])(data, us, keys).mean()

    def stratified(key):
        key_u, key_loss = jr.split(key)
        return loss((jnp.arange(64) / 64 + jr.uniform(key_u)) % 1.0, key_loss)

    def independent(key):
        key_u, key_loss = jr.split(key)
        return loss(jr.uniform(key_u, (64,)), key_loss)

    keys = jr.split(jr.key(0), 400)
    a, b = (np.asarray(jax.jit(jax.vmap(f))(keys)) for f in (stratified, independent))
    assert abs(a.mean() - b.mean()) < 5 * np.hypot(a.std(), b.std()) / 20
    assert a.std() < 0.93 * b.std()


@pytest.mark.parametrize("options", [{"objective.draw": "importance"}, {"objective.antithetic": True}])
def test_other_ways_to_draw_terms_keep_the_mean(options):
    recipe = qs.load_recipe("heartbeat", SMALL | {"trajectory.steps": 8} | options)
    wired = wire(recipe, qs.plugins())
    data = wired.source.split("validation").x[:64]
    objective = wired.objective.prepare(wired.diffusion, data, None, jr.key(1))
    assert (objective.shares is not None) == ("objective.draw" in options)
    keys = jr.split(jr.key(0), 40 * 64).reshape(40, 64)

    @jax.jit
    def losses(keys):
        def one(x, key):
            key_u, key_loss = jr.split(key)
            return objective(wired.diffusion, x, jr.uniform(key_u), key_loss)[0]

        return jax.vmap(lambda row: jax.vmap(one)(data, row))(keys)

    found = np.asarray(losses(keys)).ravel()
    exact = qs.ledger(wired.diffusion, data, jr.key(2), repeats=40)
    expected = exact.terms[:, :-1].sum(axis=1)
    error = np.hypot(found.std() / np.sqrt(len(found)), expected.std() / np.sqrt(len(expected) * 40))
    assert abs(found.mean() - expected.mean()) < 5 * error
