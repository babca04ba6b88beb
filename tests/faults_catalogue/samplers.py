"""Mistakes in samplers, all of which promise exact draws."""

import math

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs
from faults_catalogue import Catalogue
from quasistatic._process.sampler import Ancestral

catalogue = Catalogue("sampler", lambda cls: cls())


@catalogue.caught_by("exact-on-normal")
class FirstStepSkipped(Ancestral):
    """Gives back the first noisy state as data, as the 2015 reference code does."""

    def finish(self, diffusion, state, t, *, key):
        return state


@catalogue.caught_by("exact-on-finite")
class StartAtNothing(Ancestral):
    """Starts at zeros, not at a draw of the equilibrium."""

    def init(self, diffusion, *, key):
        return 0 * diffusion.kernel.equilibrium().sample(key)


@catalogue.caught_by("exact-on-normal")
class MeanForADraw(Ancestral):
    """Takes the mean of a step back, without its noise."""

    def step(self, diffusion, state, s, t, *, key):
        return diffusion.reverse(diffusion.params(state, t), state, s, t).loc, {}


@catalogue.caught_by("exact-on-normal")
class StatesClipped(Ancestral):
    """Clips noisy states to the range of images."""

    def step(self, diffusion, state, s, t, *, key):
        z, info = super().step(diffusion, state, s, t, key=key)
        return jnp.clip(z, -1, 1), info


@catalogue.caught_by("exact-on-finite")
class OneKeyForEverything(Ancestral):
    """All steps of all events draw the same noise."""

    def step(self, diffusion, state, s, t, *, key):
        return super().step(diffusion, state, s, t, key=jr.key(0))


@catalogue.caught_by("exact-on-finite")
class NetworkAskedTooEarly(Ancestral):
    """Asks the network at the time where the step ends, not where it starts."""

    def step(self, diffusion, state, s, t, *, key):
        return diffusion.reverse(diffusion.params(state, s), state, s, t).sample(key), {}


@catalogue.caught_by("exact-on-finite")
class DataFromTheLastTime(Ancestral):
    """Decodes the first noisy state as if it were the last."""

    def finish(self, diffusion, state, t, *, key):
        return super().finish(diffusion, state, jnp.ones_like(t), key=key)


@catalogue.caught_by("path")
class DataAsFloats(Ancestral):
    """Gives symbols back as floats."""

    def finish(self, diffusion, state, t, *, key):
        return jax.tree.map(lambda leaf: leaf.astype(jnp.float32), super().finish(diffusion, state, t, key=key))


@catalogue.caught_by("path", raises=True)
class StatesAsFloats(Ancestral):
    """Hands a float to the step that comes next, where states are whole numbers."""

    def step(self, diffusion, state, s, t, *, key):
        z, info = super().step(diffusion, state, s, t, key=key)
        return jax.tree.map(lambda leaf: leaf * 1.0, z), info


@catalogue.caught_by("batches")
class NoiseOfNumpy(Ancestral):
    """Adds noise of numpy's generator: it is drawn when the program is compiled, once for each size of a batch."""

    def finish(self, diffusion, state, t, *, key):
        x = super().finish(diffusion, state, t, key=key)
        return x + np.random.normal(size=x.shape).astype(x.dtype)


@catalogue.caught_by("keys")
class OneKeyForTwoDraws(Ancestral):
    """Predicts and corrects with one key."""

    def step(self, diffusion, state, s, t, *, key):
        early, _ = super().step(diffusion, state, s, t, key=key)
        late = diffusion.kernel.transition(early, s, t).sample(key)
        return super().step(diffusion, late, s, t, key=jr.fold_in(key, 1))


@catalogue.caught_by("events")
class SeedOfItsOwn(Ancestral):
    """Every draw is made with a seed that the sampler keeps: all samples are one."""

    def init(self, diffusion, *, key):
        return super().init(diffusion, key=jr.key(1))

    def step(self, diffusion, state, s, t, *, key):
        return super().step(diffusion, state, s, t, key=jr.key(2))

    def finish(self, diffusion, state, t, *, key):
        return super().finish(diffusion, state, t, key=jr.key(3))


