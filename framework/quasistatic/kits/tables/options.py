"""How a file is read as a table: options that sources of tables inherit, light to import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs
from attrs.validators import ge

import quasistatic as qs

TEXT = (".csv", ".tsv", ".txt", ".dat")
ENDINGS = (*TEXT, *(f"{ending}.gz" for ending in TEXT), ".parquet", ".arrow", ".feather", ".xlsx", ".jsonl", ".ndjson")
KINDS = ("real", "count", "ordinal", "categorical")


@attrs.frozen
class ReadingOptions:
    """What is recognised in a file where nothing is set here, and reported."""

    path: str = qs.option("", "the file", is_path=True)
    header: Literal["auto", "yes", "no"] = qs.option("auto", "whether the first line has the names of the columns")
    delimiter: str = qs.option("", "the sign between cells of a text file; by default the one that parts lines evenly")
    comment: str = qs.option(
        "", "lines that begin with this are left out; by default lines at the top that begin with # and have no cells"
    )
    decimal: Literal["auto", ".", ","] = qs.option("auto", "the sign before decimals; the other one may group thousands")
    missing_words: tuple[str, ...] | None = qs.option(
        None, "cells of these words are missing, and no others but empty ones; by default NA, NaN, null, ... in columns of numbers"
    )
    encoding: str = qs.option("", "encoding of a text file; by default UTF-8, or windows-1252 where it is not")
    dates: tuple[str, ...] = qs.option((), 'formats of dates, such as "%d/%m/%Y"; by default one that fits the cells')
    sheet: str = qs.option("", "the sheet of an .xlsx file, by its name; by default the first")


@attrs.frozen
class ColumnOptions(ReadingOptions):
    """What columns are, where it is not as recognised."""

    columns: tuple[str, ...] = qs.option((), "columns that are read; by default all")
    drop: tuple[str, ...] = qs.option((), "columns that are left out")
    labels: str | None = qs.option(None, "a column that is not modelled, and stands beside K of every row")
    real: tuple[str, ...] = qs.option((), "columns that are real numbers")
    count: tuple[str, ...] = qs.option((), "columns of numbers that are multiples of a step, such as whole numbers or tenths")
    ordinal: tuple[str, ...] = qs.option((), "columns of few numbers, which have an order")
    categorical: tuple[str, ...] = qs.option((), "columns of categories, also where these are written as numbers or dates")
    most_categories: int = qs.option(50, "text with more different values is left out, and named", ge(2))
    atoms: Literal["auto", "none"] = qs.option(
        "auto", "numbers that repeat more often than a density allows, such as 0.0, are states of their own; none: no number is"
    )
    bounds: Mapping[str, str | tuple[float, ...]] = qs.option(
        help='bounds by the names of columns: "positive", "> 3", "< 100", [low, high] or "none"; by default recognised',
        factory=dict,
        hash=False,
    )

    def __attrs_post_init__(self) -> None:
        named = [*self.drop, *(name for kind in KINDS for name in getattr(self, kind))]
        if twice := [name for name in named if named.count(name) > 1]:
            raise ValueError(
                f"column {twice[0]!r} is named twice in drop, real, count, ordinal and categorical, expected once at most"
            )
        if self.columns and self.drop:
            raise ValueError("columns and drop: give the columns that are read or those that are left out, not both")

    @property
    def kinds(self) -> dict[str, str]:
        """The kinds that are set, by the names of the columns."""
        return {name: kind for kind in KINDS for name in getattr(self, kind)}


@attrs.frozen
class TableOptions(qs.Shares, ColumnOptions):
    """How a table becomes events in three splits."""

    validation_path: str = qs.option("", "a file of its own for the validation split", is_path=True)
    test_path: str = qs.option("", "a file of its own for the test split", is_path=True)
    split_seed: int = qs.option(0, "fixes which rows are in which split", ge(0))

    def __attrs_post_init__(self) -> None:
        ColumnOptions.__attrs_post_init__(self)
        qs.Shares.__attrs_post_init__(self)
