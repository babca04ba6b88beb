"""Sequences of symbols in one array, and interpolated n-grams of them: simple models to read K against."""

from __future__ import annotations

from typing import NamedTuple, Self

import attrs
import numpy as np

SCALES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # of the weight of shorter contexts, tried on validation


@attrs.frozen(eq=False)
class Passages:
    """Sequences of symbols 0 .. n - 1: passage i is the `counts[i]` of `symbols` (M,) from `starts[i]` on; they may overlap."""

    symbols: np.ndarray
    starts: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, xs: np.ndarray, padding: np.ndarray | None = None) -> Self:
        """Events (N, length), of which `padding` (N, length) marks the last places, that hold none; by default none."""
        count, length = xs.shape
        counts = np.full(count, length) if padding is None else length - np.asarray(padding).sum(axis=1).astype(np.int64)
        return cls(np.asarray(xs).ravel(), np.arange(count) * length, counts)

    def __len__(self) -> int:
        return len(self.starts)

    def only(self, numbers: np.ndarray | slice) -> Self:
        """The passages of these numbers."""
        return attrs.evolve(self, starts=self.starts[numbers], counts=self.counts[numbers])

    def padded(self, length: int, numbers: np.ndarray | slice = slice(None)) -> tuple[np.ndarray, np.ndarray]:
        """Passages of any shape of `numbers` as events (..., length) int32, 0 where a passage has ended, and where it has."""
        places = np.arange(length)
        is_present = places < self.counts[numbers][..., None]
        where = np.where(is_present, self.starts[numbers][..., None] + places, 0)
        return np.where(is_present, self.symbols[where], 0).astype(np.int32), (~is_present).astype(np.float32)

    def joined(self) -> tuple[np.ndarray, np.ndarray]:
        """All symbols, one passage after the other, and the number of the passage of each."""
        owner = np.repeat(np.arange(len(self)), self.counts)
        offset = np.arange(len(owner)) - np.repeat(np.cumsum(self.counts) - self.counts, self.counts)
        return self.symbols[self.starts[owner] + offset].astype(np.int64), owner


def ngrams(train: Passages, validation: Passages, test: Passages, categories: int, orders: int) -> list[np.ndarray]:
    """Log-probabilities in nats of each test passage, (N,), under n-grams for n = 1 .. `orders`: chains of order n - 1.

    p(a | h) = (c(ha) + s d(h) p(a | h')) / (c(h) + s d(h)), where c counts in `train`, d(h) is how many different symbols follow
    the context h there, and h' is h without its first symbol; below n = 1 all symbols are even. With s = 1 this is method C of
    Witten & Bell 1991; here s is chosen on `validation`, for one n after the other. Contexts begin with their passage.
    """
    texts = [passages.joined() for passages in (train, validation, test)]
    contexts = [np.zeros(len(symbols), np.int64) for symbols, _ in texts]
    chances = [np.full(len(symbols), 1.0 / categories) for symbols, _ in texts]
    found = []
    for _ in range(orders):
        known = _fit(contexts[0], texts[0][0], categories)
        counted = [_count(known, context, symbols, categories) for context, (symbols, _) in zip(contexts, texts, strict=True)]
        scale = max(SCALES, key=lambda s: np.log(_mixed(counted[1], chances[1], s)).sum())
        chances = [_mixed(counts, chance, scale) for counts, chance in zip(counted, chances, strict=True)]
        contexts = [_shifted(counts.grams, owner) for counts, (_, owner) in zip(counted, texts, strict=True)]
        found.append(np.bincount(texts[2][1], np.log(chances[2]), minlength=len(test)))
    return found


def markov_models(train: Passages, validation: Passages, test: Passages, categories: int, orders: int = 6) -> dict[str, np.ndarray]:
    """The same by the names that they have as chains: log-probabilities in nats, (N,)."""
    found = ngrams(train, validation, test, categories, orders)
    return {f"Markov chain of order {order}" if order else "independent symbols": values for order, values in enumerate(found)}


class _Known(NamedTuple):
    """Different pairs of a context and the symbol after it, as sorted codes, with how often each occurs."""

    codes: np.ndarray
    times: np.ndarray
    of_context: np.ndarray
    followers: np.ndarray


class _Counts(NamedTuple):
    """For each symbol of a text: c(ha), c(h), d(h), and the number of ha among what is known, -1 for what is new."""

    pair: np.ndarray
    context: np.ndarray
    followers: np.ndarray
    grams: np.ndarray


def _fit(contexts: np.ndarray, symbols: np.ndarray, categories: int) -> _Known:
    is_known = contexts >= 0
    codes, times = np.unique(contexts[is_known] * categories + symbols[is_known], return_counts=True)
    owner = codes // categories
    return _Known(codes, times, np.bincount(owner, times, minlength=1), np.bincount(owner, minlength=1))


def _count(known: _Known, contexts: np.ndarray, symbols: np.ndarray, categories: int) -> _Counts:
    codes = contexts * categories + symbols
    place = np.minimum(np.searchsorted(known.codes, codes), max(0, len(known.codes) - 1))
    is_seen = (contexts >= 0) & (known.codes[place] == codes) if len(known.codes) else np.zeros(len(codes), bool)
    # a context that ends the training text has none after it, and stands beyond the last
    is_inside = (contexts >= 0) & (contexts < len(known.of_context))
    where = np.where(is_inside, contexts, 0)
    return _Counts(
        np.where(is_seen, known.times[place] if len(known.codes) else 0, 0),
        np.where(is_inside, known.of_context[where], 0),
        np.where(is_inside, known.followers[where], 0),
        np.where(is_seen, place, -1),
    )


def _mixed(counts: _Counts, shorter: np.ndarray, scale: float) -> np.ndarray:
    weight = scale * counts.followers
    return np.where(counts.context > 0, (counts.pair + weight * shorter) / np.maximum(counts.context + weight, 1e-300), shorter)


def _shifted(grams: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """The context of each symbol: what has just ended, within one passage."""
    contexts = np.full(len(grams), -1, np.int64)
    contexts[1:] = np.where(owner[1:] == owner[:-1], grams[:-1], -1)
    return contexts
