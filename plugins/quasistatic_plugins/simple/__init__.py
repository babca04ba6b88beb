"""The unweighted regression as an objective."""

from __future__ import annotations

import attrs

import quasistatic as qs


@attrs.frozen
class SimpleOptions:
    """-log p(x given z_t) at an evenly drawn time: every time counts the same.

    For a Gaussian kernel with a fixed variance this is half the squared error of the velocity, up to a constant; for
    bits it is the cross-entropy of the predicted data. It is not a bound on log p(x).

    With `trajectory.first_step = paper` the first time has nothing to train: its term is that of the fixed step, a constant.
    """


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [
        qs.Component(
            "objective",
            "simple",
            SimpleOptions,
            build="quasistatic_plugins.simple.objective:Simple",
            references=("Ho et al. 2020, eq. 14 (the unweighted loss)",),
        )
    ]
