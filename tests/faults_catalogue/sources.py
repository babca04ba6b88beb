"""Mistakes in sources."""

import math

import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs
from faults_catalogue import Catalogue

catalogue = Catalogue("source", lambda cls: cls())


class Stored(qs.AbstractSource):
    """A sound source: figures of a normal law, shown without their shift and in units of their deviation."""

    event = qs.Event((1,))
    units = qs.Units(shift=3.0, scale=2.0)

    def __init__(self):
        values = np.random.default_rng(0).normal(3.0, 2.0, size=(600, 1))
        self.x = self.units.to_model(values).astype(np.float32)

    def split(self, name):
        first = {"train": 0, "validation": 400, "test": 500}[name]
        return qs.Data(self.x[first : 400 if name == "train" else first + 100])

    def stored(self):
        return self.split("train").x

    def draw(self, row, key):
        return row, None

    def log_prob(self, x):
        return -0.5 * np.asarray(x, np.float64)[:, 0] ** 2 - 0.5 * math.log(2 * math.pi)


class Generated(qs.GeneratedSource):
    """A sound source of throws of an uneven coin, which draws its events."""

    event = qs.Event((2,), "binary")

    def __init__(self):
        super().__init__(seed=0, validation_events=200, test_events=200)

    def draw(self, row, key):
        return jnp.where(qs.uniform(key, (2,)) < 0.3, 1.0, 0.0).astype(jnp.float32), None


@catalogue.caught_by("disjoint")
class ValidationFromTraining(Stored):
    """The validation events are the last of the training events."""

    def split(self, name):
        return qs.Data(self.x[350:400]) if name == "validation" else super().split(name)


@catalogue.caught_by("splits")
class ShuffledAtEveryCall(Stored):
    """Splits again, at random, whenever it is asked."""

    def split(self, name):
        return qs.Data(np.random.permutation(self.x)[:100])


@catalogue.caught_by("splits")
class LabelGluedToTheEvent(Stored):
    """The label stands beside the figures: the network is to guess what it is shown."""

    def split(self, name):
        x = super().split(name).x
        return qs.Data(np.concatenate([x, x > 0], axis=1).astype(np.float32))


@catalogue.caught_by("splits")
class SideInformationTooNarrow(Stored):
    """Declares one figure for each of three classes and gives the number of the class."""

    event = qs.Event((1,), given=3)

    def split(self, name):
        x = super().split(name).x
        return qs.Data(x, np.digitize(x, [-0.5, 0.5]).astype(np.float32))

    def draw(self, row, key):
        return row, jnp.digitize(row, jnp.array([-0.5, 0.5])).astype(jnp.float32)


@catalogue.caught_by("scale")
class NotScaled(Stored):
    """Shows the figures in the user's units."""

    units = qs.Units()


class _ForgetfulUnits(qs.Units):
    def to_user(self, x):
        return x * self.scale


@catalogue.caught_by("units")
class ShiftForgotten(Stored):
    """The way back to the user's units multiplies by the scale and adds no shift."""

    units = _ForgetfulUnits(shift=3.0, scale=2.0)


@catalogue.caught_by("true-log-prob")
class DensityWithoutItsConstant(Stored):
    """The density of a normal law without the root of 2 pi."""

    def log_prob(self, x):
        return super().log_prob(x) + 0.5 * math.log(2 * math.pi)


@catalogue.caught_by("true-log-prob")
class DensityInTheUsersUnits(Stored):
    """Evaluates the density of the user's figures and forgets the Jacobian of the scale."""

    def log_prob(self, x):
        return super().log_prob(x) - math.log(self.units.scale)


@catalogue.caught_by("support")
class SpinsForBits(Generated):
    """Declares bits and gives spins."""

    def draw(self, row, key):
        bits, given = super().draw(row, key)
        return 2.0 * bits - 1.0, given


@catalogue.caught_by("support")
class ClassesCountedFromOne(Generated):
    """Declares classes 0 .. n - 1 and gives 1 .. n, as the file has them."""

    event = qs.Event((2,), "categorical", 3)

    def draw(self, row, key):
        return jr.randint(key, (2,), 1, 4), None


@catalogue.caught_by("draws")
class DrawsInAnotherType(Stored):
    """Training reads whole numbers, evaluation floats."""

    def draw(self, row, key):
        return jnp.round(row).astype(jnp.int32), None


@catalogue.caught_by("draws")
class OneKeyForTwoChanges(Stored):
    """Flips and shifts an event with one key."""

    def draw(self, row, key):
        flipped = jnp.where(jr.bernoulli(key), row, -row)
        return flipped + 0.1 * jr.normal(key, row.shape), None


@catalogue.caught_by("draws")
class NoiseOfAGlobalGenerator(Stored):
    """Augments by numpy's global generator: no step can be replayed."""

    def draw(self, row, key):
        return row + np.random.normal(size=row.shape).astype(np.float32), None


@catalogue.caught_by("draws")
class GeneratorIgnoresItsKey(Generated):
    """Every event is drawn with a key of its own making."""

    def draw(self, row, key):
        return super().draw(row, jr.key(7))


@catalogue.caught_by("draws")
class DrawIgnoresItsRow(Stored):
    """Trains on the first event for ever."""

    def draw(self, row, key):
        return jnp.asarray(self.x[0]), None


@catalogue.caught_by("ranks")
class EachProcessForItself(Stored):
    """Each process augments with noise of its own, drawn when its program is compiled."""

    def draw(self, row, key):
        return row + np.random.default_rng().normal(size=row.shape).astype(np.float32), None
