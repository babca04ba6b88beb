"""Blur: images lose their fine detail first. Nothing heavy is imported until the kernel is built."""

from typing import Literal

import attrs

import quasistatic as qs

inside = [attrs.validators.gt(0.0), attrs.validators.lt(1.0)]


@attrs.frozen
class BlurOptions:
    """Images are blurred as by heat while noise is added: what is fine in them is lost before what is coarse."""

    noise: Literal["matched", "isotropic"] = qs.option("matched", "as much of each frequency as it has lost, or white")
    reach: float = qs.option(2.0, "pixels across which a point is blurred at the end", attrs.validators.ge(0.0))
    first_noise: float = qs.option(1e-4, "variance of the noise at t = 0", *inside)
    last_survival: float = qs.option(1e-4, "share of the signal left at t = 1", *inside)


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    build = "quasistatic_blur.kernel:BlurKernel"
    references = ("Rissanen et al. 2022 (heat dissipation)", "Hoogeboom & Salimans 2022 (blurring with noise)")
    return [qs.Component("kernel", "blur", BlurOptions, build, supports=(qs.Real,), references=references)]
