"""The binomial kernel: independent bits that are redrawn from a coin."""

from __future__ import annotations

from typing import Literal

import attrs

import quasistatic as qs


@attrs.frozen
class BinomialOptions:
    """Bits are erased one by one: each step redraws some of them from a coin."""

    base_rate: float = qs.option(0.5, "probability of a 1 at equilibrium", attrs.validators.gt(0), attrs.validators.lt(1))
    schedule: Literal["erasure", "cosine", "log-linear"] = qs.option("erasure", "how survival falls with time")
    first_noise: float = qs.option(
        0.0,
        "share of the signal lost at the first time; 0: the chain starts at 1/T",
        attrs.validators.ge(0),
        attrs.validators.lt(1),
    )
    last_survival: float = qs.option(0.0, "share of the signal left at t = 1", attrs.validators.ge(0), attrs.validators.lt(1))
    predict: Literal["data", "flips"] = qs.option("data", "params are log-odds of the data, or of the data having been flipped")
    features: Literal["bits", "evidence"] = qs.option(
        "bits", "the network reads noisy bits, or the evidence that they are of the data: log-odds that fade as time goes on"
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
