"""The Gaussian kernel: noise on real data."""

from __future__ import annotations

from typing import Literal

import attrs

import quasistatic as qs

Mean = Literal["velocity", "noise", "data", "levels", "eq65", "eq65-sqrt", "eq65-code"]


@attrs.frozen
class GaussianOptions:
    """Real numbers fade into normal noise: each step shrinks them, or not, and adds noise."""

    schedule: Literal["log-linear", "linear", "erasure", "cosine", "reference"] = attrs.field(
        default="log-linear",
        metadata={
            "help": "how the log signal-to-noise ratio falls with time; linear: a = 1 - t and d = t on the straight path, "
            "if first_noise and last_survival are 0"
        },
    )
    path: Literal["preserving", "straight", "exploding"] = attrs.field(
        default="preserving",
        metadata={
            "help": "signal a and noise d: a^2 + d^2 = 1 (variance preserving), a + d = 1 (straight, as in flow matching) or a = 1 "
            "(variance exploding); K and the network's task are the same for all, the states and their velocities are not"
        },
    )
    first_noise: float = attrs.field(
        default=1e-4,
        validator=[attrs.validators.ge(0), attrs.validators.lt(1)],
        metadata={
            "help": "noise variance at the first time (the paper's beta_1; it caps K), for data in levels at least the square of "
            "half their distance, but for mean = levels; 0: the chain starts at 1/T"
        },
    )
    last_survival: float = attrs.field(
        default=1e-3,
        validator=[attrs.validators.ge(0), attrs.validators.lt(1)],
        metadata={"help": "share of the signal's variance left at t = 1"},
    )
    reference_steps: int = attrs.field(
        default=1000,
        validator=attrs.validators.ge(2),
        metadata={"help": "T for which the schedule 'reference' is made (it has its own ends)"},
    )
    mean: Mean = attrs.field(
        default="velocity",
        metadata={
            "help": "what an element's params predict (levels: a weight for each level), or a reading of eq. 65 of the 2015 paper"
        },
    )
    variance: Literal["learned", "posterior", "forward"] = attrs.field(
        default="learned",
        metadata={"help": "variance of a reverse step: learned per element, or fixed to one of its two bounds"},
    )
    reference: Literal["normal", "mixture"] = attrs.field(
        default="normal",
        metadata={"help": "what zero params reverse: unit-normal data, or a mixture of normals fitted to the training split"},
    )
    features: Literal["state", "residual"] = attrs.field(
        default="state",
        metadata={"help": "what a network reads: the noisy state, or beside it what the reference takes for noise in it"},
    )


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [
        qs.Component(
            "kernel",
            "gaussian",
            GaussianOptions,
            build="quasistatic_plugins.gaussian.kernel:build",
            supports=(qs.Real, qs.Levels, qs.Measured),
            is_default=True,
            references=(
                "Sohl-Dickstein et al. 2015, Table App.1, eq. 64 and 65",
                "Kingma et al. 2021 (log-SNR as the coordinate)",
            ),
        )
    ]
