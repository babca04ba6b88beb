"""The radial basis network of the 2015 paper."""

from __future__ import annotations

import attrs

import quasistatic as qs


@attrs.frozen
class RbfOptions:
    """One hidden layer of normalised radial bumps, shared over time; readouts are blended by bumps of time."""

    units: int = qs.option(16, "hidden units", attrs.validators.ge(1))
    readouts: int = qs.option(40, "number of bumps of time, each with a readout", attrs.validators.ge(1))
    bump_width: float = qs.option(
        1.0, "width of a bump in units of their spacing: 1 in the paper, 0.5 in its code", attrs.validators.gt(0)
    )


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [
        qs.Component(
            "model",
            "rbf",
            RbfOptions,
            build="quasistatic_plugins.rbf.model:Rbf",
            references=("Sohl-Dickstein et al. 2015, Appendix D.1.1, eq. 62 and 63",),
        )
    ]
