"""A kernel for each part of an event."""

from __future__ import annotations

import attrs

import quasistatic as qs


@attrs.frozen
class ProductOptions:
    """One kernel for each part of an event, on one time but each with its own schedule.

    By default a part gets the kernel that fits it; [kernel.parts.NAME] with use = "..." chooses another, with its options.
    """


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [qs.Component("kernel", "product", ProductOptions, build="quasistatic_plugins.product.kernel:build", joins=True)]
