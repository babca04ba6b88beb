"""A kernel for positive numbers."""

import attrs

import quasistatic as qs

inside = [attrs.validators.gt(0.0), attrs.validators.lt(1.0)]


@attrs.frozen
class SquareRootOptions:
    """The square-root process (Cox, Ingersoll & Ross) of shape 3/2: positive numbers stay positive, and end as gamma."""

    first_noise: float = qs.option(1e-4, "one minus the survival at t = 0", *inside)
    last_survival: float = qs.option(1e-4, "share of the signal left at t = 1", *inside)


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    build, positive = "quasistatic_positive.square_root.kernel:SquareRootKernel", qs.Real((2, 1), low=0.0)
    references = ("Cox, Ingersoll & Ross 1985", "Pitman & Yor 1982 (bridges of squared lengths)")
    return [qs.Component("kernel", "square-root", SquareRootOptions, build, (qs.Real,), references, examples=(positive,))]
