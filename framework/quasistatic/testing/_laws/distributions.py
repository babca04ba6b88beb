"""The distributions of a kernel at which laws look, and what they ask them."""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

from quasistatic._process.distribution import (
    AbstractDistribution,
    Key,
    State,
    Time,
)
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.product import AbstractProduct
from quasistatic._process.tree import take
from quasistatic.oracles._entropy import is_finite
from quasistatic.testing._laws.semigroup import strong
from quasistatic.testing._setting import LOUD, Setting, Spot
from quasistatic.testing._tools.statistics import (
    moments,
)

# cells of an enumeration need more draws than moments do
DRAWS, CELL_DRAWS = 4_000, 20_000
Draw = Callable[[AbstractDistribution, Key], State]
Distributions = dict[str, AbstractDistribution]
Pair = tuple[AbstractDistribution, AbstractDistribution]


def distributions_at(kernel: AbstractKernel, setting: Setting) -> Distributions:
    """One of every distribution that the kernel gives, somewhere in the middle of time."""
    times = setting.times(kernel)
    s, t = times[1], times[3]
    return _distributions(kernel, take(setting.spots(kernel, s, t, 2), 1), setting.params(kernel), s, t)


def loud_distributions_at(kernel: AbstractKernel, setting: Setting) -> Distributions:
    """The same, and again those that a network has a say in, with params of every size."""
    found, times = distributions_at(kernel, setting), setting.times(kernel)
    spot = take(setting.spots(kernel, times[1], times[3], 2), 1)
    for size in LOUD:
        loud = _distributions(kernel, spot, setting.params(kernel, scale=size), times[1], times[3])
        found |= {f"{name} with params of {size:g}": loud[name] for name in ("decode", "reverse")}
    return found


@eqx.filter_jit
def _distributions(kernel: AbstractKernel, spot: Spot, params: State, s: Time, t: Time) -> Distributions:
    found = {
        "equilibrium": kernel.equilibrium(),
        "marginal": kernel.marginal(spot.x, s),
        "transition": kernel.transition(spot.early, s, t),
        "posterior": kernel.posterior(spot.x, spot.late, s, t),
        "decode": kernel.decode(params, spot.late, t),
        "reverse": kernel.reverse(params, spot.late, s, t),
    }
    rho = kernel.reference()
    found = found if rho is None else {"reference": rho, **found}
    return {name: strong(distribution) for name, distribution in found.items()}


def neighbours(kernel: AbstractKernel, setting: Setting) -> dict[str, Pair]:
    """Pairs of distributions of the same thing: (p, q) with p inside the support of q."""
    times = setting.times(kernel)
    s, m, t = times[1], times[2], times[3]
    spot, xs = take(setting.spots(kernel, s, t, 2), 1), setting.data(kernel, 2)
    params = (setting.params(kernel, 5), setting.params(kernel, 6))
    return _pairs(kernel, spot, take(xs, 0), take(xs, 1), params, s, m, t)


@eqx.filter_jit
def _pairs(
    kernel: AbstractKernel, spot: Spot, a: State, b: State, params: tuple[State, State], s: Time, m: Time, t: Time
) -> dict[str, Pair]:
    one, other = params
    pairs = {
        "marginal and equilibrium": (kernel.marginal(a, jnp.ones(())), kernel.equilibrium()),
        "two marginals": (kernel.marginal(a, m), kernel.marginal(b, m)),
        "posterior and reverse": (kernel.posterior(spot.x, spot.late, s, t), kernel.reverse(one, spot.late, s, t)),
        "two decodes": (kernel.decode(one, spot.late, t), kernel.decode(other, spot.late, t)),
    }
    return {name: (strong(p), strong(q)) for name, (p, q) in pairs.items()}


def overridden(distribution: AbstractDistribution, method: str) -> bool:
    """Where a family keeps the one-draw defaults there is nothing to compare."""
    if isinstance(distribution, AbstractProduct):
        return any(overridden(part, method) for part in distribution.parts.values())
    return getattr(type(distribution), method) is not getattr(AbstractDistribution, method)


def is_exact(distribution: AbstractDistribution, method: str) -> bool:
    """Whether a method gives the same value for every key."""
    if isinstance(distribution, AbstractProduct):
        return all(is_exact(part, method) for part in distribution.parts.values())
    return overridden(distribution, method)


@eqx.filter_jit
def drawn(distribution: AbstractDistribution, keys: Key, draw: Draw) -> tuple[State, jax.Array, jax.Array]:
    states = jax.vmap(lambda key: draw(distribution, key))(keys)
    return states, jax.vmap(moments)(states), jax.vmap(distribution.log_prob)(states)


def draws_of(kernel: AbstractKernel) -> int:
    """How many draws of each distribution: as many in every law, so that their programs are shared."""
    return CELL_DRAWS if is_finite(kernel) else DRAWS


def sample_of(distribution: AbstractDistribution, key: Key) -> State:
    return distribution.sample(key)


@eqx.filter_jit
def over_keys(value: Callable[..., jax.Array], keys: Key, *distributions: AbstractDistribution) -> jax.Array:
    """A value of distributions that may be an estimate from one draw, for many keys."""
    return jax.vmap(lambda key: value(*distributions, key))(keys)


def entropy_of(p: AbstractDistribution, key: Key) -> jax.Array:
    return p.entropy(key)
