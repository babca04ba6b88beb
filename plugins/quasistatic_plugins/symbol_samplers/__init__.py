"""Samplers for symbols and bits: more than one symbol a call, in a better order, or with second thoughts."""

from __future__ import annotations

from typing import Literal

import attrs
from attrs.validators import ge, gt, le

import quasistatic as qs

SHARE = (ge(0), le(1))


@attrs.frozen
class AbstractOptions:
    """What all samplers here may be given. Below 1 both are deviations from the model, which the last line of `sample` names."""

    temperature: float = qs.option(1.0, "divides log-probabilities of predicted symbols: below 1 likely ones are drawn more", gt(0))
    top_p: float = qs.option(1.0, "draw the likeliest symbols of a place alone, as few as have this probability", gt(0), le(1))


@attrs.frozen
class TauLeapingOptions(AbstractOptions):
    """All places leap at once by the prediction at the start of each step, independently of one another: order 1."""


@attrs.frozen
class TrapezoidalOptions(AbstractOptions):
    """A leap to the middle of a step, then one by twice the prediction there less that at the start: order 2, two calls a step."""


@attrs.frozen
class FirstHittingOptions(AbstractOptions):
    """Masked places become symbols in a random order, one at each call: exact for the mask, in as many calls as places."""


@attrs.frozen
class ConfidenceOptions(AbstractOptions):
    """Masked places become symbols, the most certain ones first; exact where it is one at each call."""

    by: Literal["probability", "margin", "entropy"] = qs.option(
        "probability", "what is certain: a high largest probability, one far above the second, or a low entropy"
    )


@attrs.frozen
class RemaskingOptions(AbstractOptions):
    """As tau-leaping, but symbols may be masked again, and with them what was drawn too early."""

    schedule: Literal["loop", "cap", "rescale", "confidence"] = qs.option(
        "loop",
        "chance that a step masks a symbol again. cap: at most `strength`; rescale: that share of the largest there can be; "
        "confidence: the same, shared out to those drawn with the least probability; loop: as cap while time stands still",
    )
    strength: float = qs.option(0.02, "see `schedule`; 0 is tau-leaping", *SHARE)
    loop_at: float = qs.option(0.1, "loop: the time that stands still", gt(0), le(1))
    loop_from: float = qs.option(0.55, "loop: it does so from this share of the steps, counted from the data", *SHARE)
    loop_to: float = qs.option(0.05, "loop: to this share of the steps", *SHARE)

    def __attrs_post_init__(self) -> None:
        if self.loop_to >= self.loop_from:
            raise ValueError(f"loop_to: expected less than loop_from, {self.loop_from}, got {self.loop_to}")


SAMPLERS = (
    ("tau-leaping", TauLeapingOptions, "leaping:TauLeaping", "Campbell et al. 2022, section 4.3; Lou et al. 2024, section 4"),
    ("trapezoidal", TrapezoidalOptions, "leaping:Trapezoidal", "Anderson & Mattingly 2011; Ren et al. 2025, section 4"),
    ("first-hitting", FirstHittingOptions, "planned:FirstHitting", "Zheng et al. 2025, section 4"),
    ("confidence", ConfidenceOptions, "planned:Confidence", "Chang et al. 2022, section 3.2; Kim et al. 2025, section 4"),
    ("remasking", RemaskingOptions, "remasking:Remasking", "Wang et al. 2025, sections 3 and 4"),
)


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [
        qs.Component("sampler", name, options, build=f"quasistatic_plugins.symbol_samplers.{build}", references=(reference,))
        for name, options, build, reference in SAMPLERS
    ]
