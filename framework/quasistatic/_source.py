"""Where data come from. The only protocol that knows of more than one event."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._distribution import Key
from quasistatic._event import Event
from quasistatic._render import draw_events
from quasistatic._tables import read_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@attrs.frozen(eq=False)
class Data:
    """Events `x` (N, *event) in model units and, where there is any, their side information `given` (N, given)."""

    x: np.ndarray
    given: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.x)


@attrs.frozen(eq=False)
class Units:
    """Model units are (user - shift) / scale: one scale for all elements, so that K shifts by size * log(scale)."""

    shift: np.ndarray | float = 0.0
    scale: float = 1.0

    def to_model(self, x: np.ndarray) -> np.ndarray:
        return (x - self.shift) / self.scale

    def to_user(self, x: np.ndarray) -> np.ndarray:
        return x * self.scale + self.shift


class AbstractSource(ABC):
    """Events in three splits, with what is known about them.

    `stored` is what training reads: a pytree of arrays with one row per training event, or None for a source that
    generates. `draw` turns one stored row (or None) and a key into one training event; it is pure and traceable by jax.
    `notes` are sentences for the user about what was found in the data.
    """

    event: Event
    units: Units = Units()
    notes: tuple[str, ...] = ()

    @abstractmethod
    def split(self, name: Split) -> Data:
        """The events of a split, in model units, always the same ones."""

    @abstractmethod
    def stored(self) -> Any:
        """Rows that `draw` takes, as a pytree of numpy arrays with a leading axis, or None for a generator."""

    @abstractmethod
    def draw(self, row: Any, key: Key) -> tuple[jax.Array, jax.Array | None]:
        """One training event and its side information."""

    def log_prob(self, x: np.ndarray) -> np.ndarray | None:
        """True log density (or probability) of N events in model units, in nats, shape (N,); None where unknown."""
        return None

    def events(self, values: np.ndarray) -> np.ndarray:
        """Events in model units from values (N, *event), or a table with a row of figures each, in the user's units.

        Raises DataError for what does not fit.
        """
        values = np.asarray(values)
        flat = values.reshape(len(values), -1) if values.ndim else values
        if flat.shape[1:] == (self.event.size,) and values.shape[1:] in (flat.shape[1:], (), self.event.shape):
            values = flat.reshape(-1, *self.event.shape)
        fits = values.shape[1:] == self.event.shape and values.dtype.kind in "biuf"
        return self.event.check(self.units.to_model(values) if fits else values)

    def read_events(self, path: str | Path) -> np.ndarray:
        """Events in model units from a .npy, .npz or .csv file in the user's units. Raises DataError."""
        return self.events(read_table(path).values)

    def render(self, xs: np.ndarray, axes: Axes) -> None:
        """Draw events (N, *event), in model units, as a person would look at them; by default as suits their shape."""
        draw_events(np.asarray(xs), self.event, axes)

    def judge(self, xs: np.ndarray) -> dict[str, float]:
        """Figures of the source's own field for generated events (N, *event), in model units."""
        return {}

    def baselines(self) -> dict[str, float]:
        """Log-likelihood in nats per test event of simple models fitted to the training split, by their names."""
        return {}


class GeneratedSource(AbstractSource):
    """A source that makes every event from a key and stores none: a subclass writes `event` and `draw`.

    Splits are fixed by `seed`. As training draws new events for ever, 'train' is one more set as large as 'validation'.
    `draw` names its float type (float32), so that the splits are the same in whatever precision jax runs.
    """

    def __init__(self, seed: int, validation_events: int, test_events: int):
        # a domain of its own: no key of a run, all small folds of its seed, can make an event of a split
        self._key = jr.fold_in(jr.key(seed, impl="threefry2x32"), 0x73706C74)
        self._sizes = {"train": validation_events, "validation": validation_events, "test": test_events}

    def stored(self) -> None:
        return None

    def split(self, name: Split) -> Data:
        keys = jr.split(jr.fold_in(self._key, SPLITS.index(name)), self._sizes[name])
        x, given = jax.vmap(lambda key: self.draw(None, key))(keys)
        return Data(np.asarray(x), None if given is None else np.asarray(given))


class AugmentedSource(AbstractSource):
    """A source whose training events are changed at random, without a leak.

    `transform(row, x, key)` takes a stored row and the event that the source makes of it, and gives the changed event
    and a code (size,) of what was done. The network reads the code as side information after the source's own; at
    evaluation and sampling it is zero, so what is modelled is the untouched data.
    """

    def __init__(
        self, source: AbstractSource, transform: Callable[[Any, jax.Array, Key], tuple[jax.Array, jax.Array]], size: int
    ):
        self._source, self._transform, self._size = source, transform, size
        self.event = attrs.evolve(source.event, given=source.event.given + size)
        self.units = source.units
        self.notes = source.notes

    def split(self, name: Split) -> Data:
        data = self._source.split(name)
        code = np.zeros((len(data), self._size), np.float32)
        return Data(data.x, code if data.given is None else np.concatenate([data.given, code], axis=1))

    def stored(self) -> Any:
        return self._source.stored()

    def draw(self, row: Any, key: Key) -> tuple[jax.Array, jax.Array]:
        key_draw, key_change = jr.split(key)
        x, given = self._source.draw(row, key_draw)
        x, code = self._transform(row, x, key_change)
        return x, code if given is None else jnp.concatenate([given, code])

    def log_prob(self, x: np.ndarray) -> np.ndarray | None:
        return self._source.log_prob(x)

    def render(self, xs: np.ndarray, axes: Axes) -> None:
        self._source.render(xs, axes)

    def judge(self, xs: np.ndarray) -> dict[str, float]:
        return self._source.judge(xs)

    def baselines(self) -> dict[str, float]:
        return self._source.baselines()
