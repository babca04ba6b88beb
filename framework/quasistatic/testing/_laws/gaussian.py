"""What a kernel with Gaussian noise declares of it."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from quasistatic._process.distribution import State, Time
from quasistatic._process.event import Measured
from quasistatic._process.gaussian import AbstractGaussianPath
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.normal import Normal
from quasistatic._process.schedule import AbstractSchedule
from quasistatic._process.tree import take
from quasistatic.testing._law import law
from quasistatic.testing._laws.semigroup import furthest
from quasistatic.testing._reading import Reading, worst
from quasistatic.testing._setting import Setting, Spot


def _is_gaussian(kernel: AbstractKernel) -> bool:
    return isinstance(kernel, AbstractGaussianPath)


@law(
    "kernel",
    "levels",
    "Marginal, transition and posterior are those of the levels of signal and noise that the kernel declares, in its basis.",
    "Kingma et al. 2021, section 3.1",
    when=_is_gaussian,
    float64=True,
    unseen="Distributions that no level says anything about: `decode` and `reverse`.",
)
def levels(kernel: AbstractGaussianPath, setting: Setting) -> Reading:
    times = setting.times(kernel)
    spots = setting.spots(kernel, times[1], times[3], 8)
    gaps = _levels_gaps(kernel, spots, times[1], times[3])
    return worst(Reading(float(gap), 1e-6, "relative", where) for where, gap in gaps.items())


@eqx.filter_jit
def _levels_gaps(kernel: AbstractGaussianPath, spots: Spot, s: Time, t: Time) -> dict[str, jax.Array]:
    (early, before), (late, after) = (jax.tree.map(jnp.exp, kernel.levels(at)) for at in (s, t))
    kept = late / early
    added = after - kept**2 * before

    def one(spot: Spot) -> dict[str, jax.Array]:
        x, z_s, z_t = (each if kernel.basis is None else kernel.basis.to_basis(each) for each in spot)
        wanted = {
            "marginal": (kernel.marginal(spot.x, t), late * x, after),
            "transition": (kernel.transition(spot.early, s, t), kept * z_s, added),
            "posterior": (
                kernel.posterior(spot.x, spot.late, s, t), (kept * before * z_t + early * added * x) / after, before * added / after
            ),
        }  # fmt: skip
        return {name: _from_normal(kernel, *each) for name, each in wanted.items()}

    return jax.tree.map(jnp.max, jax.vmap(one)(spots))


def _from_normal(kernel: AbstractGaussianPath, found: Normal, loc: jax.Array, variance: jax.Array) -> jax.Array:
    """How far a normal distribution is from these coordinates."""
    own = found.loc if kernel.basis is None else kernel.basis.to_basis(found.loc)
    moved, widened = jnp.abs(own - loc) / (1.0 + jnp.abs(loc)), jnp.abs(found.variance / variance - 1.0)
    return jnp.maximum(jnp.max(moved), jnp.max(widened))


def _shows_its_schedule(kernel: AbstractKernel) -> bool:
    """Whether there is one ratio of signal to noise to compare a schedule with: the noise is normal, and in no basis."""
    if not isinstance(getattr(kernel, "schedule", None), AbstractSchedule):
        return False
    marginal = eqx.filter_eval_shape(kernel.marginal, kernel.event.structs, jnp.zeros(()))
    return isinstance(marginal, Normal) and marginal.basis is None


@law(
    "kernel",
    "schedule",
    "Where noise is normal the log-odds of the schedule that a kernel shows are its log signal-to-noise ratio, the square of "
    "d mean / d data over the variance; where the mean is a curve in the data, in a chart of them, up to a constant.",
    when=_shows_its_schedule,
    float64=True,
    unseen="Noise that is not normal: what survives is another thing in each family. In a chart of the data, a ratio that is off "
    "by a factor at all times.",
)
def schedule(kernel: AbstractKernel, setting: Setting) -> Reading:
    steps, x = setting.steps(kernel), take(setting.data(kernel, 2), 1)
    return furthest(_off_schedule(kernel, x, steps.early), steps, 1e-9, "in log-odds")


@eqx.filter_jit
def _off_schedule(kernel: Any, x: State, times: jax.Array) -> jax.Array:
    """How far the log-odds at times (N,) are from the log ratio of any element, but for those that a kernel may blur besides."""
    blurred = kernel.event.are_discrete if isinstance(kernel.event, Measured) else False

    along = jax.tree.map(jnp.ones_like, x)

    def signal(x: State, t: Time) -> jax.Array:
        return jax.jvp(lambda x: kernel.marginal(x, t).loc, (x,), (along,))[1]

    def one(t: Time) -> tuple[jax.Array, jax.Array]:
        slope, curve = jax.jvp(lambda x: signal(x, t), (x,), (along,))
        ratio = jnp.log(slope**2) - jnp.log(kernel.marginal(x, t).variance)
        return jnp.where(blurred, 0.0, ratio - kernel.schedule.log_odds(t)), curve

    gaps, curves = jax.vmap(one)(times)
    # the slope of a chart is a factor of the signal that does not change with time
    gaps = jnp.where(jnp.any(jnp.abs(curves) > 1e-6), gaps - gaps[:1], gaps)
    return jnp.max(jnp.abs(gaps).reshape(len(times), -1), axis=1)
