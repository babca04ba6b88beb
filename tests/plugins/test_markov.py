"""Chains of symbols: draws are those of the matrices, and the forward algorithm sums over all ways of the hidden state."""

import itertools

import jax
import numpy as np
import pytest

import quasistatic as qs


def made(name, **options):
    return qs.make("source", name, validation_events=200, test_events=100, **options)


@pytest.mark.parametrize(
    "source",
    [
        made("markov", symbols=3, length=5),
        made("hidden-markov", states=3, symbols=2, length=6, stay=0.7),
        made("hidden-markov", states=2, symbols=4, length=4, concentration=5.0),
    ],
    ids=["markov", "hidden, more states", "hidden, more symbols"],
)
def test_the_truth_is_a_sum_over_all_ways_of_the_state(source):
    every = np.array(list(itertools.product(range(source.event.categories), repeat=source.event.size)))
    states = np.array(list(itertools.product(range(len(source.start)), repeat=source.event.size)))
    ways = source.start[states[:, 0]] * np.prod(source.moves[states[:, :-1], states[:, 1:]], axis=1)
    shown = np.prod(source.shows[states[:, None], every[None]], axis=2)
    np.testing.assert_allclose(np.exp(source.log_prob(every)), ways @ shown, atol=1e-13)
    assert (ways @ shown).sum() == pytest.approx(1, abs=1e-12)


def test_draws_have_the_true_frequencies():
    source = made("hidden-markov", states=3, symbols=3, length=3, stay=0.6)
    every = np.array(list(itertools.product(range(3), repeat=3)))
    xs = np.asarray(jax.vmap(lambda key: source.draw(None, key=key)[0])(jax.random.split(jax.random.key(0), 20_000)))
    counts = np.bincount(xs @ [9, 3, 1], minlength=27)
    chance = np.exp(source.log_prob(every))
    # 27 counts within five deviations: all by chance once in 60,000
    assert np.all(np.abs(counts - 20_000 * chance) < 5 * np.sqrt(20_000 * chance * (1 - chance)) + 1)


def test_a_start_is_one_of_the_equilibrium_and_the_seed_of_the_matrix_is_not_that_of_the_splits():
    source, other, same = made("markov"), made("markov", matrix_seed=1), made("markov", seed=1)
    np.testing.assert_allclose(source.start @ source.moves, source.start, atol=1e-12)
    assert not np.allclose(source.moves, other.moves)
    np.testing.assert_array_equal(source.moves, same.moves)
    assert not np.array_equal(source.split("test").x, same.split("test").x)


def test_simple_models_of_a_hidden_chain_come_near_from_below():
    source = qs.make("source", "hidden-markov", validation_events=1_000, test_events=500)
    xs = source.split("test").x
    assert xs.shape == (500, 64) and xs.dtype == np.int32
    gaps = [float((source.log_prob(xs) - values).mean()) for values in source.baselines(xs).values()]
    assert gaps == sorted(gaps, reverse=True) and 0 < gaps[-1] < 0.5 * gaps[0]


@pytest.mark.parametrize("wrong", [{"symbols": 1}, {"length": 0}, {"concentration": 0.0}])
def test_options_that_make_no_chain_are_refused(wrong):
    with pytest.raises(qs.errors.RecipeError, match=next(iter(wrong))):
        made("markov", **wrong)
