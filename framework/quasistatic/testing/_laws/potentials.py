"""Laws of potentials, on distributions of the families that they take."""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process.distribution import AbstractDistribution
from quasistatic._process.event import AbstractEvent, AbstractField
from quasistatic._process.finite import Finite, Leveled, log_normalise
from quasistatic._process.normal import Normal
from quasistatic._process.potential import AbstractPotential
from quasistatic._process.product import product
from quasistatic.testing._law import law
from quasistatic.testing._reading import Reading, faults, not_measured, worst
from quasistatic.testing._setting import Setting, types_of

DRAWS = 8
ENUMERATED = 4_096  # states over which a factor is summed
SMALL = 1e-5  # step of a finite difference


def _families(potential: AbstractPotential, event: AbstractEvent, setting: Setting) -> dict[str, AbstractDistribution]:
    """Distributions that the potential takes, by the names of their families."""
    return {name: data for name, data in _menu(event, setting).items() if _takes(potential, data)}


def _menu(event: AbstractEvent, setting: Setting) -> dict[str, AbstractDistribution]:
    """Independent elements of all kinds, of the shape of the event."""
    keys, shape = setting.some_keys(70, 5), event.shape if isinstance(event, AbstractField) else (2, 1)
    states = max(5, getattr(event, "categories", 3))
    logits = setting.params_scale * jr.normal(keys[0], (*shape, states))
    normal = Normal(jr.normal(keys[1], shape), jnp.exp(setting.params_scale * jr.normal(keys[2], shape)))
    bits = Finite(log_normalise(logits[..., :2]), "float32")
    return {
        "normal": normal,
        "bits": bits,
        "symbols": Finite(log_normalise(logits[..., : getattr(event, "categories", 3)])),
        "levels": Leveled(Finite(log_normalise(logits[..., :5])), -1.0, 0.5),
        "two parts": product({"place": normal, "flag": bits}),
    }


def _takes(potential: AbstractPotential, data: AbstractDistribution) -> bool:
    """What a potential refuses, it refuses with a TypeError, or because its event is built in another way."""
    try:
        eqx.filter_eval_shape(lambda: potential.log_factor(data.sample(jr.key(0))) + potential.twist(data).log_mean)
    except (TypeError, KeyError, AttributeError):
        return False
    return True


@law(
    "potential",
    "taken",
    "There is a family of distributions that the potential can be multiplied with, or whose draws it has a value for.",
    unseen="Families that no built-in kernel gives.",
)
def taken(potential: AbstractPotential, event: AbstractEvent, setting: Setting) -> Reading:
    return faults([] if _families(potential, event, setting) else ["none of: " + ", ".join(_menu(event, setting))])


@law(
    "potential",
    "tilt",
    "The tilted distribution is data(x) r(x) / Z: log tilted(x) - log data(x) - log r(x) is minus the log Z that is reported, "
    "for every x. Where there is no closed form it is what particles are led by, and what is left of r is known for every x.",
    "Bayes' rule",
    float64=True,
    unseen="Whether the factor is what you meant; a Z that is wrong by as much as the tilted distribution is not normalised.",
)
def tilt(potential: AbstractPotential, event: AbstractEvent, setting: Setting) -> Reading:
    readings = [Reading(0.0, 1e-9, "nats")]
    for name, data in _families(potential, event, setting).items():
        readings.append(_bayes_gap(potential, data, setting, name))
    return worst(readings)


def _bayes_gap(potential: AbstractPotential, data: AbstractDistribution, setting: Setting, name: str) -> Reading:
    gaps = np.asarray(_gaps(potential, data, setting.key(71)), np.float64)
    return Reading(float(np.max(np.abs(gaps))), 1e-8, "nats", name)


@eqx.filter_jit
def _gaps(potential: AbstractPotential, data: AbstractDistribution, key: jax.Array) -> jax.Array:
    """What Bayes' rule leaves over, at draws from both distributions; relative to the size of its terms."""
    twist = potential.twist(data)
    both = [jax.vmap(each.sample)(jr.split(one, DRAWS)) for each, one in zip((data, twist.data), jr.split(key), strict=True)]

    def gap(x: Any) -> jax.Array:
        terms = [twist.data.log_prob(x), -data.log_prob(x), -potential.log_factor(x), twist.log_mean, twist.left(x)]
        return sum(terms) / jnp.maximum(1.0, jnp.max(jnp.abs(jnp.stack(terms))))

    return jax.vmap(gap)(jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *both))


@law(
    "potential",
    "evidence",
    "The mean of r over all events of symbols, bits and levels is the reported Z; where there is no closed form it is the mean "
    "weight of what particles are led by.",
    "Bayes' rule",
    float64=True,
    unseen="Z of real data, and of events too large to be enumerated.",
)
def evidence(potential: AbstractPotential, event: AbstractEvent, setting: Setting) -> Reading:
    families = _families(potential, event, setting)
    finite = {name: data for name, data in families.items() if isinstance(data, Finite | Leveled)}
    readings = []
    for name, data in finite.items():
        values = np.asarray(data.values())
        size = math.prod(data.log_probabilities().shape[:-1])
        if len(values) ** size > ENUMERATED:
            readings.append(not_measured(f"{name}: there are too many events"))
            continue
        columns = np.stack(np.meshgrid(*[values] * size, indexing="ij"), -1).reshape(-1, *data.log_probabilities().shape[:-1])
        wanted, found = map(float, _means_of_factor(potential, data, jnp.asarray(columns)))
        readings.append(Reading(abs(found - wanted) / max(1.0, abs(wanted)), 1e-8, "nats", name))
    return worst(readings or [not_measured("it takes neither symbols, bits nor levels: " + ", ".join(families))])


