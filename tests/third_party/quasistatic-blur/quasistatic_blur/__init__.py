"""Blur: images lose their fine detail first. Nothing heavy is imported until the kernel is built."""

from typing import Literal

import attrs

import quasistatic as qs

inside = [attrs.validators.gt(0.0), attrs.validators.lt(1.0)]


@attrs.frozen
class BlurOptions:
    """Images are blurred as by heat while noise is added: what is fine in them is lost before what is coarse."""

    noise: Literal["matched", "isotropic"] = attrs.field(
        default="matched", metadata={"help": "as much of each frequency as it has lost, or white"}
    )
    reach: float = attrs.field(
        default=2.0, validator=attrs.validators.ge(0.0), metadata={"help": "pixels across which a point is blurred at the end"}
    )
    first_noise: float = attrs.field(default=1e-4, validator=inside, metadata={"help": "variance of the noise at t = 0"})
    last_survival: float = attrs.field(default=1e-4, validator=inside, metadata={"help": "share of the signal left at t = 1"})


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    build = "quasistatic_blur.kernel:BlurKernel"
    references = ("Rissanen et al. 2022 (heat dissipation)", "Hoogeboom & Salimans 2022 (blurring with noise)")
    return [qs.Component("kernel", "blur", BlurOptions, build, supports=(qs.Real,), references=references)]
