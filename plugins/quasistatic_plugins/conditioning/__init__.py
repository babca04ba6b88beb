"""Sampling under a condition: a sampler of weighted particles, a potential, and the commands impute, inpaint and denoise."""

from __future__ import annotations

import attrs

import quasistatic as qs


@attrs.frozen
class ParticlesOptions:
    """Sequential Monte Carlo: particles that go back together, weighted and resampled, of which one is drawn in the end.

    With a potential or guidance the draws become exact ones of the product as the particles become many; without they are exact.
    """

    count: int = attrs.field(default=64, validator=attrs.validators.ge(1), metadata={"help": "number of particles for each event"})
    threshold: float = attrs.field(
        default=0.5,
        validator=[attrs.validators.ge(0), attrs.validators.le(1)],
        metadata={"help": "resample where the effective sample size falls below this share of the particles"},
    )


@attrs.frozen
class PaperOptions:
    """The scheme of the 2015 paper for draws under a potential: every step back is multiplied by it. Biased; to compare with."""

    ramp: bool = attrs.field(default=False, metadata={"help": "multiply by a power of the potential that grows from 0 to 1"})


@attrs.frozen
class LinearOptions:
    """r(x) = exp(strength * sum of all elements, in model units): brighter or darker images, more or less of everything."""

    strength: float = attrs.field(default=0.1, metadata={"help": "per element; above 0 for more, below for less"})


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [
        qs.Component(
            "sampler",
            "particles",
            ParticlesOptions,
            build="quasistatic_plugins.conditioning.particles:Particles",
            references=(
                "Del Moral, Doucet & Jasra 2006, Sequential Monte Carlo samplers",
                "Wu et al. 2023, Practical and asymptotically exact conditional sampling in diffusion models",
                "Skreta et al. 2025, Feynman-Kac correctors in diffusion (with guidance)",
            ),
        ),
        qs.Component(
            "sampler",
            "paper",
            PaperOptions,
            build="quasistatic_plugins.conditioning.paper:Paper",
            references=("Sohl-Dickstein et al. 2015, section 2.5",),
        ),
        qs.Component("potential", "linear", LinearOptions, build="quasistatic_plugins.conditioning.linear:build", is_default=True),
    ]


@qs.hookimpl
def quasistatic_commands() -> list[qs.Command]:
    where = "quasistatic_plugins.conditioning.command"
    return [
        qs.Command("impute", "Fill in the missing cells of a table.", f"{where}:impute"),
        qs.Command("inpaint", "Fill in hidden elements of events.", f"{where}:inpaint"),
        qs.Command("condition", "Draw samples under a potential.", f"{where}:condition"),
        qs.Command("guide", "Measure how far guided samples are from their product.", f"{where}:guide"),
        qs.Command("denoise", "Draw what noisy events may have been.", f"{where}:denoise"),
    ]
