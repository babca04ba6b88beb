"""Mistakes in networks."""

import math

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

import quasistatic as qs
from faults_catalogue import Catalogue

PORTS = qs.Ports((3,), 2, 2, given=2)
WIDTH = 5
catalogue = Catalogue("model", lambda cls: cls(PORTS, jr.key(0)), PORTS)


class Small(qs.AbstractModel):
    """A sound network: one hidden layer, and a readout that starts at zero."""

    inner: jax.Array  # (WIDTH, inputs)
    readout: jax.Array  # (outputs, WIDTH)
    ports: qs.Ports = eqx.field(static=True)

    def __init__(self, ports: qs.Ports, key: jax.Array):
        size = math.prod(ports.shape)
        self.inner = 0.5 * jr.normal(key, (WIDTH, size * ports.features + 2 + ports.given))
        self.readout = jnp.zeros((size * ports.params, WIDTH))
        self.ports = ports

    def __call__(self, features, t, given=None, key=None):
        return (self.readout @ self.hidden(features, t, given, key)).reshape(*self.ports.shape, self.ports.params)

    def hidden(self, features, t, given, key):
        side = jnp.zeros(self.ports.given) if given is None else given
        return jnp.tanh(self.inner @ jnp.concatenate([features.reshape(-1), jnp.stack([t, jnp.ones(())]), side]))


@catalogue.caught_by("zero-start")
class RandomReadout(Small):
    """The last layer starts like every other: a fresh network says something."""

    def __init__(self, ports, key):
        super().__init__(ports, key)
        self.readout = jr.normal(key, self.readout.shape)


@catalogue.caught_by("reads-all")
class TimeNotRead(Small):
    """One network for all times that is never told the time."""

    def hidden(self, features, t, given, key):
        return super().hidden(features, jnp.ones(()), given, key)


@catalogue.caught_by("reads-all")
class TimeAsAWholeNumber(Small):
    """Takes t in [0, 1] for the number of a step."""

    def hidden(self, features, t, given, key):
        return super().hidden(features, t.astype(jnp.int32).astype(jnp.float32), given, key)


@catalogue.caught_by("reads-all")
class SideInformationIgnored(Small):
    """Takes side information and does nothing with it."""

    def hidden(self, features, t, given, key):
        return super().hidden(features, t, None, key)


@catalogue.caught_by("reads-all")
class FirstFeatureAlone(Small):
    """Reads the noisy state and not what the kernel says beside it."""

    def hidden(self, features, t, given, key):
        return super().hidden(features.at[..., 1:].set(0.0), t, given, key)


@catalogue.caught_by("trained")
class BiasNeverAdded(Small):
    """A bias that is trained and never used."""

    bias: jax.Array

    def __init__(self, ports, key):
        super().__init__(ports, key)
        self.bias = jnp.zeros(3)


@catalogue.caught_by("trained")
class HardThreshold(Small):
    """Hidden units are 0 or 1: no gradient reaches the weights below."""

    def hidden(self, features, t, given, key):
        return jnp.where(super().hidden(features, t, given, key) > 0, 1.0, 0.0)


@catalogue.caught_by("counted")
class WeightsDividedByNothing(Small):
    """Weights scaled by their own size, which is zero for a layer that starts at zero."""

    def __init__(self, ports, key):
        super().__init__(ports, key)
        self.readout = self.readout / jnp.linalg.norm(self.readout)


@attrs.define(eq=False)
class _Calls:
    number: int = 0


@catalogue.caught_by("pure")
class CountsItsCalls(Small):
    """Warms up over its first calls, which it counts in a field that is no leaf."""

    calls: _Calls = eqx.field(static=True)

    def __init__(self, ports, key):
        super().__init__(ports, key)
        self.calls = _Calls()

    def hidden(self, features, t, given, key):
        self.calls.number += 1
        return super().hidden(features, t, given, key) * min(1.0, self.calls.number / 1_000)


@catalogue.caught_by("shapes")
class ParamsBeforeElements(Small):
    """The params come first, as channels do in other libraries."""

    def __call__(self, features, t, given=None, key=None):
        return super().__call__(features, t, given, key).T


@catalogue.caught_by("shapes", raises=True)
class SideInformationExpected(Small):
    """Fails where the side information is left out."""

    def hidden(self, features, t, given, key):
        return super().hidden(features, t, given + 0.0, key)


@catalogue.caught_by("agreement", raises=True)
class BranchOnTime(Small):
    """Asks with a Python `if` whether it is late, which no compiled program can."""

    def hidden(self, features, t, given, key):
        return super().hidden(-features if t > 0.5 else features, t, given, key)


@catalogue.caught_by("keys")
class OneKeyForTwoDropouts(Small):
    """Inputs and hidden units are silenced with one key."""

    def hidden(self, features, t, given, key):
        if key is None:
            return super().hidden(features, t, given, key)
        features = jnp.where(jr.bernoulli(key, 0.9, features.shape), features / 0.9, 0.0)
        h = super().hidden(features, t, given, key)
        return jnp.where(jr.bernoulli(key, 0.9, h.shape), h / 0.9, 0.0)


