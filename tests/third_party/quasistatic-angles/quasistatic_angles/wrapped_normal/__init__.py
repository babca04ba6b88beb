"""Angles, a field that the core does not have, and a kernel for them."""

from typing import Any

import attrs

import quasistatic as qs

between = [attrs.validators.gt(0.0), attrs.validators.lt(10.0)]


class Angle(qs.AbstractField):
    """Angles in radians, from -pi to pi."""

    kind = "angle"
    low, high = -3.141592653589793, 3.141592653589793

    def contains_array(self, array: Any) -> Any:
        return abs(array) <= 3.1415928  # pi in float32 is a little more than pi


@attrs.frozen
class WrappedNormalOptions:
    """Brownian motion on the circle, until an angle is uniform: variance 10 rad^2, 5e-5 nats from it."""

    first: float = qs.option(1e-3, "variance at t = 0, rad^2", *between)


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    build = "quasistatic_angles.wrapped_normal.kernel:WrappedNormalKernel"
    return [qs.Component("kernel", "wrapped-normal", WrappedNormalOptions, build, supports=(Angle,))]
