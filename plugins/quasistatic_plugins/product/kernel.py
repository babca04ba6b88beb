"""The product of the core, as a component."""

from __future__ import annotations

from collections.abc import Mapping

import quasistatic as qs
from quasistatic_plugins.product import ProductOptions


def build(options: ProductOptions, event: qs.Fields, kernels: Mapping[str, qs.AbstractKernel]) -> qs.AbstractKernel:
    """The kernels of the parts, joined."""
    return qs.join_kernels(kernels, event)
