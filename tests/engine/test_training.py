"""The training loop: what it moves, what it compiles, how it stops and goes on."""

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic._recipes.wire import build_task
from quasistatic._training.engine import Fixed, batch_loss, chunk, initial_state, loss_and_gradient, trained_part
from quasistatic._training.loop import _prepared, _until_next, fit_task
from quasistatic._training.rows import Batches, permuted
from quasistatic._training.store import Store

SMALL = {
    "model.width": 16,
    "model.depth": 1,
    "training.updates": 60,
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
    """Keeps what it is notified of."""

    def __init__(self):
        self.calls = []

    def start(self, info):
        self.calls.append(("start", info.first_update))

    def progress(self, update, metrics):
        assert np.isfinite(metrics["loss_nats"])
        self.calls.append(("progress", update))

    def validation(self, update, ledger, diffusion):
        self.calls.append(("validation", update))

    def finish(self, update, reason):
        self.calls.append(("finish", reason))


@pytest.mark.parametrize("grid", ["fixed", "learned"])
def test_an_update_moves_every_trained_leaf_and_nothing_else(grid):
    # readouts start at zero, so the layers below them move from the second update on
    task = build_task(small(trajectory__grid=grid, training__weight_decay=0.0), qs.plugins())
    before = task.diffusion
    outcome = fit_task(attrs.evolve(task, options=small(training__updates=3).training))
    trained, rest = trained_part(eqx.combine(outcome.state.trained, trained_part(before)[1]))
    start, start_rest = trained_part(before)
    assert all((a != b).any() for a, b in zip(leaves(trained), leaves(start), strict=True))
    assert eqx.tree_equal(rest, start_rest)
    names = {jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(trained)}
    assert (".grid.increments" in names) == (grid == "learned")
    assert len(names) == len(jax.tree.leaves(eqx.filter(before.model, eqx.is_inexact_array))) + (grid == "learned")


def test_a_whole_run_is_one_program():
    traces = []

    class Counted(qs.AbstractObjective):
        inner: qs.AbstractObjective

        def __call__(self, diffusion, x, u, *, key):
            traces.append(1)
            return self.inner(diffusion, x, u, key=key)

    # 55 is no multiple of 10, and validation falls between chunks: still one program
    task = build_task(small(training__updates=55, training__validate_every=7), qs.plugins())
    after = []

    class Traces(qs.AbstractObserver):
        def progress(self, update, metrics):
            after.append(len(traces))

    fit_task(attrs.evolve(task, objective=Counted(task.objective)), [Traces()])
    # once for the shapes of what is reported, once for the program; never again after the first chunk
    assert after == [2] * len(after) and len(after) > 10


def test_an_objective_is_prepared_on_training_events():
    """One that fits there would learn from the events that it is chosen by."""
    task = build_task(small(), qs.plugins())

    class Looks(type(task.objective)):
        def prepare(self, diffusion, xs, side=None, *, key):
            seen.append(np.asarray(xs))
            return self

    seen = []
    _prepared(attrs.evolve(task, objective=Looks(task.objective.options)))
    np.testing.assert_array_equal(seen[0], task.source.split("train", 32).x)
    assert not np.array_equal(seen[0], task.source.split("validation", 32).x)


def fixed_of(task, **options):
    """What the program of a task reads, as the training loop gives it."""
    _, rest = trained_part(task.diffusion)
    return Fixed(rest, task.objective, jr.key(task.seed), task.source.draw, attrs.evolve(task.options, **options))


def test_the_fused_chunk_equals_single_updates():
    task = build_task(small(), qs.plugins())
    fixed = fixed_of(task)
    at_once, _ = chunk((fixed, None, np.int32(6)), initial_state(task.diffusion, task.options))
    one_by_one = initial_state(task.diffusion, task.options)
    for _ in range(6):
        one_by_one, _ = chunk((fixed, None, np.int32(1)), one_by_one)
    assert all((a == b).all() for a, b in zip(leaves(at_once), leaves(one_by_one), strict=True))


def test_updates_in_a_loop_and_outside_of_one_are_the_same_to_rounding():
    class Losses(qs.AbstractObserver):
        def __init__(self):
            self.seen = []

        def progress(self, update, metrics):
            self.seen.append(metrics["loss_nats"])

    alone, together = Losses(), Losses()
    for fuse, losses in ((1, alone), (10, together)):
        fit_task(build_task(small(training__updates=30, training__fuse=fuse), qs.plugins()), [losses])
    assert len(alone.seen) == 30 and len(together.seen) == 3
    np.testing.assert_allclose(np.reshape(alone.seen, (3, 10)).mean(axis=1), together.seen, rtol=1e-4)


def test_a_batch_in_parts_gives_the_same_loss_and_gradient():
    task = build_task(small(), qs.plugins())
    trained, _ = trained_part(task.diffusion)
    data, us = task.source.split("train", 16), (jnp.arange(16) + 0.5) / 16
    whole, in_parts = (
        jax.jit(loss_and_gradient)(trained, fixed_of(task, accumulate=parts), data.x, data.side, us, jr.split(jr.key(0), 16))
        for parts in (1, 4)
    )
    for one, other in zip(leaves(whole), leaves(in_parts), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5 * np.abs(one).max())


def test_parts_of_a_batch_are_of_one_size():
    with pytest.raises(qs.errors.RecipeError, match="accumulate: expected a divisor of batch = 16, got 5"):
        build_task(small(training__accumulate=5), qs.plugins())


def test_another_seed_compiles_nothing():
    traces = []

    class Counted(qs.AbstractModel):
        inner: qs.AbstractModel

        def __call__(self, features, t, side=None, *, key=None):
            traces.append(1)
            return self.inner(features, t, side, key=key)

    task = build_task(small(training__updates=20), qs.plugins())
    task = attrs.evolve(task, diffusion=eqx.tree_at(lambda d: d.model, task.diffusion, Counted(task.diffusion.model)))
    fit_task(task)
    first = len(traces)
    assert first > 0
    outcome = fit_task(attrs.evolve(task, seed=1))
    assert len(traces) == first
    other = fit_task(attrs.evolve(task, seed=2))
    assert len(traces) == first
    assert any((a != b).any() for a, b in zip(leaves(outcome.state), leaves(other.state), strict=True))


def test_a_second_run_finds_its_program_on_disk(python, tmp_path):
    """The key is no part of a program: another seed, in another process, compiles none of training anew."""
    code = """
import jax
import quasistatic as qs
missed = []
jax.monitoring.register_event_listener(lambda event, **_: missed.append(event) if event.endswith("cache_misses") else None)
small = {"training.updates": 20, "training.batch": 16, "training.validate_every": 20, "training.validation_events": 16,
         "model.width": 8, "model.depth": 1, "trajectory.steps": 4, "training.observers": []}
qs.train(qs.load_recipe("swiss-roll", {**small, "seed": SEED}))
print(len(missed))
"""
    cache = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "cache")}
    first, second = (int(python(code.replace("SEED", seed), **cache)) for seed in ("0", "7"))
    assert first > 0 and second == 0