@eqx.filter_jit
def _means_of_factor(potential: AbstractPotential, data: AbstractDistribution, xs: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The logarithm of the mean of r under data, and that of the weights of what leads particles, over all events."""
    twist = potential.twist(data)
    wanted = jax.vmap(lambda x: data.log_prob(x) + potential.log_factor(x))(xs)
    found = jax.vmap(lambda x: twist.data.log_prob(x) + twist.log_mean + twist.left(x))(xs)
    exact = jnp.all(jax.vmap(twist.left)(xs) == 0.0)
    total = jax.nn.logsumexp(found)
    return jax.nn.logsumexp(wanted), jnp.where(exact, twist.log_mean, total)


@law(
    "potential",
    "power",
    "The factor to a power is that power of the factor, a power of a power is that of the product, and each is tilted as it says.",
    float64=True,
    unseen="Exponents of 0 and below.",
)
def power(potential: AbstractPotential, event: AbstractEvent, setting: Setting) -> Reading:
    readings = [Reading(0.0, 1e-9, "nats")]
    for name, data in _families(potential, event, setting).items():
        log_factor, powered, twice = map(float, _log_factors(potential, data, setting.key(72), jnp.asarray(0.3)))
        for where, gap in ((name, powered - 0.3 * log_factor), (f"{name}, a power of a power", twice - 0.15 * log_factor)):
            readings.append(Reading(abs(gap) / max(1.0, abs(log_factor)), 1e-8, "nats", where))
        readings.append(_bayes_gap(potential.power(jnp.asarray(0.3)).power(jnp.asarray(0.5)), data, setting, f"{name}, tilted"))
    return worst(readings)


@eqx.filter_jit
def _log_factors(
    potential: AbstractPotential, data: AbstractDistribution, key: jax.Array, exponent: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    x, powered = data.sample(key), potential.power(exponent)
    return potential.log_factor(x), powered.log_factor(x), powered.power(jnp.asarray(0.5)).log_factor(x)


def _is_differentiable(potential: AbstractPotential) -> bool:
    return potential.is_differentiable


@law(
    "potential",
    "gradient",
    "The gradient of log r, by which particles are led, is finite, and is what log r does when the data move a little.",
    when=_is_differentiable,
    float64=True,
    unseen="A slope that changes within a few deviations of the data: it leads particles badly, and their weights make up for it.",
)
def gradient(potential: AbstractPotential, event: AbstractEvent, setting: Setting) -> Reading:
    families = _families(potential, event, setting)
    if "normal" not in families:
        return not_measured("it takes no normal distribution: " + ", ".join(families))
    slopes, moved = (np.asarray(each) for each in _slopes(potential, families["normal"], setting.key(74)))
    return Reading(float(np.max(np.abs(slopes - moved) / (1.0 + np.abs(moved)))), 1e-5, "relative")


@eqx.filter_jit
def _slopes(potential: AbstractPotential, data: AbstractDistribution, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Along random ways from draws: the derivative of log r, and its central difference."""

    def one(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        key_x, key_way = jr.split(key)
        x = data.sample(key_x)
        way = jr.normal(key_way, x.shape)
        ahead, behind = potential.log_factor(x + SMALL * way), potential.log_factor(x - SMALL * way)
        return jnp.sum(jax.grad(potential.log_factor)(x) * way), (ahead - behind) / (2.0 * SMALL)

    return jax.vmap(one)(jr.split(key, DRAWS))


@law(
    "potential",
    "types",
    "A tilted event has the type of an event, log r and log Z are one number each, and both are finite.",
    unseen="Values far outside of the data.",
)
def types(potential: AbstractPotential, event: AbstractEvent, setting: Setting) -> Reading:
    bad = []
    for name, data in _families(potential, event, setting).items():
        x, wanted, *values = _events(potential, data, setting.key(73))
        if types_of(x) != types_of(wanted):
            bad.append(f"{name}: {types_of(x)}, expected {types_of(wanted)}")
        for what, value in zip(("log Z", "log r"), values, strict=True):
            if jnp.shape(value) != () or not np.isfinite(value):
                bad.append(f"{name}: {what} is {value}")
    return faults(bad)


@eqx.filter_jit
def _events(potential: AbstractPotential, data: AbstractDistribution, key: jax.Array) -> tuple[Any, Any, jax.Array, jax.Array]:
    """A tilted event, one that is not, log Z and log r."""
    twist, x = potential.twist(data), data.sample(key)
    return twist.data.sample(key), x, twist.log_mean, potential.log_factor(x)
