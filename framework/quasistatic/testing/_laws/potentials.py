"""Laws of potentials, on distributions of the families that they take."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process.distribution import AbstractDistribution
from quasistatic._process.finite import Finite, Leveled, log_normalise
from quasistatic._process.normal import Normal
from quasistatic._process.potential import AbstractPotential
from quasistatic._process.product import product
from quasistatic.testing._law import law
from quasistatic.testing._reading import Reading, faults, worst
from quasistatic.testing._setting import Setting, types_of

DRAWS = 8


def _families(potential: AbstractPotential, setting: Setting) -> dict[str, AbstractDistribution]:
    """Distributions that the potential takes, by the names of their families."""
    return {name: data for name, data in _menu(setting).items() if _takes(potential, data)}


def _menu(setting: Setting) -> dict[str, AbstractDistribution]:
    """Independent elements of all kinds, (2, 1)."""
    keys = setting.some_keys(70, 5)
    logits = setting.params_scale * jr.normal(keys[0], (2, 1, 5))
    normal = Normal(jr.normal(keys[1], (2, 1)), jnp.exp(setting.params_scale * jr.normal(keys[2], (2, 1))))
    bits = Finite(log_normalise(logits[..., :2]), "float32")
    return {
        "normal": normal,
        "bits": bits,
        "symbols": Finite(log_normalise(logits[..., :3])),
        "levels": Leveled(Finite(log_normalise(logits)), -1.0, 0.5),
        "two parts": product({"place": normal, "flag": bits}),
    }


def _takes(potential: AbstractPotential, data: AbstractDistribution) -> bool:
    """What a potential refuses, it refuses with a TypeError, or because its event is built in another way."""
    try:
        jax.eval_shape(lambda: potential.tilt(data)[1])
    except (TypeError, KeyError, AttributeError):
        return False
    return True


@law(
    "potential",
    "taken",
    "There is a family of distributions that the potential can be multiplied with.",
    unseen="Families that no built-in kernel gives.",
)
def taken(potential: AbstractPotential, setting: Setting) -> Reading:
    return faults([] if _families(potential, setting) else ["none of: " + ", ".join(_menu(setting))])


@law(
    "potential",
    "tilt",
    "The tilted distribution is data(x) r(x) / Z: log tilted(x) - log data(x) - log r(x) is minus the log Z that is reported, "
    "for every x.",
    "Bayes' rule",
    float64=True,
    unseen="Whether the factor is what you meant.",
)
def tilt(potential: AbstractPotential, setting: Setting) -> Reading:
    readings = [Reading(0.0, 1e-9, "nats")]
    for name, data in _families(potential, setting).items():
        gaps = np.asarray(_gaps(potential, data, setting.key(71)), np.float64)
        readings.append(Reading(float(np.max(np.abs(gaps))), 1e-8, "nats", name))
    return worst(readings)


@eqx.filter_jit
def _gaps(potential: AbstractPotential, data: AbstractDistribution, key: jax.Array) -> jax.Array:
    """What Bayes' rule leaves over, at draws from both distributions; relative to the size of its terms."""
    tilted, log_mean = potential.tilt(data)
    both = [jax.vmap(each.sample)(jr.split(one, DRAWS)) for each, one in zip((data, tilted), jr.split(key), strict=True)]

    def gap(x: Any) -> jax.Array:
        terms = jnp.stack([tilted.log_prob(x), -data.log_prob(x), -potential.log_factor(x), log_mean])
        return jnp.sum(terms) / jnp.maximum(1.0, jnp.max(jnp.abs(terms)))

    return jax.vmap(gap)(jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *both))


@law(
    "potential",
    "power",
    "The factor to a power is that power of the factor.",
    float64=True,
    unseen="Exponents of 0 and below.",
)
def power(potential: AbstractPotential, setting: Setting) -> Reading:
    readings = [Reading(0.0, 1e-9, "nats")]
    for name, data in _families(potential, setting).items():
        log_factor, powered = map(float, _log_factors(potential, data, setting.key(72), jnp.asarray(0.3)))
        gap = powered - 0.3 * log_factor
        readings.append(Reading(abs(gap) / max(1.0, abs(log_factor)), 1e-8, "nats", name))
    return worst(readings)


@eqx.filter_jit
def _log_factors(
    potential: AbstractPotential, data: AbstractDistribution, key: jax.Array, exponent: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x = data.sample(key)
    return potential.log_factor(x), potential.power(exponent).log_factor(x)


@law(
    "potential",
    "types",
    "A tilted event has the type of an event, log Z is one number, and both are finite.",
    unseen="Events of another shape than 2x1.",
)
def types(potential: AbstractPotential, setting: Setting) -> Reading:
    bad = []
    for name, data in _families(potential, setting).items():
        x, wanted, log_mean = _events(potential, data, setting.key(73))
        if types_of(x) != types_of(wanted):
            bad.append(f"{name}: {types_of(x)}, expected {types_of(wanted)}")
        if jnp.shape(log_mean) != () or not np.isfinite(log_mean):
            bad.append(f"{name}: log Z is {log_mean}")
    return faults(bad)


@eqx.filter_jit
def _events(potential: AbstractPotential, data: AbstractDistribution, key: jax.Array) -> tuple[Any, Any, jax.Array]:
    """A tilted event, one that is not, and log Z."""
    tilted, log_mean = potential.tilt(data)
    return tilted.sample(key), data.sample(key), log_mean
