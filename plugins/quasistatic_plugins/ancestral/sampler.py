"""The sampler of the core, as a component."""

from __future__ import annotations

import quasistatic as qs
from quasistatic_plugins.ancestral import AncestralOptions


def build(options: AncestralOptions) -> qs.Ancestral:
    """The ancestral sampler, which has no options."""
    return qs.Ancestral()
