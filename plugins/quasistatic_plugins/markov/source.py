"""Chains of symbols whose probabilities are sums of products, exact in float64."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

import quasistatic as qs
from quasistatic.kits import sequences
from quasistatic_plugins.markov import HiddenMarkovOptions, MarkovOptions

RAREST = 1e-6  # probability of a symbol at least, before scaling: none is impossible


class AbstractChain(qs.AbstractGeneratedSource, qs.sources.AbstractTruth, qs.sources.AbstractBaselines):
    """Events (length,) of symbols: a state starts by `start`, moves by `moves`, and shows a symbol by `shows`."""

    event: qs.Categorical
    start: np.ndarray  # (states,)
    moves: np.ndarray  # (states, states), rows sum to 1
    shows: np.ndarray  # (states, symbols), rows sum to 1

    def draw(self, row: None, *, key: jax.Array) -> tuple[jax.Array, None]:
        start, moves, shows = (_ends(each) for each in (self.start, self.moves, self.shows))
        chances = qs.numerics.uniform((2, *self.event.shape), key=key).astype(jnp.float32)

        def step(ends: jax.Array, chance: jax.Array) -> tuple[jax.Array, jax.Array]:
            state = _below(ends, chance[0])
            return moves[state], _below(shows[state], chance[1])

        return jax.lax.scan(step, start, chances.T)[1], None

    def log_prob(self, xs: np.ndarray) -> np.ndarray:
        """By the forward algorithm, scaled at every symbol, in float64."""
        xs, state = np.asarray(xs), np.tile(self.start, (len(xs), 1))
        total = np.zeros(len(xs))
        for symbols in xs.T:
            shown = state * self.shows.T[symbols]
            scale = shown.sum(axis=1)
            total += np.log(scale)
            state = shown / scale[:, None] @ self.moves
        return total

    def baselines(self, xs: np.ndarray) -> dict[str, np.ndarray]:
        """Independent symbols, and chains of higher order that know nothing of hidden states."""
        train, validation, test = (sequences.Passages.of(each) for each in (self.split("train").x, self.split("validation").x, xs))
        return sequences.markov_models(train, validation, test, self.event.categories)


class Markov(AbstractChain):
    """The state is the symbol."""

    def __init__(self, options: MarkovOptions):
        super().__init__(options.seed, options.validation_events, options.test_events)
        self.event = qs.Categorical((options.length,), options.symbols)
        self.moves = _rows(options.matrix_seed, options.concentration, options.symbols, options.symbols)
        self.start, self.shows = _equilibrium(self.moves), np.eye(options.symbols)


class HiddenMarkov(AbstractChain):
    """The state stays with a probability, and else is one of the others, evenly."""

    def __init__(self, options: HiddenMarkovOptions):
        super().__init__(options.seed, options.validation_events, options.test_events)
        self.event = qs.Categorical((options.length,), options.symbols)
        other = (1.0 - options.stay) / (options.states - 1)
        self.moves = np.full((options.states, options.states), other) + (options.stay - other) * np.eye(options.states)
        self.start = np.full(options.states, 1.0 / options.states)
        self.shows = _rows(options.matrix_seed, options.concentration, options.states, options.symbols)


def _rows(seed: int, concentration: float, rows: int, columns: int) -> np.ndarray:
    # RandomState: its stream is frozen for all versions of numpy
    random = np.random.RandomState(seed % 2**32)
    drawn = np.maximum(random.dirichlet(np.full(columns, concentration), size=rows), RAREST)
    return drawn / drawn.sum(axis=1, keepdims=True)


def _equilibrium(moves: np.ndarray) -> np.ndarray:
    """What the chain leaves as it is."""
    size = len(moves)
    equations = np.concatenate([moves.T - np.eye(size), np.ones((1, size))])
    return np.linalg.lstsq(equations, np.append(np.zeros(size), 1.0), rcond=None)[0]


def _ends(chances: np.ndarray) -> jax.Array:
    """Where the interval of each outcome but the last ends, for each row."""
    return jnp.asarray(np.cumsum(chances, axis=-1)[..., :-1], jnp.float32)


def _below(ends: jax.Array, chance: jax.Array) -> jax.Array:
    return jnp.sum(chance >= ends).astype(jnp.int32)
