"""Where data come from. The only protocol that knows of more than one event.

Training needs an event, splits, stored rows and a draw. What else a source can do is a capability: a class that it also
inherits from.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import attrs
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._data.origin import Places
from quasistatic._data.units import Units
from quasistatic._process.distribution import Key, State
from quasistatic._process.event import AbstractEvent, Real
from quasistatic._process.fields import Fields
from quasistatic._process.tree import count_of, take
from quasistatic._storage.files import refuse_large
from quasistatic.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Split = Literal["train", "validation", "test"]
AT_ONCE = 2**18  # numbers of events that are generated together
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
C = TypeVar("C")


@attrs.frozen
class Outside:
    """A record of a file that is outside of the support of the model, so that its log-probability is minus infinity.

    `number` counts all records of the file from 0; `tags` are its own, by the same names as in `Data`; `reason` is one
    sentence that names the column or place, what was found there and what is possible.
    """

    number: int
    reason: str
    tags: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen(eq=False)
class Data:
    """Events `x` (N, ...) in model units and, where there is any, their side information `side` (N, ...).

    `tags` stand beside the events in tables: where each comes from, its label; arrays (N,) by the names of their columns.
    `outside` are records of the same file that are no event of this model, in its order: with them every record has an answer.
    Raises ValueError where their numbers do not rise, or are not below that of all records.
    """

    x: State
    side: State | None = None
    tags: Mapping[str, np.ndarray] = attrs.field(factory=dict)
    outside: tuple[Outside, ...] = ()

    def __attrs_post_init__(self) -> None:
        if self.outside:
            numbers = [each.number for each in self.outside]
            records = len(self) + len(numbers)
            if numbers[0] < 0 or numbers[-1] >= records or (np.diff(numbers) < 1).any():
                raise ValueError(f"outside: expected numbers that rise, each once, below {records}, got {numbers[:20]}")

    def __len__(self) -> int:
        return count_of(self.x)

    @property
    def numbers(self) -> np.ndarray:
        """The number of each event among all records of its file, from 0: (N,)."""
        is_event = np.ones(len(self) + len(self.outside), bool)
        is_event[[each.number for each in self.outside]] = False
        return np.flatnonzero(is_event)

    def only(self, rows: np.ndarray | slice) -> Data:
        """Some events, without what is outside."""
        tags = {name: values[rows] for name, values in self.tags.items()}
        return Data(take(self.x, rows), take(self.side, rows), tags)

    def head(self, count: int) -> Data:
        """The first events, `count` at most, and the records outside that stand before the next one."""
        if count >= len(self):
            return self
        following = self.numbers[count]
        return attrs.evolve(self.only(slice(count)), outside=tuple(each for each in self.outside if each.number < following))


class Rows(Protocol):
    """Stored training events: what is read from them is what `AbstractSource.draw` takes. They may be on disk."""

    def __len__(self) -> int:
        """How many rows there are."""

    def __getitem__(self, numbers: np.ndarray) -> Any:
        """The rows of these numbers (any shape), as a pytree of arrays that begin with that shape."""


@attrs.frozen(eq=False)
class ArrayRows:
    """Rows in memory: a pytree of numpy arrays with one leading axis."""

    arrays: Any

    def __len__(self) -> int:
        return count_of(self.arrays)

    def __getitem__(self, numbers: np.ndarray) -> Any:
        return take(self.arrays, numbers)


AnyUnits = Units | Mapping[str, Units]


class AbstractSource(ABC):
    """Events in three splits, with what is known about them.

    `event` and `side` say what an event and its side information are. `units` are those of the event, or of its parts by
    name. `notes` are sentences for the user about what was found in the data.
    """

    event: AbstractEvent
    side: AbstractEvent | None = None
    units: AnyUnits = Units()
    notes: tuple[str, ...] = ()

    @abstractmethod
    def split(self, name: Split, count: int | None = None) -> Data:
        """The events of a split, or its first `count`, in model units, always the same ones."""

    @abstractmethod
    def stored(self) -> Rows | None:
        """The rows that `draw` takes, or None for a source that generates."""

    @abstractmethod
    def draw(self, row: Any, *, key: Key) -> tuple[State, State | None]:
        """One training event and its side information from one stored row (or None): pure, and traceable by jax."""


class AbstractTruth(ABC):
    """A source whose distribution is known."""

    @abstractmethod
    def log_prob(self, xs: State) -> np.ndarray:
        """True log density (or probability) of N events in model units, in nats, shape (N,)."""


class AbstractJudge(ABC):
    """A source that can tell good samples from bad ones."""

    @abstractmethod
    def judge(self, xs: State) -> dict[str, float]:
        """Measures of the source's own field for generated events (N, ...), in model units."""