def test_the_state_is_given_away_and_the_diffusion_of_the_caller_is_not():
    task = build_task(small(), qs.plugins())
    state = initial_state(task.diffusion, task.options)
    after, _ = chunk((fixed_of(task), None, np.int32(2)), state)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state))
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(after))
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(eqx.filter(task.diffusion, eqx.is_array)))
    before = leaves(trained_part(task.diffusion)[0])
    data = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    for _ in range(2):  # the second time from the same arrays
        trained = qs.fit(task.diffusion, data, task.objective, updates=12, batch=8, validate_every=6)
        assert all((a == b).all() for a, b in zip(leaves(trained_part(task.diffusion)[0]), before, strict=True))
        assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(trained_part(trained)[0]))


def test_scalars_of_the_objective_reach_observers():
    class Talking(qs.AbstractObjective):
        inner: qs.AbstractObjective

        def __call__(self, diffusion, x, u, *, key):
            loss, _ = self.inner(diffusion, x, u, key=key)
            return loss, {"u": u, "twice_loss": 2 * loss}

    class Seen(qs.AbstractObserver):
        def __init__(self):
            self.metrics = []

        def progress(self, update, metrics):
            self.metrics.append(metrics)

    seen, task = Seen(), build_task(small(training__updates=40), qs.plugins())
    fit_task(attrs.evolve(task, objective=Talking(task.objective)), [seen])
    assert len(seen.metrics) == 4
    for metrics in seen.metrics:
        assert set(metrics) == {"loss_nats", "gradient_norm", "u", "twice_loss"}
        assert metrics["twice_loss"] == pytest.approx(2 * metrics["loss_nats"], rel=1e-5)
        assert metrics["u"] == pytest.approx(0.5, abs=0.04)  # spread evenly over the batch


