"""Tables of mixed columns: numbers, counts, dates, categories and missing cells."""

from __future__ import annotations

from typing import Any, Literal

import attrs
from attrs.validators import ge, gt

import quasistatic as qs


def option(default: Any, help: str, *validators: Any) -> Any:
    return attrs.field(default=default, validator=validators or None, metadata={"help": help})


@attrs.frozen
class TableOptions:
    """A table whose columns are of several kinds, with missing cells; by default measures of 442 people with diabetes.

    Files are those of source 'array'. The kind of a column is recognised and told; name it in one of the lists to set it.
    """

    path: str = option("", "the file; by default the diabetes data of scikit-learn, with one cell in 20 removed")
    drop: tuple[str, ...] = option((), "columns that are left out")
    real: tuple[str, ...] = option((), "columns that are real numbers")
    count: tuple[str, ...] = option((), "columns that are whole numbers, of which many are possible")
    ordinal: tuple[str, ...] = option((), "columns of few numbers, which have an order")
    categorical: tuple[str, ...] = option((), "columns of categories, also where these are written as numbers")
    most_categories: int = option(50, "text with more different values is left out, and named", ge(2))
    decimal: Literal[".", ","] = option(".", "what stands before decimals; the other one may part thousands")
    validation_share: float = option(0.1, "share of the rows in the validation split", gt(0))
    test_share: float = option(0.2, "share of the rows in the test split", gt(0))
    split_seed: int = option(0, "fixes which rows are in which split", ge(0))

    def __attrs_post_init__(self) -> None:
        if self.validation_share + self.test_share > 0.8:
            raise ValueError(
                f"validation_share and test_share: expected at most 0.8 together, got {self.validation_share} and {self.test_share}"
            )
        named = [*self.drop, *self.real, *self.count, *self.ordinal, *self.categorical]
        if twice := [name for name in named if named.count(name) > 1]:
            raise ValueError(
                f"column {twice[0]!r} is named twice in drop, real, count, ordinal and categorical, expected once at most"
            )


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    here = "quasistatic_plugins.table.source"
    return [
        qs.Component(
            "source",
            "table",
            TableOptions,
            build=f"{here}:build",
            restore=f"{here}:restore",
            references=(
                "Efron et al. 2004, Least angle regression (the diabetes data), as in scikit-learn",
                "Patki et al. 2016, The synthetic data vault (column shapes and pair trends)",
                "Lopez-Paz & Oquab 2017, Revisiting classifier two-sample tests",
            ),
        )
    ]
