"""Samplers for Gaussian noise that need 5 to 20 calls of the network, on any times."""

from __future__ import annotations

from typing import Literal

import attrs
from attrs.validators import ge, gt, le

import quasistatic as qs

Spacing = Literal["natural", "log-snr", "karras"]
ETA = "share of the noise of the posterior: 0 follows the probability flow, without noise, 1 draws as much as `ancestral`"


@attrs.frozen
class AbstractOptions:
    """What all samplers here may be given."""

    grid: Spacing = attrs.field(
        default="log-snr",
        metadata={
            "help": "where times lie that are not given: as the kernel has them, even in the log-SNR, or in (d / a)^(1 / rho)"
        },
    )
    rho: float = qs.option(7.0, "power of the grid karras: a larger one puts more times where there is little noise", gt(0))
    analytic: bool = qs.option(
        False, "at t = 1 predict without the network, by the distribution that zero params reverse: one call less"
    )
    data: Literal["draw", "mean"] = qs.option(
        "draw", "from the first time to data: a draw of what the network predicts of them, or its mean"
    )


@attrs.frozen
class DdimOptions(AbstractOptions):
    """Along the probability flow by the prediction of the network at the start of each step: order 1."""

    eta: float = qs.option(0.0, ETA, ge(0), le(1))


@attrs.frozen
class HeunOptions(AbstractOptions):
    """Along the probability flow by predictions at both ends of each step: order 2, two calls a step."""

    churn: float = qs.option(0.0, "how far each step first goes back into noise, as a share of its time", ge(0))


@attrs.frozen
class DpmOptions(AbstractOptions):
    """DPM-Solver++: along the probability flow by a polynomial through the last predictions, in the log-SNR."""

    order: int = qs.option(3, "predictions that a step uses, of which all but one are remembered", ge(1), le(3))
    eta: float = qs.option(0.0, ETA, ge(0), le(1))


@attrs.frozen
class SdeOptions(AbstractOptions):
    """DPM-Solver++ SDE: as `dpm`, with new noise at each step, which corrects what earlier steps did wrong."""

    order: int = qs.option(2, "predictions that a step uses, of which all but one are remembered", ge(1), le(3))
    eta: float = qs.option(1.0, ETA, ge(0), le(1))


@attrs.frozen
class IpndmOptions(AbstractOptions):
    """The mean of the last predictions of the noise, with the weights of Adams and Bashforth for even steps in d / a."""

    order: int = qs.option(3, "predictions that a step uses, of which all but one are remembered", ge(1), le(4))


@attrs.frozen
class CorrectorOptions(AbstractOptions):
    """A step of `ddim`, then Langevin steps at the time where it ends, which lead to the distribution of that time."""

    corrections: int = qs.option(1, "Langevin steps after each step", ge(1))
    renewed: float = qs.option(0.1, "share of the noise that each of them draws anew", gt(0), le(1))
    eta: float = qs.option(0.0, ETA, ge(0), le(1))


SAMPLERS = (
    ("ddim", DdimOptions, "multistep:Multistep", "Song, Meng & Ermon 2021, eq. 12 and 16"),
    ("heun", HeunOptions, "heun:Heun", "Cox & Matthews 2002, eq. 22; Karras et al. 2022, algorithms 1 and 2"),
    ("dpm", DpmOptions, "multistep:Multistep", "Lu et al. 2022, DPM-Solver++, section 4"),
    ("sde", SdeOptions, "multistep:Multistep", "Lu et al. 2022, DPM-Solver++, section 6"),
    ("ipndm", IpndmOptions, "ipndm:Ipndm", "Zhang & Chen 2023, section 4; Liu et al. 2022, section 3"),
    ("corrector", CorrectorOptions, "corrector:Corrector", "Song et al. 2021, algorithms 4 and 5"),
)


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [
        qs.Component("sampler", name, options, build=f"quasistatic_plugins.gaussian_samplers.{build}", references=(reference,))
        for name, options, build, reference in SAMPLERS
    ]