def test_observers_are_notified_in_order():
    counter = Counter()
    fit_task(build_task(small(training__updates=25), qs.plugins()), [counter])
    assert counter.calls == [
        ("start", 0),
        ("validation", 0),
        ("progress", 10),
        ("progress", 20),
        ("validation", 20),
        ("progress", 25),
        ("validation", 25),
        ("finish", "done"),
    ]


def test_a_run_is_never_worse_than_what_it_started_from():
    """Training that only does harm leaves update 0 the best, whose weights are given back."""
    task = build_task(small(training__rate=1.0, training__clip=1e3, training__updates=20), qs.plugins())
    outcome = fit_task(task)
    assert outcome.progress.best.update == 0 and [each.update for each in outcome.progress.history] == [0, 20]
    for found, fresh in zip(leaves(outcome.diffusion), leaves(task.diffusion), strict=True):
        np.testing.assert_array_equal(found, fresh)


@pytest.mark.parametrize(("name", "rule"), [("swiss-roll", "muon"), ("heartbeat", "adam"), ("digits", "rmsprop")])
def test_resuming_is_bit_exact(name, rule, tmp_path):
    task = build_task(small(name, training__optimiser=rule), qs.plugins())
    whole = fit_task(task)
    asked = iter([False, False, False, True])
    first = fit_task(task, store=Store(tmp_path), stop=lambda: next(asked))
    assert first.reason == "stopped" and int(first.state.update) == 30
    second = fit_task(task, store=Store(tmp_path))
    assert second.progress == whole.progress
    for a, b in zip(leaves((whole.state, whole.diffusion)), leaves((second.state, second.diffusion)), strict=True):
        assert (a == b).all()


def test_the_best_weights_are_kept_not_the_last(tmp_path):
    class Uphill(qs.AbstractObjective):
        inner: qs.AbstractObjective

        def __call__(self, diffusion, x, u, *, key):
            loss, metrics = self.inner(diffusion, x, u, key=key)
            return -loss, metrics

    task = build_task(small(training__rate=1e-2, training__ema=0.0), qs.plugins())
    outcome = fit_task(attrs.evolve(task, objective=Uphill(task.objective)), store=Store(tmp_path))
    assert outcome.progress.best.update == 0 and len(outcome.progress.history) == 4
    _, progress, weights = Store(tmp_path).load(initial_state(task.diffusion, task.options))
    assert progress == outcome.progress
    trained, _ = trained_part(outcome.diffusion)
    assert all((a == b).all() for a, b in zip(leaves(weights), leaves(trained), strict=True))
    assert any((a != b).any() for a, b in zip(leaves(weights), leaves(outcome.state.averaged), strict=True))


@pytest.mark.parametrize("resumed", [False, True])
def test_the_start_is_left_only_for_a_gain_above_its_error(monkeypatch, tmp_path, resumed):
    task = build_task(small(), qs.plugins())
    spread = np.linspace(-1, 1, 32)  # the standard error of such a gain is 0.105
    at, later = np.random.RandomState(0).randn(32), iter([0.1 + spread, 0.11 + spread, 0.1 + spread])

    def validate(_task, diffusion):
        is_start = diffusion is task.diffusion or not called
        called.append(None)
        k = at if is_start else at + next(later)
        return qs.Ledger(np.ones(1), {"": np.stack([-k, 0 * k], axis=1)}, 1, {"dim": 2})

    called = []
    monkeypatch.setattr("quasistatic._training.loop.validate", validate)
    store, asked = Store(tmp_path), iter([False, False, True])
    if resumed:
        stopped = fit_task(task, store=store, stop=lambda: next(asked))
        assert stopped.progress.best.update == 0 and stopped.progress.history[-1].update == 20
    outcome = fit_task(task, store=store)
    assert outcome.progress.best.update == 40 and len(called) == 4


