"""Mistakes in samplers, all of which promise exact draws."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np

from faults_catalogue import Catalogue
from quasistatic_plugins.ancestral import AncestralOptions
from quasistatic_plugins.ancestral.sampler import Ancestral

catalogue = Catalogue("sampler", lambda cls: cls(AncestralOptions()))


@catalogue.caught_by("exact-on-normal")
class FirstStepSkipped(Ancestral):
    """Gives back the first noisy state as data, as the 2015 reference code does."""

    def finish(self, diffusion, z, t, key, given):
        return z


@catalogue.caught_by("exact-on-finite")
class StartAtNothing(Ancestral):
    """Starts at zeros, not at a draw of the equilibrium."""

    def init(self, diffusion, key):
        return 0 * diffusion.kernel.equilibrium().sample(key)


@catalogue.caught_by("exact-on-normal")
class MeanForADraw(Ancestral):
    """Takes the mean of a step back, without its noise."""

    def step(self, diffusion, z, s, t, key, given):
        return diffusion.kernel.reverse(diffusion.params(z, t, given), z, s, t).loc


@catalogue.caught_by("exact-on-normal")
class StatesClipped(Ancestral):
    """Clips noisy states to the range of images."""

    def step(self, diffusion, z, s, t, key, given):
        return jnp.clip(super().step(diffusion, z, s, t, key, given), -1, 1)


@catalogue.caught_by("exact-on-finite")
class OneKeyForEverything(Ancestral):
    """All steps of all events draw the same noise."""

    def step(self, diffusion, z, s, t, key, given):
        return super().step(diffusion, z, s, t, jr.key(0), given)


@catalogue.caught_by("exact-on-finite")
class NetworkAskedTooEarly(Ancestral):
    """Asks the network at the time where the step ends, not where it starts."""

    def step(self, diffusion, z, s, t, key, given):
        return diffusion.kernel.reverse(diffusion.params(z, s, given), z, s, t).sample(key)


@catalogue.caught_by("exact-on-finite")
class DataFromTheLastTime(Ancestral):
    """Decodes the first noisy state as if it were the last."""

    def finish(self, diffusion, z, t, key, given):
        return super().finish(diffusion, z, jnp.ones_like(t), key, given)


@catalogue.caught_by("path")
class DataAsFloats(Ancestral):
    """Gives symbols back as floats."""

    def finish(self, diffusion, z, t, key, given):
        return super().finish(diffusion, z, t, key, given).astype(jnp.float32)


@catalogue.caught_by("path", raises=True)
class StatesAsFloats(Ancestral):
    """Hands a float to the step that comes next, where states are whole numbers."""

    def step(self, diffusion, z, s, t, key, given):
        return super().step(diffusion, z, s, t, key, given) * 1.0


@catalogue.caught_by("batches")
class NoiseOfNumpy(Ancestral):
    """Adds noise of numpy's generator: it is drawn when the program is compiled, once for each size of a batch."""

    def finish(self, diffusion, z, t, key, given):
        x = super().finish(diffusion, z, t, key, given)
        return x + np.random.normal(size=x.shape).astype(x.dtype)


@catalogue.caught_by("keys")
class OneKeyForTwoDraws(Ancestral):
    """Predicts and corrects with one key."""

    def step(self, diffusion, z, s, t, key, given):
        early = super().step(diffusion, z, s, t, key, given)
        late = diffusion.kernel.transition(early, s, t).sample(key)
        return super().step(diffusion, late, s, t, jr.fold_in(key, 1), given)


@catalogue.caught_by("events")
class SeedOfItsOwn(Ancestral):
    """Every draw is made with a seed that the sampler keeps: all samples are one."""

    def init(self, diffusion, key):
        return super().init(diffusion, jr.key(1))

    def step(self, diffusion, z, s, t, key, given):
        return super().step(diffusion, z, s, t, jr.key(2), given)

    def finish(self, diffusion, z, t, key, given):
        return super().finish(diffusion, z, t, jr.key(3), given)
