"""Mistakes in networks."""

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

import quasistatic as qs
from faults_catalogue import Catalogue
from quasistatic.kits import networks

PORTS = qs.Ports(
    jax.ShapeDtypeStruct((3, 2), "float32"), jax.ShapeDtypeStruct((3, 2), "float32"), qs.Fields({"code": qs.Real((2,))})
)
WIDTH = 5
catalogue = Catalogue("model", lambda cls: cls(PORTS, jr.key(0)), PORTS)


class Small(qs.AbstractModel):
    """A sound network: one hidden layer, and a readout that starts at zero."""

    inner: jax.Array  # (WIDTH, inputs)
    readout: jax.Array  # (outputs, WIDTH)
    ports: qs.Ports = eqx.field(static=True)

    def __init__(self, ports: qs.Ports, key: jax.Array):
        self.inner = 0.5 * jr.normal(key, (WIDTH, ports.features.size + 2 + networks.side_size(ports.side)))
        self.readout = jnp.zeros((ports.params.size, WIDTH))
        self.ports = ports

    def __call__(self, features, t, side=None, *, key=None):
        return self.ports.params.unravel(self.readout @ self.hidden(features, t, side, key))

    def hidden(self, features, t, side, key):
        inputs = [self.ports.features.ravel(features), jnp.stack([t, jnp.ones(())]), networks.ravel_side(self.ports.side, side)]
        return jnp.tanh(self.inner @ jnp.concatenate(inputs))


@catalogue.caught_by("zero-start")
class RandomReadout(Small):
    """The last layer starts like every other: the params of a fresh network are not zero."""

    def __init__(self, ports, key):
        super().__init__(ports, key)
        self.readout = jr.normal(key, self.readout.shape)


@catalogue.caught_by("reads-all")
class TimeNotRead(Small):
    """One network for all times that is never told the time."""

    def hidden(self, features, t, side, key):
        return super().hidden(features, jnp.ones(()), side, key)


@catalogue.caught_by("reads-all")
class TimeAsAWholeNumber(Small):
    """Takes t in [0, 1] for the number of a step."""

    def hidden(self, features, t, side, key):
        return super().hidden(features, t.astype(jnp.int32).astype(jnp.float32), side, key)


@catalogue.caught_by("reads-all")
class SideInformationIgnored(Small):
    """Takes side information and does nothing with it."""

    def hidden(self, features, t, side, key):
        return super().hidden(features, t, None, key)


@catalogue.caught_by("reads-all")
class FirstFeatureAlone(Small):
    """Reads the noisy state and not what the kernel gives beside it."""

    def hidden(self, features, t, side, key):
        return super().hidden(features.at[..., 1:].set(0.0), t, side, key)


@catalogue.caught_by("causal")
class CausalInNameAlone(Small):
    """Says that it reads of what comes before alone, and reads everything."""

    is_causal = True


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

    def hidden(self, features, t, side, key):
        return jnp.where(super().hidden(features, t, side, key) > 0, 1.0, 0.0)


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

    def hidden(self, features, t, side, key):
        self.calls.number += 1
        return super().hidden(features, t, side, key) * min(1.0, self.calls.number / 1_000)


@catalogue.caught_by("shapes")
class ParamsBeforeElements(Small):
    """The params come first, as channels do in other libraries."""

    def __call__(self, features, t, side=None, *, key=None):
        return super().__call__(features, t, side, key=key).T


@catalogue.caught_by("shapes", raises=True)
class SideInformationExpected(Small):
    """Fails where the side information is left out."""

    def hidden(self, features, t, side, key):
        return super().hidden(features, t, qs.Side(side.value, side.present), key)


@catalogue.caught_by("agreement", raises=True)
class BranchOnTime(Small):
    """Asks with a Python `if` whether it is late, which no compiled program can."""

    def hidden(self, features, t, side, key):
        return super().hidden(-features if t > 0.5 else features, t, side, key)


@jax.custom_batching.custom_vmap
def squashed(h):
    return jnp.tanh(h)


@squashed.def_vmap
def _squashed_together(axis_size, in_batched, h):
    return jnp.tanh(h.astype(jnp.bfloat16)).astype(h.dtype), True


@catalogue.caught_by("agreement")
class LessPreciseInABatch(Small):
    """A layer with a rule of its own for batches, which computes in half of the digits there."""

    def hidden(self, features, t, side, key):
        inputs = [self.ports.features.ravel(features), jnp.stack([t, jnp.ones(())]), networks.ravel_side(self.ports.side, side)]
        return squashed(self.inner @ jnp.concatenate(inputs))


