"""Tables of mixed columns as events of several parts; samples come back as a table with the same header and types."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic_plugins.table import TableOptions
from quasistatic_plugins.table.columns import Column, Kind, recognised
from quasistatic_plugins.table.drawing import draw_columns
from quasistatic_plugins.table.layout import NUMBERS, Layout
from quasistatic_plugins.table.measures import judged
from quasistatic_plugins.table.mixture import Flat, best_mixture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEWEST = 20  # rows
SHIPPED = "scikit-learn"
SPLITS: tuple[qs.Split, ...] = ("train", "validation", "test")
LARGEST = 1e30  # of a number: its square is still one in float64, and its share of a deviation one in float32
NOISE_NATS = 0.5 * np.log(2.0 * np.pi * np.e)  # the entropy of a unit normal number


def build(options: TableOptions) -> Table:
    """The source of the file that the options name. Raises DataError, which names the column and a way out."""
    return Table(options)


def restore(options: TableOptions, kept: qs.Kept) -> Table:
    """The source of a run that is reopened; its file is read when its rows are asked for."""
    return Table.restored(options, kept)


class Table(
    qs.AbstractSource,
    qs.AbstractBaselines,
    qs.AbstractJudge,
    qs.AbstractPartDrawing,
    qs.AbstractReading,
    qs.AbstractWriting,
    qs.AbstractGapped,
    qs.AbstractKept,
):
    """Events of several parts: real numbers, bits, states of every number, and levels of every column of whole numbers.

    A missing cell is one state more; of a number a bit says so, and its place holds unit normal noise, or the mean level.
    Stored rows are the parts in model units, and where noise belongs.
    """

    endings = (".csv",)
    event: qs.Fields
    units: dict[str, qs.Units]

    def __init__(self, options: TableOptions):
        table = _read(options, options.path)
        if len(table.cells) < FEWEST:
            raise qs.DataError(f"{table.name}: holds {len(table.cells)} rows, expected at least {FEWEST}")
        columns, said = _recognised(options, table)
        layout, values = Layout.of(columns), _values(options, table, columns)
        numbers = _split(len(values), options)
        units = _units(layout, values[numbers["train"]])
        about = {**attrs.asdict(table.origin), "counted": table.counted}
        sizes = ", ".join(f"{len(rows)} {name}" for name, rows in numbers.items())
        notes = (f"read {len(values)} rows of {table.name}", *said, *_about_missing(layout, values), f"splits: {sizes}")
        self._settle(options, about, layout, units, numbers, notes)
        self._found: Callable[[], tuple[np.ndarray, np.ndarray]] = lambda: (values, table.places)

    @classmethod
    def restored(cls, options: TableOptions, kept: qs.Kept) -> Table:
        """What the source of a run was. Raises DataError for a record that is none; later, for a file that was changed."""
        source = cls.__new__(cls)
        try:
            about = {name: kept.about[name] for name in ("path", "size", "sha256", "counted")}
            columns = [Column(**{**each, "states": tuple(each["states"])}) for each in kept.about["columns"]]
            layout = Layout.of(columns)
            scaled = [part for part in layout.sizes() if f"shift.{part}" in kept.arrays]
            units = {part: qs.Units(kept.arrays[f"shift.{part}"], kept.arrays[f"scale.{part}"]) for part in scaled}
            numbers = {name: np.asarray(kept.arrays[name], np.int64) for name in SPLITS}
            source._settle(options, about, layout, units, numbers, tuple(map(str, kept.about["notes"])))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise qs.DataError(f"the record of the data in run.json is none that this version reads: {error!r:.200}") from error

        @functools.cache
        def same() -> tuple[np.ndarray, np.ndarray]:
            table = _read(options, about["path"] if Path(about["path"]).exists() else options.path)
            if table.origin.sha256 != about["sha256"]:
                raise qs.DataError(
                    f"{table.name}: is not the file that the run was trained on: it was changed since, so that none of its splits "
                    "is measured. `sample` and `evaluate --data FILE` do without it"
                )
            return _values(options, table, columns), table.places

        source._found = same
        return source

    def _settle(
        self, options: TableOptions, about: Mapping[str, Any], layout: Layout, units: Mapping[str, qs.Units],
        numbers: Mapping[qs.Split, np.ndarray], notes: tuple[str, ...],
    ) -> None:  # fmt: skip
        self._options, self._about, self._layout, self._numbers, self.notes = options, about, layout, numbers, notes
        self.units = dict(units)
        self.event = layout.fields(units)

    def kept(self) -> qs.Kept:
        columns = [{**attrs.asdict(column), "states": list(column.states)} for column in self._layout.columns]
        arrays = {
            f"{name}.{part}": np.asarray(getattr(own, name)) for part, own in self.units.items() for name in ("shift", "scale")
        }
        return qs.Kept({**self._about, "columns": columns, "notes": list(self.notes)}, {**arrays, **dict(self._numbers.items())})

    @property
    def columns(self) -> tuple[str, ...]:
        """The header of the file, without what was left out."""
        return tuple(column.name for column in self._layout.columns)

    def split(self, name: qs.Split, count: int | None = None) -> qs.Data:
        values, places = self._found()
        return self._data(values, places, self._numbers[name][:count], SPLITS.index(name))

    def _data(self, values: np.ndarray, places: np.ndarray, chosen: np.ndarray, seed: int) -> qs.Data:
        parts, noisy = self._parts(values[chosen])
        if noisy is not None:
            # RandomState: its stream is frozen, and a count takes the first numbers of it
            noise = np.random.RandomState(seed).standard_normal(noisy.shape)
            parts[NUMBERS] = np.where(noisy, noise, parts[NUMBERS]).astype(np.float32)
        return qs.Data(parts, tags={self._about["counted"]: places[chosen]})

    def _parts(self, values: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
        """Parts in model units of values (N, columns), and which real numbers are missing."""
        parts = self._layout.split_up(values, _fillers(self._layout, self.units))
        found = {part: self.units[part].to_model(own) if part in self.units else own for part, own in parts.items()}
        typed = {part: own.astype(self.event[part].dtype) for part, own in found.items()}
        return typed, noisy_places(self._layout, values)

    def stored(self) -> qs.ArrayRows:
        parts, noisy = self._parts(self._found()[0][self._numbers["train"]])
        return qs.ArrayRows(parts if noisy is None else {**parts, "noisy": noisy})

    def draw(self, row: Mapping[str, Any], *, key: jax.Array) -> tuple[dict[str, jax.Array], None]:
        parts = {part: jnp.asarray(row[part]) for part in self.event}
        if "noisy" in row:
            noise = jr.normal(key, parts[NUMBERS].shape, jnp.float32)
            parts[NUMBERS] = jnp.where(jnp.asarray(row["noisy"]), noise, parts[NUMBERS])
        return parts, None

    def values(self, xs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Events as values (N, columns): numbers, the places of states, and nan for what is missing."""
        return self._layout.joined({part: self.units[part].to_user(own) if part in self.units else own for part, own in xs.items()})

    def known(self, xs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Real numbers that are not missing."""
        noisy = noisy_places(self._layout, self.values(xs))
        return {} if noisy is None else {NUMBERS: ~noisy}

    def render_part(self, xs: Mapping[str, np.ndarray], part: str, axes: Axes) -> None:
        draw_columns(self._layout, self.event, self.units, xs, part, axes)

    def write_events(self, xs: Mapping[str, np.ndarray], ending: str) -> bytes:
        """A row for each event below the header, with cells as the file has them."""
        pairs = zip(self._layout.columns, self.values(xs).T, strict=True)
        return qs.csv_bytes(self.columns, ([column.written(number) for number in own.tolist()] for column, own in pairs))

    def read_events(self, path: str | Path) -> qs.Data:
        """Rows of another file with these columns, in any order. Raises DataError."""
        table = qs.read_cells(path)
        if lost := [name for name in self.columns if name not in table.names]:
            raise qs.DataError(f"{table.name}: there is no column {lost[0]!r}  (it has: {', '.join(table.names[:20])})")
        values = _values(self._options, table, self._layout.columns)
        return self._data(values, table.places, np.arange(len(values)), len(SPLITS))

    def baselines(self, xs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Columns that are independent, each a mixture, and a mixture of parts in which they are; on the same events as K."""
        train, validation, test = (self._flat(each) for each in (self.split("train").x, self.split("validation").x, xs))
        columns = zip(train.alone(), validation.alone(), test.alone(), strict=True)
        alone = sum(best_mixture(one, two).log_prob(three) for one, two, three in columns)
        mixture = best_mixture(train, validation)
        return {"independent columns": np.asarray(alone), f"mixture of {len(mixture.weights)} parts": mixture.log_prob(test)}

    def _flat(self, xs: Mapping[str, np.ndarray]) -> Flat:
        fields = {part: field for part, field in self.event.parts().items()}
        levels = [field for field in fields.values() if isinstance(field, qs.Levels)]
        nothing = np.empty((len(next(iter(xs.values()))), 0))
        states = [part for part, field in fields.items() if not isinstance(field, qs.Real | qs.Levels)]
        categories = [getattr(fields[part], "categories", 2) for part in states for _ in range(fields[part].size)]
        counts = [np.asarray(xs[part], np.float64) for part, field in fields.items() if isinstance(field, qs.Levels)]
        return Flat(
            np.asarray(xs.get(NUMBERS, nothing), np.float64),
            np.concatenate([nothing, *counts], axis=1),
            np.array([field.spacing for field in levels]),
            np.array([[field.low for field in levels], [field.high for field in levels]]),
            np.concatenate([nothing, *(np.asarray(xs[part]) for part in states)], axis=1).astype(int),
            tuple(categories),
        )

    def judge(self, xs: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Column shapes, pair trends and how well a classifier tells samples from test rows, beside those of training rows."""
        train, test = (self.values(self.split(name).x) for name in ("train", "test"))
        return judged(self._layout.columns, self.values(xs), train, test)


def noisy_places(layout: Layout, values: np.ndarray) -> np.ndarray | None:
    """Which real numbers (N, r) of values (N, columns) are missing; None where such a column never is."""
    slots = [slot for slot in layout.slots if slot.part == NUMBERS]
    if not any(layout.columns[slot.column].has_missing for slot in slots):
        return None
    return np.isnan(values[:, [slot.column for slot in slots]])


def _fillers(layout: Layout, units: Mapping[str, qs.Units]) -> dict[int, float]:
    """What stands for a missing number in each column, before noise: 0, or the level nearest to the mean."""
    means = {slot.column: units[slot.part] for slot in layout.slots if slot.part in units and slot.part != NUMBERS}
    return {
        number: float(np.round(np.sum(means[number].shift))) if number in means else 0.0 for number in range(len(layout.columns))
    }


def _refuse_unscaled(name: str, known: np.ndarray) -> None:
    if len(known) == 0:
        raise qs.DataError(f"column {name!r}: no row of the training split has a number in it; leave it out (source.drop)")
    if np.abs(known).max() > LARGEST:
        raise qs.DataError(f"column {name!r}: expected numbers up to {LARGEST:g}, got one of size {np.abs(known).max():.3g}")


def _units(layout: Layout, train: np.ndarray) -> dict[str, qs.Units]:
    """Means and deviations in the training split, column by column, of what is known; of counts also of what fills their gaps.

    Raises DataError naming a column that has none.
    """
    found = {}
    for part in layout.sizes():
        if part == NUMBERS or part.startswith("count-"):
            chosen = [slot.column for slot in layout.slots if slot.part == part]
            known = train[:, chosen]
            for column, numbers in zip(chosen, known.T, strict=True):
                _refuse_unscaled(layout.columns[column].name, numbers[~np.isnan(numbers)])
            mean = np.nanmean(known, axis=0)
            filled = known if part == NUMBERS else np.where(np.isnan(known), np.round(mean), known)
            deviation = np.nanstd(filled, axis=0)
            found[part] = qs.Units(mean, np.where(deviation > 0, deviation, 1.0))
    return found


def _read(options: TableOptions, where: str) -> qs.TextTable:
    return qs.read_cells(where) if where else _shipped()


def _shipped() -> qs.TextTable:
    """The diabetes data of scikit-learn, as it was written, with one cell in 20 removed at random."""
    try:
        from sklearn.datasets import load_diabetes
    except ImportError as error:
        raise qs.DataError(
            "source 'table' has no path, and its own data need scikit-learn: pip install \"quasistatic[data]\""
        ) from error
    data: Any = load_diabetes(scaled=False)
    names = (*("age", "sex", "bmi", "blood pressure"), *(f"s{number}" for number in range(1, 7)), "progression")
    rows = np.column_stack([data.data, data.target])
    cells = np.array([[f"{number:.10g}" for number in row] for row in rows.tolist()], object)
    cells[:, 1] = np.where(cells[:, 1] == "1", "a", "b")  # what the two are is not documented
    cells[np.random.RandomState(0).rand(*cells.shape) < 0.05] = ""
    origin = qs.origin_of(SHIPPED, {"diabetes": "\n".join(",".join(row) for row in cells.tolist()).encode()})
    return qs.TextTable("the diabetes data of scikit-learn", names, cells, np.arange(len(cells)), "row", origin)


def _recognised(options: TableOptions, table: qs.TextTable) -> tuple[list[Column], tuple[str, ...]]:
    """The columns that are modelled, and sentences about all of them."""
    kinds: tuple[Kind, ...] = ("real", "count", "ordinal", "categorical")
    asked = {name: kind for kind in kinds for name in getattr(options, kind)}
    for option in (*kinds, "drop"):
        for name in getattr(options, option):
            if name not in table.names:
                raise qs.DataError(
                    f"{table.name}: source.{option}: there is no column {name!r}  (it has: {', '.join(table.names[:20])})"
                )
    found: list[Column] = []
    out: list[str] = []
    for number, name in enumerate(table.names, 1):
        if name in options.drop:
            continue
        cells = table.cells[:, number - 1].tolist()
        try:
            column = recognised(name, number, cells, asked.get(name), options.most_categories, _reader(options))
        except qs.DataError as error:
            raise qs.DataError(f"{table.name}: {error}") from error
        if isinstance(column, str):
            out.append(f"column {name!r} is left out: it {column}")
        else:
            found.append(column)
    if not found:
        raise qs.DataError(f"{table.name}: no column is left: {'; '.join(out) or 'all are dropped'}")
    return found, ("; ".join(column.describe() for column in found), *out)


def _values(options: TableOptions, table: qs.TextTable, columns: Any) -> np.ndarray:
    """Values (N, columns) of a file that has these columns."""
    places = [f"{table.name}: {table.counted} {place}" for place in table.places]
    own = [table.cells[:, table.names.index(column.name)].tolist() for column in columns]
    return np.stack([column.values(cells, _reader(options), places) for column, cells in zip(columns, own, strict=True)], axis=1)


def _reader(options: TableOptions) -> qs.Reader:
    return qs.Reader(decimal=options.decimal)


def _split(count: int, options: TableOptions) -> dict[qs.Split, np.ndarray]:
    """Which rows are in which split, in random order."""
    # RandomState: its stream is frozen for all versions of numpy
    order = np.random.RandomState(options.split_seed % 2**32).permutation(count)
    test, validation = (max(1, round(count * share)) for share in (options.test_share, options.validation_share))
    return {"train": order[test + validation :], "validation": order[test : test + validation], "test": order[:test]}


def _about_missing(layout: Layout, values: np.ndarray) -> tuple[str, ...]:
    lost = np.isnan(values)
    if not lost.any():
        return ()
    noisy = noisy_places(layout, values)
    said = f"{lost.sum()} of {lost.size} cells are missing: each is a state of its own"
    if noisy is None:
        return (said,)
    each = NOISE_NATS * noisy.sum(axis=1).mean()
    return (
        said,
        "in the place of a missing real number stands unit normal noise, of which K and simple models have the "
        f"{NOISE_NATS:.4f} nats each, {each:.4f} nats per row of the file: without it all are so much higher",
    )
