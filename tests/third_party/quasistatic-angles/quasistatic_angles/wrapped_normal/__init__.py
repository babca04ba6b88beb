"""A kernel for angles."""

import attrs

import quasistatic as qs

between = [attrs.validators.gt(0.0), attrs.validators.lt(10.0)]


@attrs.frozen
class WrappedNormalOptions:
    """Brownian motion on the circle, until an angle is uniform: variance 10 rad^2, 5e-5 nats from it."""

    first: float = attrs.field(default=1e-3, validator=between, metadata={"help": "variance at t = 0, rad^2"})


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    build = "quasistatic_angles.wrapped_normal.kernel:WrappedNormalKernel"
    return [qs.Component("kernel", "wrapped-normal", WrappedNormalOptions, build, fits=("angle",))]
