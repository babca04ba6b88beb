"""Tables as sources: rows are events of numbers and states, and come back as rows of the same file."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import jax
import jax.numpy as jnp
import numpy as np
import polars as pl

import quasistatic as qs
from quasistatic.kits.tables.baselines import baselines
from quasistatic.kits.tables.columns import Column
from quasistatic.kits.tables.conditions import limits_where
from quasistatic.kits.tables.drawing import draw_columns
from quasistatic.kits.tables.files import RawTable, from_frame, is_frame, read_table
from quasistatic.kits.tables.gaps import TableGaps
from quasistatic.kits.tables.layout import NUMBERS, Layout
from quasistatic.kits.tables.measures import judged
from quasistatic.kits.tables.normal_mixtures import CHOOSING, ROWS
from quasistatic.kits.tables.options import TableOptions
from quasistatic.kits.tables.report import AbstractColumns
from quasistatic.kits.tables.surprises import RowModels
from quasistatic.kits.tables.values import (
    WRITTEN,
    Values,
    digits_lost,
    first_rows,
    read_columns,
    read_values,
    to_matrix,
    to_pandas,
    to_text,
    typed,
    write_table,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEWEST = 10  # rows
SPLITS: tuple[qs.Split, ...] = ("train", "validation", "test")


@attrs.frozen
class Written:
    """How the file of a table is written: its name in messages, what the places of rows are, and how cells are parted."""

    name: str
    counted: str
    delimiter: str
    has_header: bool
    frame: str = ""

    @classmethod
    def of(cls, table: RawTable, frame: str = "") -> Written:
        return cls(table.name, table.counted, table.delimiter, table.has_header, frame)


class TableSource(
    qs.AbstractSource,
    qs.sources.AbstractBaselines,
    qs.sources.AbstractSurprises,
    qs.sources.AbstractJudge,
    qs.sources.AbstractPartDrawing,
    qs.sources.AbstractReading,
    qs.sources.AbstractWriting,
    qs.sources.AbstractOwnUnits,
    AbstractColumns,
    qs.sources.AbstractFramed,
    qs.sources.AbstractGapped,
    qs.sources.AbstractRefitting,
    qs.sources.AbstractKept,
):
    """Rows of a table: an event has its numbers, in deviations from their means, and the states of its columns.

    A number that a row has not (a missing cell, an atom) does not exist, as the state of its column says: it has no term.
    Raises DataError naming file, line, column and option.
    """

    endings = WRITTEN
    event: qs.Fields
    _places = qs.files.Places()

    def __init__(self, table: RawTable, options: TableOptions, origin: qs.files.Origin | None = None, frame: str = ""):
        found = read_columns(table, options)
        values = found.values
        if len(values) < FEWEST:
            raise qs.DataError(f"{table.name}: holds {len(values)} rows, expected at least {FEWEST}")
        numbers = split_rows(len(values), options)
        layout = Layout.fitted(found.columns, values.rows(numbers["train"]))
        again = layout.snapped(layout.to_values(layout.to_parts(first_rows(found.columns, values))))
        _refuse_untrained(table.name, layout, values.rows(numbers["train"]))
        others = {name: path for name, path in (("validation", options.validation_path), ("test", options.test_path)) if path}
        origins = {name: qs.files.Origin.of(path) for name, path in others.items()}
        self._places = qs.files.Places(tuple(others.values()))
        self._settle(options, layout, numbers, Written.of(table, frame), origin, origins)
        self._parts = {"": values}
        sizes = ", ".join(f"{len(self._rows(name))} {name}" for name in SPLITS)
        about = "; ".join(column.describe() for column in found.columns)
        read = f"read {len(values)} rows of {table.name}"
        lost = (*digits_lost(table, found.columns, again, layout.spoilt(values)), *self._about_missing(values))
        self.notes = (read, about, *found.notes, *lost, *self._about_others(), f"splits: {sizes}")

    @classmethod
    def restored(cls, options: TableOptions, kept: qs.sources.Kept) -> TableSource:
        """The source of a run that is reopened. Raises DataError for a record that cannot be read; later, for a changed file."""
        source = cls.__new__(cls)
        try:
            about = kept.about
            columns = [Column.of_json(each) for each in about["columns"]]
            layout = Layout.of(columns, kept.arrays["shift"], kept.arrays["scale"])
            numbers: Any = {name: kept.arrays[name] for name in SPLITS}
            _check_arrays(layout, numbers)
            origins = {str(name): qs.files.Origin(**each) for name, each in about["origins"].items()}
            source._settle(options, layout, numbers, Written(**about["written"]), origins.pop(""), origins)
            source.notes = tuple(map(str, about["notes"]))
            source._places = kept.places
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise qs.files.unreadable_record(error) from error
        return source

    _parts: dict[str, Values]

    def _settle(
        self, options: TableOptions, layout: Layout, numbers: Mapping[qs.Split, np.ndarray], written: Written,
        origin: qs.files.Origin | None, others: Mapping[str, qs.files.Origin],
    ) -> None:  # fmt: skip
        self._options, self.layout, self._numbers, self._written = options, layout, dict(numbers), written
        self._origin, self._others = origin, dict(others)
        self.event = layout.event()
        self.units = {NUMBERS: qs.Units(layout.shift, layout.scale)} if NUMBERS in self.event else {}
        self._parts = {}

    def kept(self) -> qs.sources.Kept | None:
        if self._origin is None:
            return None
        origins = {name: attrs.asdict(each) for name, each in {"": self._origin, **self._others}.items()}
        about = {
            "columns": [column.to_json() for column in self.layout.columns],
            "written": attrs.asdict(self._written),
            "origins": origins,
            "notes": list(self.notes),
        }
        splits = {str(name): rows for name, rows in self._numbers.items()}
        return qs.sources.Kept(about, {"shift": self.layout.shift, "scale": self.layout.scale, **splits})

    @property
    def columns(self) -> tuple[str, ...]:
        """The header of the file, without columns that are left out."""
        return tuple(column.name for column in self.layout.columns)

    def whole(self) -> Values:
        """All rows of the file. Raises DataError where it was changed since the run was started."""
        if "" not in self._parts:
            assert self._origin is not None
            table = qs.files.Reopened(self._origin, self._places, self._look).data
            found = read_values(table, self.layout.columns, self._options.labels)
            if max(int(rows.max(initial=0)) for rows in self._numbers.values()) >= len(found):
                raise qs.DataError(f"{table.name}: does not hold the rows that the run has kept the numbers of")
            self._parts[""] = found
        return self._parts[""]

    def _look(self, place: str) -> tuple[qs.files.Origin, Callable[[], RawTable]]:
        return qs.files.Origin.of(place), lambda: read_table(place, self._options)

    def _rows(self, name: qs.Split, count: int | None = None) -> Values:
        if name in self._others:
            if name not in self._parts:
                table = qs.files.Reopened(self._others[name], self._places, self._look).data
                found = read_values(table, self.layout.columns, self._options.labels)
                inside = np.setdiff1d(np.arange(len(found)), list(found.outside))
                self._parts[name] = attrs.evolve(found.rows(inside), outside=found.outside)
            whole = self._parts[name]
            return whole.rows(np.arange(len(whole))[:count])
        return self.whole().rows(self._numbers[name][:count])

    def _data(self, values: Values, outside: tuple[qs.sources.Outside, ...] = ()) -> qs.Data:
        return qs.Data(self.layout.to_parts(values), tags=self._tags(values), outside=outside)

    def _tags(self, values: Values) -> dict[str, np.ndarray]:
        labels = {} if values.labels is None else {str(self._options.labels): values.labels}
        return {self._written.counted: values.places, **labels}

    def split(self, name: qs.Split, count: int | None = None) -> qs.Data:
        return self._data(self._rows(name, count))

    def _stored(self, values: Values) -> qs.sources.ArrayRows:
        return qs.sources.ArrayRows(
            {name: own.astype(self.event[name].dtype) for name, own in self.layout.to_parts(values, is_exact=False).items()}
        )

    def stored(self) -> qs.sources.ArrayRows:
        return self._stored(self._rows("train"))

    def all_rows(self) -> qs.sources.ArrayRows:
        """The rows of all splits."""
        found = [self._stored(self._rows(name)).arrays for name in SPLITS]
        return qs.sources.ArrayRows({name: np.concatenate([each[name] for each in found]) for name in self.event})

    def draw(self, row: Mapping[str, Any], *, key: jax.Array) -> tuple[dict[str, jax.Array], None]:
        return {name: jnp.asarray(row[name]) for name in self.event}, None

    def values(self, xs: Mapping[str, np.ndarray]) -> Values:
        """Rows of events (N, ...) in model units."""
        return self.layout.to_values(xs)

    def to_user(self, xs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Events with numbers (N, r) in the units of their columns, nan where there is none."""
        values = self.layout.to_values(xs)
        found = {name: np.array(own) for name, own in xs.items()}
        if NUMBERS in found:
            numbers = [values.numbers[slot.column] for slot in self.layout.part(NUMBERS)]
            found[NUMBERS] = np.stack([own for own in numbers if own is not None], axis=1)
        return found

    def from_user(self, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The way back."""
        found = {name: np.asarray(own) for name, own in values.items()}
        if NUMBERS in found:
            own = np.asarray(found[NUMBERS], np.float64)
            slots = self.layout.part(NUMBERS)
            columns = [self.layout.to_model(slot, column) for slot, column in zip(slots, own.T, strict=True)]
            found[NUMBERS] = np.stack(columns, axis=1)
        return found

    def number_columns(self, xs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Those of columns of numbers, with their atoms."""
        columns = self.layout.columns
        found = to_matrix(columns, self.layout.to_values(xs))
        return {column.name: own for column, own in zip(columns, found.T, strict=True) if column.is_number}

    def log_volume(self, xs: Mapping[str, np.ndarray]) -> np.ndarray:
        return self.layout.log_volume(self.layout.to_values(xs))

    def render_part(self, xs: Mapping[str, np.ndarray], part: str, axes: Axes) -> None:
        draw_columns(self.layout, self.event, xs, part, axes)

    def write_events(self, xs: Mapping[str, np.ndarray], ending: str) -> bytes:
        """A row for each event, with cells, header and delimiter as the file has them."""
        values = self.layout.snapped(self.layout.to_values(xs))
        return write_table(self.layout.columns, values, ending, self._written.delimiter, self._written.has_header)

    def to_frame(self, xs: Mapping[str, np.ndarray]) -> Any:
        """A data frame of events, of the library from which the data came, else of polars."""
        columns = self.layout.columns
        frame = typed(columns, to_text(columns, self.layout.snapped(self.layout.to_values(xs))))
        return to_pandas(frame) if self._written.frame == "pandas" else frame

    def read_events(self, path: str | Path) -> qs.Data:
        """Rows of another file with these columns, in any order; those with a cell that no row can have are outside."""
        return self._read(self._table_of(path))

    def read_frame(self, frame: Any) -> qs.Data:
        """Rows of a data frame with these columns, by their names, in any order. Raises DataError for one that lacks."""
        return self._read(self._table_in(frame))

    def gaps(self, frame: Any) -> TableGaps:
        """The missing cells of a file, or of a data frame, with these columns in any order, and others."""
        is_path = isinstance(frame, str | Path)
        table = self._table_of(frame) if is_path else self._table_in(frame)
        return TableGaps(
            self.layout, table, self._options.missing_words, self._options.labels, self._tags, None if is_path else frame
        )

    def where(self, conditions: Sequence[str]) -> qs.sources.Limits:
        return limits_where(self.layout, conditions)

    def _table_of(self, path: str | Path) -> RawTable:
        return read_table(path, attrs.evolve(self._options, header="auto"), self.columns)

    def _table_in(self, frame: Any) -> RawTable:
        if not is_frame(frame):
            raise qs.DataError(f"data: expected a data frame or a mapping of columns, got a {type(frame).__name__}")
        return from_frame(frame)

    def _read(self, table: RawTable) -> qs.Data:
        found = read_values(table, self.layout.columns, self._options.labels)
        tags = self._tags(found)
        outside = tuple(
            qs.sources.Outside(row, f"{reason}", {name: own[row] for name, own in tags.items()})
            for row, reason in found.outside.items()
        )
        inside = np.setdiff1d(np.arange(len(found)), list(found.outside))
        return self._data(found.rows(inside), outside)

    def baselines(self, xs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Simple models of some thousand rows, on the same events as K; see `quasistatic.kits.tables.baselines`."""
        train, validation = self.split("train", ROWS).x, self.split("validation", CHOOSING).x
        return baselines(self.layout, self.event, train, validation, xs)

    def surprises(self, xs: Mapping[str, np.ndarray] | None) -> Mapping[str, Mapping[str, np.ndarray]]:
        """By simple models of rows, and by columns; see `quasistatic.kits.tables.surprises`."""
        return self._row_models.surprises(None if xs is None else self.layout.to_vectors(xs)[0])

    @functools.cached_property
    def _row_models(self) -> RowModels:
        return RowModels.fit(*self.layout.to_vectors(self.split("train").x))

    def judge(self, xs: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Column shapes, pair trends and how well classifiers separate samples from test rows, beside those of training rows."""
        held: qs.Split = "test" if len(self._rows("test")) else "validation" if len(self._rows("validation")) else "train"
        made = self.layout.snapped(self.layout.to_values(xs))
        columns = self.layout.columns
        samples, train, test = (to_matrix(columns, each) for each in (made, self._rows("train"), self._rows(held)))
        return judged(columns, samples, train, test)

    def _about_missing(self, values: Values) -> tuple[str, ...]:
        lost = sum(
            int(np.isin(state, [k + column.is_number for k, name in enumerate(column.states) if name in column.missing]).sum())
            for column, state in zip(self.layout.columns, values.states, strict=True)
        )
        return (f"{lost} of {len(values) * len(values.states)} cells are missing: each is a state of its own",) if lost else ()

    def _about_others(self) -> tuple[str, ...]:
        found = []
        for name in self._others:
            rows = self._rows(name)  # type: ignore[arg-type]
            outside = self._parts[name].outside
            first = next(iter(outside.values()), "")
            found.append(f"{len(rows)} rows of {getattr(self._options, f'{name}_path')} are the {name} split")
            if outside:
                found.append(f"{len(outside)} rows of it are left out, as the training file has nothing like them: {first}")
        return tuple(found)


def _check_arrays(layout: Layout, numbers: Mapping[str, np.ndarray]) -> None:
    """Raises ValueError for what is no shift, scale or numbers of rows."""
    for name, own in (("shift", layout.shift), ("scale", layout.scale)):
        if own.shape != (len(layout.part(NUMBERS)),) or not np.isfinite(own).all():
            raise ValueError(name)
    if (layout.scale <= 0.0).any():
        raise ValueError("scale")
    for name, rows in numbers.items():
        if rows.ndim != 1 or rows.dtype.kind not in "iu" or (rows < 0).any():
            raise ValueError(name)


def _refuse_untrained(name: str, layout: Layout, train: Values) -> None:
    """Raises DataError naming a column of numbers of which the training split has none."""
    for slot in layout.part(NUMBERS):
        numbers = train.numbers[slot.column]
        if numbers is not None and np.isnan(numbers).all():
            column = layout.columns[slot.column].name
            raise qs.DataError(
                f"{name}: column {column!r}: no row of the training split has a number in it; leave it out (source.drop)"
            )


def table_source(options: TableOptions) -> TableSource:
    """The source of the file that `options.path` names. Raises DataError."""
    if not options.path:
        raise qs.DataError("source.path: must be given, a table (quasistatic run my.csv)")
    table = read_table(options.path, options)
    return TableSource(table, options, qs.files.Origin.of(Path(options.path).expanduser()))


def frame_source(options: TableOptions, data: Any) -> TableSource:
    """The source of a data frame in memory, of pandas, polars or pyarrow, or of a mapping of columns. Raises DataError."""
    if not is_frame(data):
        raise qs.DataError(f"data: expected a data frame or a mapping of columns, got a {type(data).__name__}")
    is_polars = isinstance(data, pl.DataFrame)
    return TableSource(from_frame(data), options, None, "" if is_polars else type(data).__module__.partition(".")[0])


def split_rows(count: int, options: TableOptions) -> Mapping[qs.Split, np.ndarray]:
    """Which rows of the file are in which split, in random order; none in one that has a file of its own."""
    # RandomState: its stream is frozen for all versions of numpy
    order = np.random.RandomState(options.split_seed % 2**32).permutation(count)
    shares = (options.test_share * (not options.test_path), options.validation_share * (not options.validation_path))
    test, validation = (max(1, round(count * share)) if share else 0 for share in shares)
    return {"train": order[test + validation :], "validation": order[test : test + validation], "test": order[:test]}