def told_in_turn(monkeypatch, values, spread=0.01):
    """Validation K is that of these values, one after another, with events that differ by the spread."""
    rest, noise = iter(values), spread * np.random.RandomState(1).randn(32)

    def validate(_task, diffusion):
        k = next(rest) + noise
        noise[:] = np.roll(noise, 1)
        return qs.Ledger(np.ones(1), {"": np.stack([-k, 0 * k], axis=1)}, 1, {"dim": 2})

    monkeypatch.setattr("quasistatic._training.loop.validate", validate)


RISES = [0.0, 1.0, 2.0, 2.001, 1.5, 1.9, 2.0005, 5.0, 6.0]  # at update 0, 10, 20 and so on


@pytest.mark.parametrize(("patience", "end"), [(0.4, 60), (0.01, 50), (1.0, 80), (0.6, 80)])
def test_training_stops_where_k_no_longer_clearly_rises(monkeypatch, patience, end):
    """From update 20 on no rise is above its error; a small share of the updates still takes three measurements."""
    told_in_turn(monkeypatch, RISES)
    counter = Counter()
    task = build_task(small(training__updates=80, training__validate_every=10, training__patience=patience), qs.plugins())
    outcome = fit_task(task, [counter])
    assert (int(outcome.state.update), outcome.reason) == (end, "done") and counter.calls[-1] == ("finish", "done")
    assert outcome.progress.best.update == (30 if end < 80 else 80)


def test_a_slow_rise_is_seen_from_where_it_began(monkeypatch):
    """No step of it is above its error, three together are."""
    told_in_turn(monkeypatch, np.arange(9) * 0.001)
    options = {"training__updates": 80, "training__validate_every": 10, "training__patience": 0.5}
    assert int(fit_task(build_task(small(**options), qs.plugins())).state.update) == 80


@pytest.mark.parametrize("when", [1, 3, 5])
def test_a_stopped_run_that_is_resumed_ends_as_one_in_a_single_piece(when, tmp_path):
    def task():
        options = {"training__updates": 200, "training__validate_every": 10, "training__patience": 0.05}
        return build_task(small(**options, training__rate=1e-6, training__ema=0.0), qs.plugins())

    whole = fit_task(task())
    assert int(whole.state.update) < 200 and whole.progress.is_stalled(task().options)
    asked = iter([False] * when + [True])
    assert fit_task(task(), store=Store(tmp_path), stop=lambda: next(asked)).reason == "stopped"
    again, once_more = fit_task(task(), store=Store(tmp_path)), fit_task(task(), store=Store(tmp_path))
    for found in (again, once_more):  # one that has ended stays as it is
        assert found.progress == whole.progress and found.reason == "done"
        for a, b in zip(leaves((whole.state, whole.diffusion)), leaves((found.state, found.diffusion)), strict=True):
            assert (a == b).all()


def test_training_that_is_not_finite_stops_and_names_the_last_good_checkpoint(tmp_path):
    class Poisoned(qs.AbstractObjective):
        inner: qs.AbstractObjective

        def __call__(self, diffusion, x, u, *, key):
            loss, metrics = self.inner(diffusion, x, u, key=key)
            weights = diffusion.model.bias
            poisoned = jnp.abs(weights).max() > 0.007
            return loss * jnp.where(poisoned, jnp.nan, 1.0), metrics

    task = build_task(small(training__rate=1e-3, training__schedule="constant", training__checkpoint_every=5), qs.plugins())
    counter = Counter()
    with pytest.raises(qs.errors.TrainingDiverged) as caught:
        fit_task(attrs.evolve(task, objective=Poisoned(task.objective)), [counter], Store(tmp_path))
    kept = Store(tmp_path).newest_update()
    assert kept is not None and kept <= caught.value.update
    assert f"of update {kept}" in str(caught.value) and str(caught.value.update) in str(caught.value)
    assert counter.calls[-1] == ("finish", "failed")
    state, _, _ = Store(tmp_path).load(initial_state(task.diffusion, task.options))
    assert all(np.isfinite(leaf).all() for leaf in leaves(state))


class Recorded:
    """Rows that keep the numbers they were asked for."""

    def __init__(self, arrays):
        self._rows, self.asked = qs.sources.ArrayRows(arrays), []

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, numbers):
        self.asked.append(numbers)
        return self._rows[numbers]