@catalogue.caught_by("keys")
class OneKeyForTwoDropouts(Small):
    """Inputs and hidden units are silenced with one key."""

    def hidden(self, features, t, side, key):
        if key is None:
            return super().hidden(features, t, side, key)
        features = jnp.where(jr.bernoulli(key, 0.9, features.shape), features / 0.9, 0.0)
        h = super().hidden(features, t, side, key)
        return jnp.where(jr.bernoulli(key, 0.9, h.shape), h / 0.9, 0.0)


@catalogue.caught_by("trained")
class HalfALayerNotTrained(Small):
    """A stop_gradient that was meant for one unit holds for half of a layer."""

    def hidden(self, features, t, side, key):
        h = super().hidden(features, t, side, key)
        half = jnp.arange(WIDTH) < WIDTH // 2
        return jnp.where(half, jax.lax.stop_gradient(h), h)


@catalogue.caught_by("trained", missed="sound networks have numbers that do nothing where an event is small, as under padding")
class RowsThatAreNeverRead(Small):
    """A layer is made for more units than there are, and the last are cut off."""

    def __init__(self, ports, key):
        super().__init__(ports, key)
        self.inner = jnp.concatenate([self.inner, self.inner])

    def hidden(self, features, t, side, key):
        return super().hidden(features, t, side, key)[:WIDTH]


@catalogue.caught_by("trained")
class OneUnitFrozen(Small):
    """The weights of one unit are behind a stop_gradient."""

    def hidden(self, features, t, side, key):
        h = super().hidden(features, t, side, key)
        return h.at[0].set(jax.lax.stop_gradient(h[0]))


def _silenced(h, share, key):
    return h if key is None else jnp.where(jr.bernoulli(key, 1.0 - share, h.shape), h, 0.0)


@catalogue.caught_by("dropout")
class DropoutNotMadeUpFor(Small):
    """Silences a fifth of the hidden units in training, and leaves the others as they are."""

    def hidden(self, features, t, side, key):
        return _silenced(super().hidden(features, t, side, key), 0.2, key)


@catalogue.caught_by("dropout")
class DropoutOfTheWrongShare(Small):
    """Silences a tenth and divides by the share of the silenced, not of the rest."""

    def hidden(self, features, t, side, key):
        return _silenced(super().hidden(features, t, side, key), 0.1, key) / (1.0 if key is None else 0.1)


@catalogue.caught_by("trained")
class SideWeightsFrozen(Small):
    """The weights of the side information are behind a stop_gradient."""

    def hidden(self, features, t, side, key):
        inputs = [self.ports.features.ravel(features), jnp.stack([t, jnp.ones(())]), networks.ravel_side(self.ports.side, side)]
        frozen = jax.lax.stop_gradient(self.inner[:, -2:]) @ inputs[2]
        return jnp.tanh(self.inner[:, :-2] @ jnp.concatenate(inputs[:2]) + frozen)


@catalogue.caught_by("reads-all", missed="a zero may stand for numbers that are absent: sound networks read it so")
class AbsentReadAsZeros(Small):
    """Reads absent side information as zeros, which may be there."""

    def hidden(self, features, t, side, key):
        there = None if side is None else qs.Side(side.value, jnp.ones_like(side.present))
        return super().hidden(features, t, there, key)


@catalogue.caught_by("reads-all")
class SideInformationReadWhereAbsent(Small):
    """Reads whether side information is absent, and not what it is."""

    def hidden(self, features, t, side, key):
        zeros = None if side is None else qs.Side(jax.tree.map(jnp.zeros_like, side.value), side.present)
        return super().hidden(features, t, zeros, key)


@catalogue.caught_by("trained")
class TimeWeightsFrozen(Small):
    """The weights of time are behind a stop_gradient."""

    def hidden(self, features, t, side, key):
        size = self.ports.features.size
        inputs = [self.ports.features.ravel(features), jnp.stack([t, jnp.ones(())]), networks.ravel_side(self.ports.side, side)]
        frozen = jax.lax.stop_gradient(self.inner[:, size : size + 1]) @ inputs[1][:1]
        rest = jnp.concatenate([inputs[0], jnp.zeros(1), inputs[1][1:], inputs[2]])
        return jnp.tanh(self.inner @ rest + frozen)


@catalogue.caught_by("reads-all")
class FiveFeaturesAlone(Small):
    """Reads the first five features of six."""

    def hidden(self, features, t, side, key):
        flat = features.reshape(-1)
        return super().hidden(jnp.where(jnp.arange(flat.size) < 5, flat, 0.0).reshape(features.shape), t, side, key)
