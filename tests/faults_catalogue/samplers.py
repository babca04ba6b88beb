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


# samplers that need Gaussian noise, of which none is exact


class Walker(qs.AbstractSampler):
    """A sound sampler: the steps of Heun's method along the probability flow, from noise to the mean of the data."""

    def init(self, diffusion, *, key):
        if not isinstance(diffusion.kernel, qs.AbstractGaussianPath):
            raise TypeError(f"Walker: expected Gaussian noise, got a {type(diffusion.kernel).__name__}")
        return diffusion.kernel.equilibrium().sample(key)

    def step(self, diffusion, state, s, t, *, key):
        late = diffusion.velocity(state, t)
        early = diffusion.velocity(state + (s - t) * late, s)
        return state + 0.5 * (s - t) * (late + early), {}

    def finish(self, diffusion, state, t, *, key):
        return diffusion.decode(diffusion.params(state, t), state, t).mean()


@catalogue.caught_by("long-chain")
class WalksTheWrongWay(Walker):
    """Walks along the flow with the sign of time, from t to s as if s were later."""

    def step(self, diffusion, state, s, t, *, key):
        late = diffusion.velocity(state, t)
        early = diffusion.velocity(state + (t - s) * late, s)
        return state + 0.5 * (t - s) * (late + early), {}


@catalogue.caught_by("long-chain")
class SlopesNotAveraged(Walker):
    """Adds the two slopes of Heun's method and does not halve them."""

    def step(self, diffusion, state, s, t, *, key):
        late = diffusion.velocity(state, t)
        early = diffusion.velocity(state + (s - t) * late, s)
        return state + (s - t) * (late + early), {}


@catalogue.caught_by("long-chain")
class FlowWithNoise(Walker):
    """Adds the noise of the reverse process to the flow, which has none."""

    def step(self, diffusion, state, s, t, *, key):
        z, info = super().step(diffusion, state, s, t, key=key)
        return z + jnp.sqrt(2.0 * (t - s)) * jr.normal(key, z.shape), info


@catalogue.caught_by("long-chain")
class FirstStateForData(Walker):
    """Ends a quarter of the way early, and takes what is there for data."""

    def step(self, diffusion, state, s, t, *, key):
        z, info = super().step(diffusion, state, s, t, key=key)
        return jnp.where(t < 0.25, state, z), info

    def finish(self, diffusion, state, t, *, key):
        return state


@catalogue.caught_by("long-chain")
class SixthElementStandsStill(Walker):
    """Walks the first five elements alone."""

    def step(self, diffusion, state, s, t, *, key):
        z, info = super().step(diffusion, state, s, t, key=key)
        return jnp.where(jnp.arange(z.size).reshape(z.shape) < 5, z, state), info


def levels_of(diffusion, t):
    return (jnp.exp(each) for each in diffusion.kernel.levels(t))


class Denoiser(Walker):
    """A sound sampler: steps of DDIM."""

    def step(self, diffusion, state, s, t, *, key):
        mean = diffusion.denoise(diffusion.params(state, t), state, t).mean()
        (early, early_noise), (late, late_noise) = (levels_of(diffusion, at) for at in (s, t))
        return early * mean + jnp.sqrt(early_noise / late_noise) * (state - late * mean), {}


@catalogue.caught_by("long-chain")
class VariancesForDeviations(Denoiser):
    """Scales the noise by the ratio of variances, where it should be that of deviations."""

    def step(self, diffusion, state, s, t, *, key):
        mean = diffusion.denoise(diffusion.params(state, t), state, t).mean()
        (early, early_noise), (late, late_noise) = (levels_of(diffusion, at) for at in (s, t))
        return early * mean + early_noise / late_noise * (state - late * mean), {}


@catalogue.caught_by("long-chain")
class SignalForgotten(Denoiser):
    """Moves the noise alone and puts the mean back at its full size."""

    def step(self, diffusion, state, s, t, *, key):
        mean = diffusion.denoise(diffusion.params(state, t), state, t).mean()
        (_, early_noise), (late, late_noise) = (levels_of(diffusion, at) for at in (s, t))
        return mean + jnp.sqrt(early_noise / late_noise) * (state - late * mean), {}


@catalogue.caught_by("taken")
class LooksForLevels(Denoiser):
    """Asks whatever kernel it is given for its levels of noise, which most do not have."""

    def init(self, diffusion, *, key):
        diffusion.kernel.levels(jnp.ones(()))
        return diffusion.kernel.equilibrium().sample(key)


@catalogue.caught_by("taken")
class RefusesEverything(Walker):
    """Asks for a kernel of a class of its own, which nobody has."""

    def init(self, diffusion, *, key):
        raise TypeError("RefusesEverything: expected a kernel of its own")


@catalogue.caught_by("exact-on-normal")
class FasterOnGaussianPaths(Ancestral):
    """On a kernel with levels of noise it takes DDIM steps, and says that it is exact."""

    def step(self, diffusion, state, s, t, *, key):
        if not isinstance(diffusion.kernel, qs.AbstractGaussianPath):
            return super().step(diffusion, state, s, t, key=key)
        return Denoiser.step(self, diffusion, state, s, t, key=key)


@catalogue.caught_by("exact-on-normal")
class NormalStepsAlone(Ancestral):
    """Of normal distributions it draws with the variance for the deviation: other kernels are drawn from as they are."""

    def step(self, diffusion, state, s, t, *, key):
        step = diffusion.reverse(diffusion.params(state, t), state, s, t)
        if not isinstance(step, qs.Normal):
            return step.sample(key), {}
        return step.loc + step.variance * jr.normal(key, step.loc.shape), {}


@catalogue.caught_by("exact-on-finite")
class AbsentSideInformationTakenForZero(Ancestral):
    """Builds the pair anew with the side information as it is, present or not."""

    def finish(self, diffusion, state, t, *, key):
        return super().finish(diffusion.given(diffusion.side.value), state, t, key=key)


@catalogue.caught_by("exact-on-finite")
class LongChainsThinned(Ancestral):
    """On the way of a long chain it leaves out the steps that are shorter than a tenth."""

    def step(self, diffusion, state, s, t, *, key):
        z, info = super().step(diffusion, state, s, t, key=key)
        return jax.tree.map(lambda new, old: jnp.where(t - s < 0.1, old, new), z, state), info


@catalogue.caught_by("exact-on-normal")
class LongChainsOfNumbersThinned(Ancestral):
    """On chains of more than twenty steps it takes the mean for a draw."""

    def step(self, diffusion, state, s, t, *, key):
        step = diffusion.reverse(diffusion.params(state, t), state, s, t)
        if not hasattr(step, "loc"):
            return step.sample(key), {}
        return jnp.where(t - s < 0.05, step.loc, step.sample(key)), {}


@catalogue.caught_by("events", lambda cls: cls())
class LargeEventsOfOneDraw(Ancestral):
    """Events of more than five elements are all drawn with one key."""

    def init(self, diffusion, *, key):
        return super().init(diffusion, key=jr.key(0) if diffusion.kernel.event.size > 5 else key)

    def step(self, diffusion, state, s, t, *, key):
        return super().step(diffusion, state, s, t, key=jr.key(1) if diffusion.kernel.event.size > 5 else key)

    def finish(self, diffusion, state, t, *, key):
        return super().finish(diffusion, state, t, key=jr.key(2) if diffusion.kernel.event.size > 5 else key)