class AbstractBaselines(ABC):
    """A source that knows simple models to read K against."""

    @abstractmethod
    def baselines(self, xs: State) -> dict[str, np.ndarray]:
        """Log-likelihood in nats, (N,), of each of N test events in model units, by the names of the models.

        They are fitted to the training split, and chosen on validation where there is a choice.
        """


class AbstractSurprises(ABC):
    """A source with simple models of its own rows that say how unusual an event is, beside the model of a run."""

    @abstractmethod
    def surprises(self, xs: State | None) -> Mapping[str, Mapping[str, np.ndarray]]:
        """How unusual N events in model units are, by models and columns: terms (N,) of which the sum over columns is a surprise.

        None stands for training events, each beside the others. Models are fitted to the training split. The terms of an event
        are a function of that event alone, to the bit. Scales of models are free.
        """


class AbstractDrawing(ABC):
    """A source whose events are drawn in a way of their own."""

    @abstractmethod
    def render(self, xs: State, axes: Axes) -> None:
        """Draw events (N, ...), in model units, as a person would look at them."""


class AbstractPictures:
    """A source whose events are pictures, (height, width) or (height, width, 3), which are looked at one by one."""


@attrs.frozen(eq=False)
class Kept:
    """What a run keeps of its data: `about`, JSON values for run.json, and `arrays` by name.

    `places` are those where a run that is reopened may look for its data: no path that stands in a run is one.
    """

    about: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray] = attrs.field(factory=dict)
    places: Places = attrs.field(factory=Places)

    def at(self, *places: str | Path) -> Kept:
        """The same of data that may be at these places."""
        return attrs.evolve(self, places=Places(tuple(map(str, places))))


class AbstractKept(ABC):
    """A source that a run can be reopened without: `Component.restore` makes it again of what it has kept."""

    @abstractmethod
    def kept(self) -> Kept | None:
        """All that the source knows without its data, as plain values; None for data in memory."""


class AbstractRefitting(ABC):
    """A source whose rows of all splits can be trained on, once nothing is to be chosen any more."""

    @abstractmethod
    def all_rows(self) -> Rows:
        """The rows of every split, as `stored` gives those of training."""


class AbstractReading(ABC):
    """A source that reads files of its own kind."""

    @abstractmethod
    def read_events(self, path: str | Path) -> Data:
        """Events from a file in the user's units, and the records of it that are no event as `outside`.

        Raises DataError for a file that cannot be read, or is empty.
        """


class AbstractOwnUnits(ABC):
    """A source whose model units are more than a shift and a scale away from the user's, or some of whose numbers do not exist."""

    @abstractmethod
    def to_user(self, xs: State) -> State:
        """Events (N, ...) in the user's units, in float64, nan for numbers that do not exist."""

    @abstractmethod
    def from_user(self, values: State) -> State:
        """The way back."""

    @abstractmethod
    def log_volume(self, xs: State) -> np.ndarray:
        """How much lower log densities of events (N, ...) in model units are in the user's units, (N,), in nats."""


class AbstractFramed(ABC):
    """A source whose events are the rows of a data frame, with columns by their names."""

    @abstractmethod
    def read_frame(self, frame: Any) -> Data:
        """The events of a frame. Raises DataError naming a column that is absent or of another kind."""

    @abstractmethod
    def to_frame(self, xs: State) -> Any:
        """The frame of events (N, ...) in model units."""


