"""A kernel for positive numbers."""

import attrs

import quasistatic as qs

inside = [attrs.validators.gt(0.0), attrs.validators.lt(1.0)]


@attrs.frozen
class SquareRootOptions:
    """The square-root process (Cox, Ingersoll & Ross) of shape 3/2: positive numbers stay positive, and end as gamma."""

    first_noise: float = attrs.field(default=1e-4, validator=inside, metadata={"help": "one minus the survival at t = 0"})
    last_survival: float = attrs.field(default=1e-4, validator=inside, metadata={"help": "share of the signal left at t = 1"})


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    build, positive = "quasistatic_positive.square_root.kernel:SquareRootKernel", qs.Real((2, 1), low=0.0)
    references = ("Cox, Ingersoll & Ross 1985", "Pitman & Yor 1982 (bridges of squared lengths)")
    return [qs.Component("kernel", "square-root", SquareRootOptions, build, (qs.Real,), references, examples=(positive,))]
