"""The radial basis network of the 2015 paper."""

from __future__ import annotations

import attrs

import quasistatic as qs


@attrs.frozen
class RbfOptions:
    """One hidden layer of normalised radial bumps, shared over time; readouts are blended by bumps of time."""

    units: int = attrs.field(default=16, validator=attrs.validators.ge(1), metadata={"help": "hidden units"})
    readouts: int = attrs.field(
        default=40, validator=attrs.validators.ge(1), metadata={"help": "number of bumps of time, each with a readout"}
    )
    bump_width: float = attrs.field(
        default=1.0,
        validator=attrs.validators.gt(0),
        metadata={"help": "width of a bump in units of their spacing: 1 in the paper, 0.5 in its code"},
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
