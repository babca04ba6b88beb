"""Programs that run for a moment are compiled in haste: to optimise them takes longer than all that they compute."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax

from quasistatic._process.blocks import WIDTHS, events_together
from quasistatic._process.diffusion import Diffusion

HASTE = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_use_fusion_emitters": False,  # half of what is left of compiling
}
# calls of a network times its numbers, and what a kernel and its noise cost beside it: a tenth of a second on two cores, in haste
# half a second more for samples and less for K; to optimise takes one second more and two, once for all that are kept on disk
MOMENT = 2**33
PER_ELEMENT = 2**12  # of an event: its draws and its terms, in numbers of a network


def is_brief(diffusion: Diffusion, calls: int) -> bool:
    """Whether so many calls of the network are a moment's work: on a CPU, and of a network that costs little for an event."""
    if jax.default_backend() != "cpu" or events_together(diffusion) < WIDTHS[0] ** 2:
        return False
    network = sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(diffusion.model, eqx.is_array)))
    return calls * (network + PER_ELEMENT * diffusion.kernel.event.size) <= MOMENT


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`eqx.filter_jit`, with one argument more before all others: whether to compile in haste."""
    usual, hasty = eqx.filter_jit(function), eqx.filter_jit(function, compiler_options=HASTE)  # type: ignore[call-overload]

    @functools.wraps(function)
    def call(in_haste: bool, *arguments: Any) -> Any:
        return (hasty if in_haste else usual)(*arguments)

    return call