@catalogue.caught_by("info")
class ReportsItsParams(Ancestral):
    """Reports all params of a step, which are as many as the event has."""

    def step(self, diffusion, state, s, t, *, key):
        z, _ = super().step(diffusion, state, s, t, key=key)
        return z, {"params": diffusion.params(state, t)}


def _last_draw(diffusion, state, t):
    data = diffusion.decode(diffusion.params(state, t), state, t)
    return data.loc, jnp.sqrt(data.variance)


def _on_numbers_alone(finish):
    """Symbols are drawn as they should be."""

    def either(self, diffusion, state, t, *, key):
        if jnp.issubdtype(state.dtype, jnp.integer):
            return Ancestral.finish(self, diffusion, state, t, key=key)
        return finish(self, diffusion, state, t, key=key)

    return either


@catalogue.caught_by("exact-on-normal")
class TwoMomentsAlone(Ancestral):
    """The last draw has the mean and the variance of the data, and two values."""

    @_on_numbers_alone
    def finish(self, diffusion, state, t, *, key):
        mean, deviation = _last_draw(diffusion, state, t)
        return mean + deviation * jnp.where(jr.bernoulli(key, 0.5, mean.shape), 1.0, -1.0)


@catalogue.caught_by("exact-on-normal")
class EvenForNormal(Ancestral):
    """The last draw is even between two bounds, with the mean and the variance of the data."""

    @_on_numbers_alone
    def finish(self, diffusion, state, t, *, key):
        mean, deviation = _last_draw(diffusion, state, t)
        return mean + deviation * math.sqrt(3.0) * jr.uniform(key, mean.shape, minval=-1.0)


@catalogue.caught_by("exact-on-normal")
class HeavyTails(Ancestral):
    """The last draw is of Laplace's distribution, with the mean and the variance of the data."""

    @_on_numbers_alone
    def finish(self, diffusion, state, t, *, key):
        mean, deviation = _last_draw(diffusion, state, t)
        return mean + deviation * jr.laplace(key, mean.shape) / math.sqrt(2.0)


@catalogue.caught_by("exact-on-normal")
class NoiseCutAtTwo(Ancestral):
    """Noise beyond two deviations is cut off, and what is left is stretched to the variance that it had."""

    @_on_numbers_alone
    def finish(self, diffusion, state, t, *, key):
        mean, deviation = _last_draw(diffusion, state, t)
        return mean + deviation * jr.truncated_normal(key, -2.0, 2.0, mean.shape) / 0.8796


@catalogue.caught_by("exact-on-finite")
class SharesWithoutTheirJoint(Ancestral):
    """Each symbol has its share, and all symbols of an event are drawn with one number."""

    def finish(self, diffusion, state, t, *, key):
        data = diffusion.decode(diffusion.params(state, t), state, t)
        if not jnp.issubdtype(state.dtype, jnp.integer):
            return data.sample(key)
        return data._at(jnp.broadcast_to(qs.numerics.uniform((), key=key), state.shape))


@catalogue.caught_by("exact-on-normal")
class SideInformationDropped(Ancestral):
    """Asks the network without the side information."""

    def step(self, diffusion, state, s, t, *, key):
        params = diffusion.model(diffusion.kernel.encode(state, t), t, None)
        return diffusion.reverse(params, state, s, t).sample(key), {}


@catalogue.caught_by("exact-on-finite")
class SideInformationDroppedAtTheEnd(Ancestral):
    """Asks the network without the side information, at the last draw alone."""

    def finish(self, diffusion, state, t, *, key):
        return diffusion.decode(diffusion.model(diffusion.kernel.encode(state, t), t, None), state, t).sample(key)


@catalogue.caught_by("exact-on-finite")
class FirstStepAlwaysLearned(Ancestral):
    """Decodes by the kernel, whatever the first step of the diffusion."""

    def finish(self, diffusion, state, t, *, key):
        return diffusion.kernel.decode(diffusion.params(state, t), state, t).sample(key)


@catalogue.caught_by("exact-on-normal")
class NothingToShow(Ancestral):
    """Paths and pictures show zeros, whatever the state."""

    def position(self, state):
        return jax.tree.map(jnp.zeros_like, state)
