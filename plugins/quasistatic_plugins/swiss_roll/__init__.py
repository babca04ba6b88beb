"""The swiss roll: points in the plane along a spiral, with a known density."""

from __future__ import annotations

import attrs

import quasistatic as qs


@attrs.frozen
class SwissRollOptions(qs.SplitOptions):
    """A spiral in the plane, blurred by noise: the truth is known to every digit that matters."""

    noise: float = qs.option(
        0.5, "standard deviation, before scaling (radii go from 4.7 to 14.1); 0 has no density", attrs.validators.ge(0)
    )


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [
        qs.Component(
            "source",
            "swiss-roll",
            SwissRollOptions,
            build="quasistatic_plugins.swiss_roll.source:build",
            references=(
                "Sohl-Dickstein et al. 2015, section 3.1.1",
                "Marsland 2009, Machine Learning: An Algorithmic Perspective, chapter 10 (this parametrisation)",
            ),
        )
    ]
