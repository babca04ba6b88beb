"""One look at the text of all cells: which columns are numbers, dates or categories, and what does not fit.

A cell that looks like a number is a number only where its column is one: codes such as 007, 1E3 beside 1000 and numbers that
float64 does not distinguish stay text, and so do NA and None where no column of numbers has them for a gap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import polars as pl

import quasistatic as qs
from quasistatic.kits.tables.columns import Column, Kind
from quasistatic.kits.tables.dates import DateForm, Form, date_forms
from quasistatic.kits.tables.files import RawTable
from quasistatic.kits.tables.forms import (
    CODE,
    DIGITS,
    EXACT,
    MISSING,
    UNREAD,
    NumberForm,
    fit_number_form,
    number_forms,
)
from quasistatic.kits.tables.numbers import are_states
from quasistatic.kits.tables.options import KINDS, ColumnOptions
from quasistatic.kits.tables.pieces import Piece

SAMPLE = 20_000  # cells of which the form of a column is recognised
TEXTS = 5_000  # different cells that are counted; a column with more has no states
MOST_SPELT = 200  # different cells at most that may be ways to write few numbers
WORDS = 5  # different words at most that are states of a column of numbers
LISTED = 20


@attrs.define
class Tally:
    """What the cells of one column are: so many of them, of which some are empty, have blanks around, or are no number of `form`.

    `texts` counts the different cells (None for too many), `words` those that are not numbers; `places` is where each word is
    first; `codes` have zeros in front, or more digits than float64; `decimals` is the largest number of those in a cell; `gaps` are
    words that are set to be missing cells, also where they look like numbers; `numbers` are those of all pieces, None for a cell
    without one.
    """

    name: str
    form: Form | None
    rivals: tuple[Form, ...] = ()
    cells: int = 0
    empty: int = 0
    stripped: int = 0
    codes: int = 0
    decimals: int = 0
    sample: tuple[str, ...] = ()
    texts: Counter[str] | None = attrs.field(factory=Counter)
    words: Counter[str] = attrs.field(factory=Counter)
    gaps: tuple[str, ...] = ()
    places: dict[str, int] = attrs.field(factory=dict)
    plain: set[float] = attrs.field(factory=set)
    powers: set[float] = attrs.field(factory=set)
    numbers: np.ndarray | None = attrs.field(factory=lambda: np.empty(0))

    def add(self, cells: pl.Series, piece: Piece) -> None:
        """Count the cells (N,) of a piece."""
        bare = cells if piece.is_plain else cells.str.strip_chars()
        self.cells += len(cells)
        self.stripped += 0 if piece.is_plain else int((bare != cells).sum())
        is_empty = bare.is_null() if piece.is_plain else bare.is_null() | (bare == "")
        empty = int(is_empty.sum())
        self.empty += empty
        values = self._parsed(bare, is_empty, piece)
        if self.numbers is not None and values is not None:
            before = len(self.numbers)
            self.numbers.resize(before + len(values), refcheck=False)  # in place: pieces beside the whole would be twice the memory
            self.numbers[before:] = values
        else:
            self.numbers = None
        if self.texts is not None:
            counted = (bare.filter(~is_empty) if empty else bare).value_counts()
            if len(counted) + len(self.texts) <= 2 * TEXTS:
                self.texts.update(dict(counted.iter_rows()))
            if len(counted) > TEXTS or len(self.texts) > TEXTS:
                self.texts = None

    def _parsed(self, bare: pl.Series, is_empty: pl.Series, piece: Piece) -> np.ndarray | None:
        """The numbers of cells (N,) where all are; counts those that are not."""
        if self.form is None:
            return None
        values = self.form.parse(bare)
        if self.gaps:
            values = np.where(bare.is_in(list(self.gaps)).fill_null(False).to_numpy(), np.nan, values)
        is_lost = np.isnan(values)
        if isinstance(self.form, NumberForm):
            self._note_digits(bare, values, piece.is_plain)
        if not is_lost.any():
            return values
        is_word = is_lost & ~is_empty.to_numpy()
        self._count_words(bare.filter(pl.Series(is_word)), piece.places[is_word])
        return None

    def _note_digits(self, bare: pl.Series, values: np.ndarray, is_plain: bool) -> None:
        assert isinstance(self.form, NumberForm)
        self.decimals = max(self.decimals, _most_decimals(bare, self.form, is_plain))
        if not is_plain:
            self.codes += int(self.form.bare(bare).str.contains(CODE).fill_null(False).sum())
        is_beyond = np.abs(values) > EXACT
        if is_beyond.any():
            self.codes += int(self.form.bare(bare).filter(pl.Series(is_beyond)).str.contains(DIGITS).sum())
        if not is_plain or self.powers:
            self._note_powers(bare)

    def _note_powers(self, bare: pl.Series) -> None:
        """Whole numbers with an exponent (1E3) and without one, as far as there are few."""
        powers = bare.filter(bare.str.contains(r"^[0-9]+[eE][0-9]+$").fill_null(False))
        if len(powers) and len(self.powers) < TEXTS:
            self.powers.update(powers.unique().cast(pl.Float64).to_list())
        if self.powers and len(self.plain) < TEXTS:
            whole = bare.filter(bare.str.contains(r"^[0-9]+$").fill_null(False)).unique()
            self.plain.update(whole.cast(pl.Float64).to_list()[:TEXTS])

    def _count_words(self, words: pl.Series, places: np.ndarray) -> None:
        if len(words) and len(self.words) <= TEXTS:
            self.words.update(words.to_list())
            for word, place in zip(reversed(words.to_list()), reversed(places.tolist()), strict=True):
                self.places[word] = min(place, self.places.get(word, place))

    @property
    def filled(self) -> int:
        return self.cells - self.empty

    @property
    def are_codes(self) -> bool:
        """Whether cells look like numbers and are not: they have zeros in front, or would be equal as numbers."""
        return bool(self.codes) or bool(self.powers & self.plain) or self._are_spelt_twice()

    def _are_spelt_twice(self) -> bool:
        """Whether few numbers, which would be states, are written in several ways, such as 1 and 1.0, or in one of their own."""
        if self.form is None or self.texts is None or len(self.texts) > MOST_SPELT:
            return False
        texts = list(self.texts)
        values = self.form.parse(pl.Series(texts, dtype=pl.String))
        cells = [text for text, value in zip(texts, values.tolist(), strict=True) if value == value]
        known = values[~np.isnan(values)]
        if not are_states(np.unique(known), self.form):
            return False
        form = fit_number_form(cells, self.form) if isinstance(self.form, NumberForm) else self.form
        return form.write(known) != cells


@attrs.frozen
class Survey:
    """All columns of a table: those that are modelled or constant, and sentences about what is left out and what is lost.

    `places` (N,) are where its rows stand; `blank` rows hold nothing.
    """

    columns: tuple[Column, ...]
    places: np.ndarray
    blank: int
    notes: tuple[str, ...]
    tallies: tuple[Tally, ...]

    def numbers(self, column: Column) -> np.ndarray | None:
        """Those of all rows (N,), where they were found while cells were counted: where each cell is one."""
        tally = next(tally for tally in self.tallies if tally.name == column.name)
        return tally.numbers if column.is_number else None


def survey(table: RawTable, options: ColumnOptions) -> Survey:
    """Reads all cells once. Raises DataError naming file, column, line, cell and option for a column that is not one thing."""
    _refuse_unknown(table, options)
    names = [name for name in options.columns or table.names if name not in (*options.drop, options.labels)]
    numbers = [table.names.index(name) for name in names]
    tallies, places, blank = _counted(table, names, numbers, options)
    if not len(places):
        raise qs.DataError(f"{table.name}: holds a header and no rows")
    missing = _missing_words(tallies, options)
    found, out = [], []
    for number, tally in zip(numbers, tallies, strict=True):
        try:
            column = _recognised(number + 1, tally, options, missing, table)
        except qs.DataError as error:
            raise qs.DataError(f"{table.name}: {error}") from error
        if isinstance(column, str):
            out.append(f"column {tally.name!r} is left out: it {column}")
        else:
            found.append(column)
    if not any(column.kind != "constant" for column in found):
        raise qs.DataError(f"{table.name}: no column is left: {'; '.join(out) or 'all are dropped or constant'}")
    return Survey(tuple(found), places, blank, (*table.notes, *out, *_losses(table, tallies, blank, found)), tuple(tallies))


def _refuse_unknown(table: RawTable, options: ColumnOptions) -> None:
    named = {name: kind for kind in ("columns", "drop", *KINDS) for name in getattr(options, kind)}
    named |= {} if options.labels is None else {options.labels: "labels"}
    for name, option in {**named, **dict.fromkeys(options.bounds, "bounds")}.items():
        if name not in table.names:
            raise qs.DataError(
                f"{table.name}: source.{option}: there is no column {name!r}  (it has: {', '.join(table.names[:LISTED])})"
            )


def _counted(
    table: RawTable, names: Sequence[str], numbers: Sequence[int], options: ColumnOptions
) -> tuple[list[Tally], np.ndarray, int]:
    tallies: list[Tally] = []
    places, rows, blank = [np.empty(0, np.int64)], 0, 0
    for piece in table.pieces():
        if not tallies and len(piece.frame):
            tallies = _proposed(table, piece.frame, names, numbers, options)
        for tally, number in zip(tallies, numbers, strict=False):
            tally.add(piece.frame[str(number)], piece)
        places, rows, blank = [*places, piece.places], rows + len(piece.places), blank + piece.blank
        qs.files.refuse_large(8 * rows * sum(tally.numbers is not None for tally in tallies))
    return tallies, np.concatenate(places), blank


def _proposed(
    table: RawTable, frame: pl.DataFrame, names: Sequence[str], numbers: Sequence[int], options: ColumnOptions
) -> list[Tally]:
    """A tally for each column, with the form in which most of its first cells are numbers or dates."""
    kinds, found, seen = options.kinds, [], []
    for number in numbers:
        bare = frame[str(number)].head(SAMPLE).str.strip_chars().drop_nulls()
        filled = bare.filter(bare != "").unique(maintain_order=True)
        gaps = (filled.str.to_lowercase(), MISSING) if options.missing_words is None else (filled, options.missing_words)
        seen.append(filled.filter(~gaps[0].is_in(list(gaps[1]))).to_list())
    decimal = options.decimal if options.decimal != "auto" else _decimal(seen, table.delimiter)
    for name, cells in zip(names, seen, strict=True):
        forms: list[Form] = []
        if kinds.get(name) != "categorical" and cells:
            dates = date_forms(cells, options.dates)
            forms = [form for form in number_forms(cells, decimal, table.delimiter) if _share(form, cells) > 0.5]
            is_given = any(form.format in options.dates for form in dates)
            forms = list(dates) if is_given or not forms else forms
        form = forms[0] if forms else None
        found.append(Tally(name, form, tuple(forms[1:]), sample=tuple(cells), gaps=options.missing_words or ()))
    _refuse_unused(table, found, options)
    return found


def _refuse_unused(table: RawTable, tallies: Sequence[Tally], options: ColumnOptions) -> None:
    used = {tally.form.format for tally in tallies if isinstance(tally.form, DateForm)}
    if unused := [format for format in options.dates if format not in used]:
        first = next((tally for tally in tallies if tally.sample and not isinstance(tally.form, NumberForm)), tallies[0])
        such = f", such as {first.sample[0]!r} of column {first.name!r}" if first.sample else ""
        raise qs.DataError(f"{table.name}: source.dates: the cells of no column are dates as {unused[0]!r}{such}")


def _most_decimals(cells: pl.Series, form: NumberForm, is_plain: bool) -> int:
    """Of cells without an exponent."""
    plain = cells.filter(~cells.str.contains(r"[eE]").fill_null(True)) if form.decimal == "." and not is_plain else cells
    plain = plain.str.strip_suffix(form.after) if form.after else plain
    most: Any = (plain.str.len_bytes() - plain.str.find(form.decimal, literal=True)).max()
    return int(most or 1) - 1


def _decimal(columns: Iterable[Sequence[str]], delimiter: str) -> str:
    """The decimal sign of a file, where one of its columns settles it: its columns are written in one way."""
    settled = set()
    for cells in columns:
        if any("," in cell for cell in cells[:1000]):
            forms = [form for form in number_forms(cells, "auto", delimiter) if _share(form, cells) > 0.5]
            settled |= {forms[0].decimal} if len(forms) == 1 else set()
    return settled.pop() if len(settled) == 1 else "auto"


def _share(form: Form, cells: Sequence[str]) -> float:
    return float(np.mean(~np.isnan(form.parse(pl.Series(list(cells), dtype=pl.String)))))


def _missing_words(tallies: Sequence[Tally], options: ColumnOptions) -> frozenset[str]:
    """The words that are missing cells in the whole file: those that are set, or those that columns of numbers have."""
    if options.missing_words is not None:
        return frozenset(options.missing_words)
    numeric = [tally for tally in tallies if tally.form is not None and not tally.are_codes and _is_mostly_numbers(tally)]
    return frozenset(word for tally in numeric for word in tally.words if word.lower() in MISSING)


def _is_mostly_numbers(tally: Tally) -> bool:
    missing = sum(count for word, count in tally.words.items() if word.lower() in MISSING)
    return tally.filled - tally.words.total() > 0.5 * max(1, tally.filled - missing)


def _recognised(number: int, tally: Tally, options: ColumnOptions, missing: frozenset[str], table: RawTable) -> Column | str:
    """The column that these cells are, or why it is left out."""
    wanted = options.kinds.get(tally.name)
    type_ = table.types[number - 1] if table.types else ""
    gaps = tuple([""] * bool(tally.empty) + sorted(word for word in _words(tally) if word in missing))
    others = {word: count for word, count in tally.words.items() if word not in missing}
    is_numeric = tally.form is not None and wanted != "categorical" and (not tally.are_codes or wanted is not None)
    texts = None if tally.texts is None else {text: count for text, count in tally.texts.items() if text not in missing}
    if texts is not None and not texts:
        return "is empty"
    if texts is not None and len(texts) == 1 and not gaps:
        return Column(tally.name, number, "constant", tuple(texts), type=type_)
    if wanted in ("real", "count", "ordinal") and tally.form is None:
        text = next(iter(tally.sample or texts or tally.words))
        raise qs.DataError(f"source.{wanted}: column {tally.name!r} holds {text[:40]!r}, which is not a number")
    if is_numeric and tally.rivals:
        raise qs.DataError(_is_open(tally))
    if is_numeric and others:
        few = texts is not None and len(texts) <= min(options.most_categories, tally.filled // 2)
        if wanted is None and few:
            is_numeric = False  # categories of which some look like numbers
        elif not (len(others) <= WORDS and min(others.values()) > 1):
            raise qs.DataError(_misfit(tally, others, table.counted))
    if is_numeric:
        return _numeric(number, tally, gaps, tuple(sorted(others)), wanted, type_)
    if texts is None or (len(texts) > options.most_categories and wanted is None):
        many = "more than 5,000" if texts is None else f"{len(texts)}"
        return f"is text with {many} different values, more than source.most_categories = {options.most_categories}"
    kind: Kind = "binary" if len(texts) == 2 and not gaps else "categorical"
    return Column(tally.name, number, kind, (*sorted(texts), *gaps), gaps, type=type_)


def _words(tally: Tally) -> Iterable[str]:
    return tally.words if tally.form is not None else tally.texts or ()


def _is_open(tally: Tally) -> str:
    cell = next((text for text in tally.sample if _differs(tally, text)), "")
    if isinstance(tally.form, DateForm):
        ways = " or ".join(form.format for form in (tally.form, *tally.rivals) if isinstance(form, DateForm))
        return (
            f"column {tally.name!r}: {cell!r} may be a date as {ways}; say which: --set 'source.dates=[\"{tally.form.format}\"]'; "
            "or take the column as categories (source.categorical)"
        )
    return (
        f"column {tally.name!r}: {cell!r} may have a decimal comma, or a comma that groups thousands; say which: "
        "--set source.decimal=, or --set source.decimal=."
    )


def _differs(tally: Tally, text: str) -> bool:
    cells = pl.Series([text], dtype=pl.String)
    values = {float(form.parse(cells)[0]) for form in (tally.form, *tally.rivals) if form is not None}
    return len({value for value in values if value == value}) > 1


def _misfit(tally: Tally, others: Mapping[str, int], counted: str) -> str:
    """The message about a column of numbers with cells that are not numbers."""
    word = min(others, key=lambda each: tally.places.get(each, 0))
    what = "dates" if isinstance(tally.form, DateForm) else "numbers"
    good = tally.filled - tally.words.total()
    return (
        f"column {tally.name!r}: {good} of {tally.filled} cells are {what}; {counted} {tally.places.get(word, 0)} has {word[:40]!r}"
        f"{f' ({len(others)} such cells)' if len(others) > 1 else ''}. Mend the cell, count the word as missing "
        f"(--set 'source.missing_words=[\"{word[:40]}\"]'), take the column as categories (source.categorical) or leave it out "
        "(source.drop)"
    )


def _numeric(number: int, tally: Tally, gaps: tuple[str, ...], words: tuple[str, ...], wanted: str | None, type_: str) -> Column:
    """A draft: which numbers are atoms, steps and bounds is found when the numbers are read."""
    form = tally.form
    assert form is not None
    if isinstance(form, NumberForm):
        known = pl.Series(tally.sample, dtype=pl.String)
        form = fit_number_form(known.filter(pl.Series(~np.isnan(form.parse(known)))).to_list(), form)
        if form.resolution is not None:
            form = attrs.evolve(form, digits=max(form.digits, tally.decimals))
    return Column(tally.name, number, (wanted or "real"), (*words, *gaps), gaps, form, (np.nan,) * len((*words, *gaps)), type=type_)  # type: ignore[arg-type]


def _losses(table: RawTable, tallies: Sequence[Tally], blank: int, columns: Sequence[Column]) -> list[str]:
    found = []
    if blank:
        found.append(f"{blank} rows without any cell are left out")
    stripped = {tally.name: tally.stripped for tally in tallies if tally.stripped}
    if stripped:
        found.append(f"blanks around {sum(stripped.values())} cells are left out, in {', '.join(map(repr, list(stripped)[:3]))}")
    codes = [tally.name for tally in tallies if tally.form is not None and tally.are_codes]
    if codes:
        found.append(f"cells of {', '.join(map(repr, codes))} look like numbers but are codes, and are read as text")
    for what, pattern in UNREAD.items():
        alike = [each for each in tallies if each.form is None and each.sample and all(map(pattern.fullmatch, each.sample[:WORDS]))]
        found += [f"cells of {each.name!r} are {what}, such as {each.sample[0]!r}, and are read as text" for each in alike]
    words = {word for column in columns for word in column.missing if word}
    if words:
        found.append(f"missing cells are also written {', '.join(map(repr, sorted(words)))} (source.missing_words)")
    kept = {
        state
        for column in columns
        if not column.is_number
        for state in column.states
        if state.lower() in MISSING and state not in column.missing
    }
    if kept:
        found.append(f"{', '.join(map(repr, sorted(kept)))} are categories, not missing cells (source.missing_words)")
    return found
