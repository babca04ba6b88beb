"""The variational bound as an objective."""

from __future__ import annotations

from typing import Literal

import attrs

import quasistatic as qs


@attrs.frozen
class BoundOptions:
    """-K in nats per event, from one term of the ledger drawn at random: unbiased for the whole sum.

    Where one call of the network has all terms, from all of them: a sequential kernel with a causal network.
    """

    draw: Literal["stratified", "importance"] = qs.option(
        "stratified", "draw terms evenly, or as often as their size before training (half of the draws stay even)"
    )
    antithetic: bool = qs.option(False, "average two coupled noises for each event (two network calls)")


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [
        qs.Component(
            "objective",
            "bound",
            BoundOptions,
            build="quasistatic_plugins.bound.objective:Bound",
            is_default=True,
            references=("Sohl-Dickstein et al. 2015, eq. 14", "Kingma et al. 2021 (low-discrepancy times)"),
        )
    ]
