"""Interpolated n-grams: they are distributions, equal to their formula counted by hand, and come to the truth."""

import itertools
import math

import numpy as np
import pytest

import quasistatic as qs
from quasistatic.kits import sequences
from quasistatic.kits.sequences import passages as _ngrams

N = 3


def passages(rows):
    """Rows of symbols of any length."""
    counts = np.array([len(row) for row in rows])
    return sequences.Passages(np.concatenate([np.asarray(row, int) for row in rows]), np.cumsum(counts) - counts, counts)


def text(seed, *lengths):
    random = np.random.RandomState(seed)
    return passages([random.randint(N, size=length) * (random.rand(length) < 0.7) for length in lengths])


def by_hand(train, order, scale, symbols):
    """Log-probability of symbols (k,) under n-grams of this order, with one scale for all."""
    rows = [train.symbols[start : start + count].tolist() for start, count in zip(train.starts, train.counts, strict=True)]

    def chance(context, symbol):
        shorter = 1.0 / N if context is None else chance(None if not context else context[1:], symbol)
        if context is None:
            return shorter
        after = [row[i] for row in rows for i in range(len(row)) if i >= len(context) and row[i - len(context) : i] == context]
        if not after:
            return shorter
        weight = scale * len(set(after))
        return (after.count(symbol) + weight * shorter) / (len(after) + weight)

    return sum(math.log(chance(symbols[max(0, i - order + 1) : i], symbol)) for i, symbol in enumerate(symbols))


def test_all_sequences_sum_to_one():
    every = sequences.Passages.of(np.array(list(itertools.product(range(N), repeat=5))))
    for found in sequences.ngrams(text(0, 40, 1, 25), text(1, 30), every, N, 5):
        assert np.exp(found).sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_every_probability_is_that_of_the_formula(monkeypatch, scale):
    monkeypatch.setattr(_ngrams, "SCALES", (scale,))
    train, test = text(2, 30, 7, 1, 12), text(3, 9, 1, 6)
    found = sequences.ngrams(train, text(4, 20), test, N, 4)
    for order, values in enumerate(found, 1):
        rows = [test.symbols[start : start + count].tolist() for start, count in zip(test.starts, test.counts, strict=True)]
        np.testing.assert_allclose(values, [by_hand(train, order, scale, row) for row in rows], atol=1e-12)


def test_symbols_beyond_the_end_of_a_passage_count_for_nothing():
    xs, padding = np.array([[1, 2, 0, 0], [2, 1, 1, 0]]), np.array([[0, 0, 1, 1], [0, 0, 0, 1]])
    padded, whole = sequences.Passages.of(xs, padding), passages([[1, 2], [2, 1, 1]])
    for a, b in zip(
        sequences.ngrams(text(5, 50), padded, padded, N, 3), sequences.ngrams(text(5, 50), whole, whole, N, 3), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    again, where = whole.padded(4)
    np.testing.assert_array_equal(again, xs)
    np.testing.assert_array_equal(where, padding)


def test_a_chain_is_found_by_its_own_order_and_by_no_lower_one():
    source = qs.make("source", "markov", length=20, validation_events=3_000, test_events=500)
    found = source.baselines(source.split("test").x)
    truth = source.log_prob(source.split("test").x).mean() / 20
    first, second, third = (found[name].mean() / 20 for name in list(found)[:3])
    # 57,000 pairs for 12 free numbers: 12 / 2 / 57,000 = 1e-4 nats of overfitting a symbol
    assert truth - 1e-3 < second <= truth + 1e-3
    assert first < truth - 0.05 and third < truth + 1e-3
