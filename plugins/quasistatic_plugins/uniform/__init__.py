"""The uniform kernel: symbols that are redrawn."""

from __future__ import annotations

from typing import Literal

import attrs

import quasistatic as qs


@attrs.frozen
class UniformOptions:
    """Symbols fade into evenly drawn ones: with the probability that a step loses, a symbol is redrawn."""

    schedule: Literal["erasure", "cosine", "log-linear"] = attrs.field(
        default="erasure", metadata={"help": "how the share of surviving symbols falls with time"}
    )
    first_noise: float = attrs.field(
        default=0.0,
        validator=[attrs.validators.ge(0), attrs.validators.lt(1)],
        metadata={"help": "share of the signal lost at the first time; 0: the chain starts at 1/T"},
    )
    last_survival: float = attrs.field(
        default=0.0,
        validator=[attrs.validators.ge(0), attrs.validators.lt(1)],
        metadata={"help": "share of the signal left at t = 1"},
    )


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [
        qs.Component(
            "kernel",
            "uniform",
            UniformOptions,
            build="quasistatic_plugins.uniform.kernel:UniformKernel",
            supports=(qs.Categorical,),
            is_default=True,
            references=("Hoogeboom et al. 2021, section 4", "Austin et al. 2021, appendix A.2.1"),
        )
    ]