def test_rows_visit_every_event_once_an_epoch_in_a_new_order():
    stored = qs.sources.ArrayRows({"x": np.arange(10)})
    with Batches(stored, 4, 1, seed=1) as batches, Batches(stored, 4, 5, seed=1) as fused:
        seen = np.concatenate([batches.chunk(update)["x"].ravel() for update in range(5)])
        assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
        assert list(seen[:10]) != list(seen[10:])
        assert (fused.chunk(0)["x"].ravel() == seen).all()
        assert fused.chunk(0)["x"].shape == (5, 4)
        with Batches(stored, 4, 1, seed=2) as other:
            assert other.numbers(0, 1).tolist() != batches.numbers(0, 1).tolist()


@pytest.mark.parametrize("count", [*range(1, 201), 1000, 4097])
def test_the_order_of_an_epoch_is_a_permutation(count):
    numbers = np.arange(count)
    orders = [permuted(numbers + epoch * count, count, seed) for seed, epoch in ((0, 0), (0, 1), (1, 0), (12345, 7))]
    assert all((np.sort(order) == numbers).all() for order in orders)
    if count >= 20:  # of fewer there are so few orders that two may agree
        assert len({order.tobytes() for order in orders}) == len(orders)


def test_the_orders_are_those_of_runs_in_the_past():
    """A run that is resumed under a newer version goes on with the rows that it would have had."""
    assert permuted(np.arange(20), 10, 1).tolist() == [1, 5, 4, 8, 2, 0, 7, 6, 9, 3, 7, 9, 2, 6, 3, 5, 0, 4, 1, 8]
    assert permuted(np.arange(5000, 5008), 4097, 3).tolist() == [1905, 270, 3327, 728, 51, 3720, 1040, 600]