class AbstractWriting(ABC):
    """A source that writes events as files of its own field."""

    endings: tuple[str, ...]

    @abstractmethod
    def write_events(self, xs: State, ending: str) -> bytes:
        """What a file of events (N, ...) in model units holds, whose name has this ending."""


def capability(source: Any, kind: type[C]) -> C | None:
    """The source as one with this capability, or None where it has not got it."""
    while isinstance(source, AugmentedSource) and not isinstance(source, kind):
        source = source.source
    return source if isinstance(source, kind) else None


def judging_split(source: AbstractSource) -> Split:
    """The split that a run is judged by: test, else validation, else train, the first that holds events."""
    held_out: tuple[Split, ...] = ("test", "validation")
    return next((name for name in held_out if len(source.split(name, 1))), "train")


class AbstractGeneratedSource(AbstractSource):
    """A source that makes every event from a key and stores none: a subclass writes `event` and `draw`.

    Splits are fixed by `seed`. As training draws new events for ever, 'train' is one more set as large as 'validation'.
    `draw` names its float type (float32), so that the splits are the same in whatever precision jax runs.
    """

    def __init__(self, seed: int, validation_events: int, test_events: int):
        # a domain of its own: no key of a run, all small folds of its seed, can make an event of a split
        self._key = jr.fold_in(jr.key(seed, impl="threefry2x32"), 0x73706C74)
        self._sizes = {"train": validation_events, "validation": validation_events, "test": test_events}
        self._splits: dict[str, Data] = {}

    def stored(self) -> None:
        return None

    def split(self, name: Split, count: int | None = None) -> Data:
        if name not in self._splits:
            try:
                refuse_large(4 * self._sizes[name] * self.event.size)
            except OSError as error:
                raise DataError(f"the {name} split of {self._sizes[name]} events: {error}") from error
            keys = jr.split(jr.fold_in(self._key, SPLITS.index(name)), self._sizes[name])
            # not all at once: what they are made of would fill the memory
            together = max(1, AT_ONCE // self.event.size)
            x, side = jax.jit(lambda keys: jax.lax.map(lambda key: self.draw(None, key=key), keys, batch_size=together))(keys)
            self._splits[name] = Data(*jax.tree.map(np.asarray, (x, side)))
        data = self._splits[name]
        return data if count is None else data.head(count)


class AugmentedSource(AbstractSource):
    """A source whose training events are changed at random, without a leak.

    `transform(row, x, key)` takes a stored row and the event that the source makes of it, and gives the changed event
    and a code (size,) of what was done. The code is side information, the part 'code', beside the source's own; at
    evaluation and sampling it is zero, so what is modelled is the untouched data.
    """

    def __init__(self, source: AbstractSource, transform: Callable[[Any, State, Key], tuple[State, jax.Array]], size: int):
        self.source, self._transform, self._size = source, transform, size
        self.event, self.units, self.notes = source.event, source.units, source.notes
        own = {} if source.side is None else {name or "side": field for name, field in source.side.parts().items()}
        self.side = Fields({**own, "code": Real((size,))})

    def _side(self, own: State | None, code: Any) -> State:
        if own is None or self.source.side is None:
            return {"code": code}
        parts = {name or "side": self.source.side.part_of(own, name) for name in self.source.side.parts()}
        return {**parts, "code": code}

    def split(self, name: Split, count: int | None = None) -> Data:
        data = self.source.split(name, count)
        return attrs.evolve(data, side=self._side(data.side, np.zeros((len(data), self._size), np.float32)))

    def stored(self) -> Rows | None:
        return self.source.stored()

    def draw(self, row: Any, *, key: Key) -> tuple[State, State]:
        key_draw, key_change = jr.split(key)
        x, side = self.source.draw(row, key=key_draw)
        x, code = self._transform(row, x, key_change)
        return x, self._side(side, jnp.asarray(code))
