"""Tables: numbers, counts, dates, categories, atoms and missing cells."""

from __future__ import annotations

import attrs

import quasistatic as qs
from quasistatic.kits.tables.options import TableOptions as TableChoices


@attrs.frozen
class TableOptions(TableChoices):
    """A table, a row per event; by default measures of 442 people with diabetes.

    Text (.csv and kin), .parquet, .arrow, .xlsx or .jsonl. What is recognised in a file is reported, and each such guess has an
    option here.
    """


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
            from_data=f"{here}:from_data",
            references=(
                "Efron et al. 2004, Least angle regression (the diabetes data), as in scikit-learn",
                "Patki et al. 2016, The synthetic data vault (column shapes and pair trends)",
                "Lopez-Paz & Oquab 2017, Revisiting classifier two-sample tests",
            ),
        )
    ]