def sent(place, count, seed, epoch):
    """One place through the network of an epoch, in whole numbers of Python."""
    most, half = 2**64 - 1, max(1, ((count - 1).bit_length() + 1) // 2)
    keys = np.random.Generator(np.random.Philox(key=np.array([seed, epoch], np.uint64))).integers(2**63, size=6).tolist()
    while True:
        left, right = divmod(place, 2**half)
        for key in keys:
            x = right ^ key
            x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & most
            x = (x ^ (x >> 27)) * 0x94D049BB133111EB & most
            left, right = right, left ^ ((x ^ (x >> 31)) % 2**half)
        place = left * 2**half + right
        if place < count:
            return place


@pytest.mark.parametrize("count", [1, 2, 5, 350, 8400, 10**9])
def test_an_order_is_that_of_its_network_to_the_bit(count):
    positions = np.arange(3 * count - 7, 3 * count + 7).clip(0)
    assert permuted(positions, count, 9).tolist() == [sent(at % count, count, 9, at // count) for at in positions.tolist()]


@pytest.mark.parametrize("batch", [3, 20_000])
def test_the_rows_of_a_chunk_are_its_own_whichever_was_read_before(batch):
    with Batches(qs.sources.ArrayRows(np.arange(100)), batch, 2, seed=4) as batches:
        for first in (0, 2, 4, 40, 3, 6000, 5998):
            expected = permuted(np.arange(first * batch, (first + 2) * batch), 100, 4)
            assert batches.chunk(first).ravel().tolist() == expected.tolist()


def test_the_order_of_an_epoch_looks_random():
    count = 4097
    order = permuted(np.arange(count), count, 3)
    assert abs(np.corrcoef(np.arange(count), order)[0, 1]) < 5 / np.sqrt(count)
    assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 5 / np.sqrt(count)
    assert (order == np.arange(count)).sum() < 8  # one fixed point is expected


class Endless:
    """Rows of which there are 10**12, each its own number."""

    def __len__(self):
        return 10**12

    def __getitem__(self, numbers):
        return numbers


def test_an_order_needs_no_list_of_all_rows():
    with Batches(Endless(), 8, 3, seed=0) as batches:
        numbers = batches.chunk(5)
    assert numbers.shape == (3, 8) and numbers.min() >= 0 and numbers.max() < 10**12
    assert len(np.unique(numbers)) == 24


def test_rows_are_read_one_chunk_ahead():
    stored = Recorded({"x": np.arange(40)})
    with Batches(stored, 4, 2, seed=1) as batches:
        first = batches.chunk(0)["x"]
        batches.read_ahead(2)
        second = batches.chunk(2)["x"]
        assert len(stored.asked) == 2  # what was read ahead is not read again
        assert (second == batches.chunk(2)["x"]).all() and not (first == second).any()
    with Batches(None, 4, 2, seed=1) as batches:  # a source that generates
        batches.read_ahead(2)
        assert batches.chunk(2) is None


def rows_task(stored, **options):
    """A task whose source stores these rows."""
    task = build_task(small(**options), qs.plugins())

    class Stored(qs.AbstractSource):
        event, side = task.source.event, None

        def split(self, name, count=None):
            return task.source.split(name, count)

        def stored(self):
            return stored

        def draw(self, row, *, key):
            return row, None

    return attrs.evolve(task, source=Stored())


def test_training_asks_for_the_next_rows_while_it_computes():
    stored = Recorded(np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32))
    seen = []

    class Asked(qs.AbstractObserver):
        def progress(self, update, metrics):
            seen.append((update, len(stored.asked)))

    fit_task(rows_task(stored, training__updates=40, training__validate_every=40), [Asked()])
    assert [update for update, _ in seen] == [10, 20, 30, 40]
    # at most one chunk is read ahead of those that are used
    assert all(number <= asked <= number + 1 for number, (_, asked) in enumerate(seen, 1))
    assert {numbers.shape for numbers in stored.asked} == {(10, 16)}


def test_an_error_in_reading_rows_reaches_the_caller():
    class Broken(Recorded):
        def __getitem__(self, numbers):
            if len(self.asked) == 2:
                raise OSError("the disk is gone")
            return super().__getitem__(numbers)

    counter = Counter()
    with pytest.raises(OSError, match="the disk is gone"):
        fit_task(rows_task(Broken(np.zeros((100, 2), np.float32) + 0.1)), [counter])
    assert counter.calls[-1] == ("finish", "failed")


@pytest.mark.parametrize(("update", "expected"), [(0, 7), (13, 1), (14, 6), (20, 1), (21, 2)])
def test_chunks_fall_on_the_same_updates_however_often_a_run_is_resumed(update, expected):
    assert _until_next(update, 23, 10, 7) == expected


def test_stratified_times_lower_the_variance_and_keep_the_mean():
    task = build_task(small("heartbeat", trajectory__steps=50), qs.plugins())
    data = task.source.split("validation").x[:64]

    def loss(us, key):
        keys = jr.split(key, len(data))
        return jax.vmap(lambda x, u, k: task.objective(task.diffusion, x, u, key=k)[0])(data, us, keys).mean()

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
    task = build_task(recipe, qs.plugins())
    data = task.source.split("validation").x[:64]
    objective = task.objective.prepare(task.diffusion, data, key=jr.key(1))
    assert (objective.shares is not None) == ("objective.draw" in options)
    keys = jr.split(jr.key(0), 40 * 64).reshape(40, 64)

    @jax.jit
    def losses(keys):
        def one(x, key):
            key_u, key_loss = jr.split(key)
            return objective(task.diffusion, x, jr.uniform(key_u), key=key_loss)[0]

        return jax.vmap(lambda row: jax.vmap(one)(data, row))(keys)

    found = np.asarray(losses(keys)).ravel()
    exact = qs.ledger(task.diffusion, data, key=jr.key(2), repeats=40)
    expected = exact.terms[:, :-1].sum(axis=1)
    error = np.hypot(found.std() / np.sqrt(len(found)), expected.std() / np.sqrt(len(expected) * 40))
    assert abs(found.mean() - expected.mean()) < 5 * error


def test_side_information_is_left_out_of_a_share_of_the_events():
    class Seen(qs.AbstractObjective):
        def __call__(self, diffusion, x, u, *, key):
            return diffusion.side.present.astype(float), {}

    kernel, label = qs.make("kernel", "binomial", qs.Binary((2,))), qs.Categorical((), 3)
    model = qs.make("model", "dense", qs.Ports.of(kernel, label), key=jr.key(0), width=4, depth=1)
    trained, rest = trained_part(qs.Diffusion(kernel, model, 2, side=qs.Side.absent(label)))
    batch = np.zeros((4000, 2), np.float32), np.zeros(4000, np.int32), np.zeros(4000), jr.split(jr.key(1), 4000)
    for share in (0.0, 0.25):
        fixed = Fixed(rest, Seen(), jr.key(0), None, qs.TrainingOptions(drop_side=share))
        assert float(batch_loss(trained, fixed, *batch)[0]) == pytest.approx(1.0 - share, abs=0.03 * (share > 0))
