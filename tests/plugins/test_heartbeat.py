"""The heartbeat: a handful of sequences, all known."""

import itertools
import math

import jax
import jax.random as jr
import numpy as np
import pytest
from matplotlib.figure import Figure

import quasistatic as qs
from quasistatic_plugins.heartbeat import HeartbeatOptions
from quasistatic_plugins.heartbeat.ceiling import best_factorised_bound
from quasistatic_plugins.heartbeat.source import Heartbeat

SPLITS = ("train", "validation", "test")


def beat(**options):
    return Heartbeat(HeartbeatOptions(**options))


def draws(source, count=4000):
    return np.asarray(jax.vmap(lambda key: source.draw(None, key=key)[0])(jr.split(jr.key(0), count)))


def test_five_sequences_of_twenty_bits_evenly():
    found, counts = np.unique(draws(beat()), axis=0, return_counts=True)
    expected = np.zeros((5, 20))
    for phase in range(5):
        expected[phase, [phase, phase + 5, phase + 10, phase + 15]] = 1
    np.testing.assert_array_equal(found, expected[::-1])
    assert np.abs(counts - 800).max() < 4 * math.sqrt(800 * 0.8)
    assert beat().event.describe() == "20 binary" and found.dtype == np.float32


def test_log_prob_of_members_and_of_all_others():
    source = beat()
    members = np.unique(draws(source), axis=0)
    np.testing.assert_allclose(source.log_prob(members), -math.log(5), rtol=1e-15)
    others = np.concatenate([np.zeros((1, 20)), np.ones((1, 20)), np.abs(members - np.eye(20)[:5])])
    assert (source.log_prob(others) == -np.inf).all()


@pytest.mark.parametrize(("period", "length"), [(1, 4), (3, 6), (3, 8), (8, 8), (7, 5), (12, 3)])
def test_log_prob_sums_to_one_over_all_sequences(period, length):
    source = beat(period=period, length=length)
    every = np.array(list(itertools.product([0, 1], repeat=length)), np.float32)
    probability = np.exp(source.log_prob(every))
    assert probability.sum() == pytest.approx(1, abs=1e-12)
    drawn = draws(source, 3000)
    frequency = (drawn[:, None] == every).all(axis=-1).mean(axis=0)
    assert np.abs(frequency - probability).max() < 4 * math.sqrt(0.25 / 3000)
    assert (frequency[probability == 0] == 0).all()


def test_splits_are_fixed_and_of_the_sizes_asked_for():
    for name, size in zip(SPLITS, (80, 80, 80), strict=True):
        x = beat(validation_events=80, test_events=80).split(name).x
        assert x.shape == (size, 20) and x.dtype == np.float32
        np.testing.assert_array_equal(x, beat(validation_events=80, test_events=80).split(name).x)
    assert not np.array_equal(beat(seed=1).split("test").x, beat().split("test").x)
    assert not np.array_equal(beat().split("train").x, beat().split("validation").x)
    assert beat().stored() is None


def test_draw_is_pure_in_its_key():
    source = beat()
    x, side = source.draw(None, key=jr.key(1))
    assert side is None
    np.testing.assert_array_equal(x, jax.jit(source.draw)(None, key=jr.key(1))[0])


def test_judge_gives_the_share_of_valid_sequences():
    xs = draws(beat(), 8).copy()
    assert beat().judge(xs) == {"valid": 1.0}
    xs[:2, 7] = 1 - xs[:2, 7]
    assert beat().judge(xs) == {"valid": 0.75}


def test_render_shows_a_row_per_sequence():
    axes = Figure().add_subplot()
    qs.pictures.draw_field(draws(beat(), 30), beat().event, axes)
    assert axes.images[0].get_array().shape == (30, 20)


@pytest.mark.slow
def test_a_trained_network_stays_below_what_the_best_one_reaches():
    source = beat()
    kernel = qs.make("kernel", "binomial", source.event, base_rate=0.5)
    model = qs.make("model", "dense", qs.Ports.of(kernel), key=jr.key(0), width=32, depth=2)
    diffusion = qs.fit(qs.Diffusion(kernel, model, 5), source, qs.make("objective", "bound"), updates=800, rate=5e-3)
    found = qs.ledger(diffusion, source.split("test", 2000).x, key=jr.key(1)).bound
    ceiling = best_factorised_bound(5, 20, 0.5, [0.8, 0.6, 0.4, 0.2, 0.0])
    assert ceiling - 0.5 < found.value < ceiling + 3 * found.standard_error
