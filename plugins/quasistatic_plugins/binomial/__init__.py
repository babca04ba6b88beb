"""The binomial kernel: independent bits that are redrawn from a coin."""

from __future__ import annotations

from typing import Literal

import attrs

import quasistatic as qs


@attrs.frozen
class BinomialOptions:
    """Bits are erased one by one: each step redraws some of them from a coin."""

    base_rate: float = attrs.field(
        default=0.5,
        validator=[attrs.validators.gt(0), attrs.validators.lt(1)],
        metadata={"help": "probability of a 1 at equilibrium"},
    )
    schedule: Literal["erasure", "cosine", "log-linear"] = attrs.field(
        default="erasure", metadata={"help": "how survival falls with time"}
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
    predict: Literal["data", "flips"] = attrs.field(
        default="data", metadata={"help": "params are log-odds of the data, or of the data having been flipped"}
    )
    features: Literal["bits", "evidence"] = attrs.field(
        default="bits",
        metadata={"help": "the network reads noisy bits, or what they say of the data: log-odds that fade as time goes on"},
    )


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [
        qs.Component(
            "kernel",
            "binomial",
            BinomialOptions,
            build="quasistatic_plugins.binomial.kernel:BinomialKernel",
            supports=(qs.Binary,),
            is_default=True,
            references=("Sohl-Dickstein et al. 2015, Table App.1 and section 2.4.1",),
        )
    ]
