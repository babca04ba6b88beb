"""The ancestral sampler."""

from __future__ import annotations

import attrs

import quasistatic as qs


@attrs.frozen
class AncestralOptions:
    """Draw every step back from the learned distribution itself: samples of the model whose bound is K."""


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [
        qs.Component(
            "sampler",
            "ancestral",
            AncestralOptions,
            build="quasistatic_plugins.ancestral.sampler:build",
            is_default=True,
            references=("Sohl-Dickstein et al. 2015, section 2.2",),
        )
    ]
