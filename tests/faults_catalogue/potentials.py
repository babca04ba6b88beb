"""Mistakes in potentials."""

from typing import ClassVar

import jax
import jax.numpy as jnp

import quasistatic as qs
from faults_catalogue import Catalogue
from quasistatic._process.potential import Twist
from quasistatic_plugins.conditioning.linear import Linear

catalogue = Catalogue("potential", lambda cls: cls(jnp.asarray(0.7)))


class Score(qs.AbstractPotential):
    """A sound factor without a closed form, which leads particles by its gradient."""

    strength: jax.Array
    is_differentiable: ClassVar[bool] = True

    def log_factor(self, x):
        return -jnp.sum(jax.nn.softplus(-self.strength * jnp.asarray(x, float)))


@catalogue.caught_by("tilt")
class VarianceForgotten(Linear):
    """Shifts the mean of normal data by the strength, whatever their variance."""

    def tilt_normal(self, data):
        return qs.Normal(data.loc + self.strength, data.variance), super().tilt_normal(data)[1]


@catalogue.caught_by("tilt")
class EvidenceOfTheMean(Linear):
    """The evidence of normal data is the factor at their mean."""

    def tilt_normal(self, data):
        return super().tilt_normal(data)[0], self.strength * data.loc


@catalogue.caught_by("evidence")
class EvidenceOfWhatIsNotNormalised(Linear):
    """Multiplies the probabilities of symbols, and divides neither them nor the evidence by their sum."""

    def tilt(self, data):
        if isinstance(data, qs.Normal):
            return super().tilt(data)
        tilted = data.log_probabilities() + self.log_factors(data.values())
        return data.with_log_probabilities(tilted), jnp.zeros(())


@catalogue.caught_by("power")
class PowerOfAPowerForgotten(Linear):
    """A power is that of the factor it began with: a second one takes the place of the first."""

    first: jax.Array | None = None

    def power(self, exponent):
        first = self.strength if self.first is None else self.first
        return type(self)(first * exponent, first)


@catalogue.caught_by("power")
class PowerOfTheValue(Linear):
    """Raises log r to the power, where r is meant."""

    def log_factors(self, x):
        return self.strength * x

    def power(self, exponent):
        return type(self)(jnp.sign(self.strength) * jnp.abs(self.strength) ** exponent)


@catalogue.caught_by("power")
class PowerNotTilted(Linear):
    """The tilt of a power is that of the factor itself."""

    whole: jax.Array | None = None

    def power(self, exponent):
        return type(self)(self.strength * exponent, self.strength if self.whole is None else self.whole)

    def tilt_normal(self, data):
        return super().tilt_normal(data) if self.whole is None else Linear(self.whole).tilt_normal(data)


@catalogue.caught_by("gradient")
class SlopeCut(Score):
    """A part of the classifier is behind a stop_gradient: particles are led the wrong way."""

    def log_factor(self, x):
        return super().log_factor(x) + jnp.sum(jax.lax.stop_gradient(jnp.asarray(x, float)))


@catalogue.caught_by("gradient")
class RootOfADistance(Score):
    """A distance whose slope is no number at the data themselves."""

    def log_factor(self, x):
        return -jnp.sqrt(jnp.sum((jnp.asarray(x, float) - jax.lax.stop_gradient(x)) ** 2))


@catalogue.caught_by("types")
class ScoreForEachElement(Score):
    """One number for each element, where one for the event is asked."""

    def log_factor(self, x):
        return -jax.nn.softplus(-self.strength * jnp.asarray(x, float))


@catalogue.caught_by("types")
class CertainThatItIsNot(Score):
    """The logarithm of a probability that is 0 for what is below none."""

    is_differentiable: ClassVar[bool] = False

    def log_factor(self, x):
        return jnp.log(jnp.maximum(jnp.sum(jnp.asarray(x, float)) - 50.0, 0.0))


@catalogue.caught_by("taken")
class NothingIsTaken(Score):
    """Reads a name of an event of parts that there is not."""

    def log_factor(self, x):
        return super().log_factor(x["image"])


class _Guess(Score):
    """A sound factor that says itself how particles are led: not at all."""

    def twist(self, data):
        return Twist(data, jnp.zeros(()), self.log_factor)


@catalogue.caught_by("tilt")
class WhatIsLeftIsCountedTwice(_Guess):
    """Leads particles by the value at the mean, and weighs them with all of it once more."""

    def twist(self, data):
        return Twist(data, jnp.asarray(0.4), self.log_factor)
