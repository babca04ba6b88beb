"""Mistakes in kernels."""

import itertools
import math
from typing import Any, ClassVar

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from quasistatic_thinning import ThinningOptions
from quasistatic_thinning.kernel import Thinned, ThinningKernel

import quasistatic as qs
from faults_catalogue import Catalogue
from quasistatic.testing import _bench
from quasistatic.testing._bench import Fading, Redraw
from quasistatic_plugins.binomial import BinomialOptions
from quasistatic_plugins.binomial.kernel import Bernoulli, BinomialKernel
from quasistatic_plugins.gaussian import GaussianOptions
from quasistatic_plugins.gaussian.distribution import Normal
from quasistatic_plugins.gaussian.kernel import GaussianKernel

COLUMN = (2, 1)
catalogue = Catalogue("kernel", lambda cls: cls())


def gaussian(cls: Any, **options: Any) -> GaussianKernel:
    return cls(GaussianOptions(**options), qs.Event(COLUMN))


def binomial(cls: Any) -> BinomialKernel:
    return cls(BinomialOptions(base_rate=0.3), qs.Event(COLUMN, "binary"))


class OwnNormal(GaussianKernel):
    """A sound kernel whose noisy states have a normal law of a class of their own."""

    family: ClassVar[type[Normal]] = Normal

    def marginal(self, x, t):
        law = super().marginal(x, t)
        return self.family(law.loc, law.variance)

    def posterior(self, x, z, s, t):
        law = super().posterior(x, z, s, t)
        return self.family(law.loc, law.variance)


class OwnFinite(Redraw):
    """A sound kernel whose laws are all of a class of their own."""

    family: ClassVar[type[qs.Finite]] = qs.Finite

    def equilibrium(self):
        return self.family(super().equilibrium().log_probs)

    def reference(self):
        return self.family(super().reference().log_probs)

    def marginal(self, x, t):
        return self.family(super().marginal(x, t).log_probs)

    def transition(self, z, s, t):
        return self.family(super().transition(z, s, t).log_probs)

    def decode(self, params, z, t):
        return self.family(super().decode(params, z, t).log_probs)


# times and schedules


@catalogue.caught_by("grid")
class TimesEndBeforeOne(Redraw):
    """The chain is 0, 1/T, .., (T - 1)/T: equilibrium is never visited."""

    def grid(self, steps):
        return np.arange(steps) / steps


@catalogue.caught_by("grid")
class OneTimeTooMany(Redraw):
    """A chain of T steps has T + 1 times, data's own among them."""

    def grid(self, steps):
        return np.linspace(0.0, 1.0, steps + 1)


@catalogue.caught_by("composition", gaussian)
class StepStartsTooEarly(GaussianKernel):
    """A step adds the noise of a step that starts a little earlier."""

    def transition(self, z, s, t):
        return super().transition(z, 0.9 * s, t)


@catalogue.caught_by("composition", gaussian)
class NoisePerStep(GaussianKernel):
    """A step adds a beta of its own, whatever the time that it takes."""

    def transition(self, z, s, t):
        return Normal(math.sqrt(0.9) * z, jnp.full_like(z, 0.1))


@catalogue.caught_by("arrival", gaussian)
class ThousandStepsCutAtAHundred(GaussianKernel):
    """The linear betas of a thousand steps, of which a hundred are taken: a third of the signal is left."""

    arrival_nats: ClassVar[float] = 0.01

    def marginal(self, x, t):
        kept = jnp.exp(-100.0 * (1e-4 * t + 0.5 * (0.02 - 1e-4) * t**2))
        return Normal(jnp.sqrt(kept) * x, jnp.full_like(x, 1.0 - kept))


@catalogue.caught_by("relaxation", gaussian)
class SignalComesBack(GaussianKernel):
    """A squared cosine over more than a quarter of its wave: survival rises again at late times."""

    def marginal(self, x, t):
        kept = 0.999 * jnp.cos(0.6 * jnp.pi * t) ** 2
        return Normal(jnp.sqrt(kept) * x, jnp.full_like(x, 1.0 - kept))


# the forward process


@catalogue.caught_by("stationarity", gaussian)
class PriorTooWide(GaussianKernel):
    """The equilibrium is not the one that the steps lead to."""

    def equilibrium(self):
        return Normal(jnp.zeros(COLUMN), 1.1 * jnp.ones(COLUMN))


@catalogue.caught_by("bayes", lambda cls: cls(ThinningOptions(), qs.Event(COLUMN, "count")))
class NoDarkCounts(ThinningKernel):
    """A step loses photons and forgets the dark counts that come in."""

    def transition(self, z, s, t):
        law = super().transition(z, s, t)
        return Thinned(law.n, law.p, 1e-6 * law.rate, law.most)


@catalogue.caught_by("structure", binomial)
class RootedSurvival(BinomialKernel):
    """Takes the root of the survival, which is right for a Gaussian."""

    def marginal(self, x, t):
        kept = jnp.exp(0.5 * qs.log_survival(self.schedule.log_odds(t)))
        p = kept * x + (1 - kept) * self.options.base_rate
        return Bernoulli(jnp.log(p) - jnp.log1p(-p))


@catalogue.caught_by("detailed-balance")
class TransposedMatrix(Redraw):
    """The matrix of a step is [to, from]."""

    def log_matrix(self, s, t):
        return super().log_matrix(s, t).T


@catalogue.caught_by("composition")
class ProbabilitiesPlusAThousandth(Redraw):
    """Adds 1e-3 to every probability, to keep its logarithm finite."""

    def log_matrix(self, s, t):
        return jnp.log(jnp.exp(super().log_matrix(s, t)) + 1e-3)


# the way back


@catalogue.caught_by("bayes", gaussian)
class DataAtTheLaterTime(GaussianKernel):
    """The posterior reads the data as they are at t where it should as they are at s."""

    def posterior(self, x, z, s, t):
        step = self._step(s, t)
        late = self.marginal(x, t).loc / jnp.maximum(self._level(s)[0], 1e-6)
        return Normal(step.keep * z + step.pull * late, jnp.full_like(z, step.open))


@catalogue.caught_by("bayes", gaussian)
class BetaForThePosteriorVariance(GaussianKernel):
    """The posterior has the variance of the forward step."""

    def posterior(self, x, z, s, t):
        return Normal(super().posterior(x, z, s, t).loc, jnp.full_like(z, self._step(s, t).added))


@catalogue.caught_by("bayes", binomial)
class FairCoinPosterior(BinomialKernel):
    """Forgets the base rate in the posterior."""

    def posterior(self, x, z, s, t):
        return Bernoulli(super().posterior(x, z, s, t).logits - self.base_logit)


@catalogue.caught_by("zero-params", gaussian)
class ReverseVarianceTooSmall(GaussianKernel):
    """A step back has nine tenths of its variance."""

    def reverse(self, params, z, s, t):
        law = super().reverse(params, z, s, t)
        return Normal(law.loc, 0.9 * law.variance)


@catalogue.caught_by("zero-params", lambda cls: gaussian(cls, mean="eq65"))
class PrintedEq65(GaussianKernel):
    """Claims that the printed eq. 65, without its square root, keeps equilibrium at zero params."""

    exact_at_zero: ClassVar[bool] = True


@catalogue.caught_by("zero-params")
class StepFromTheDenoisedMean(Fading):
    """Puts the denoiser's mean into the posterior, and forgets what the mean does not say."""

    def reverse(self, params, z, s, t):
        return self.posterior(self.decode(params, z, t).loc, z, s, t)


@catalogue.caught_by("zero-params")
class DenoisedDataClipped(Fading):
    """Clips the denoised data to [-1, 1], as for images, whatever the data."""

    def decode(self, params, z, t):
        law = super().decode(params, z, t)
        return _bench.Normal(jnp.clip(law.loc, -1.0, 1.0), law.variance)


@catalogue.caught_by("cross-entropy", binomial)
class DecodeWithoutTheLikelihood(BinomialKernel):
    """What the network says of the data is not weighed with the noisy bit."""

    def decode(self, params, z, t):
        return Bernoulli(self.base_logit + self._one(params, z))


@catalogue.caught_by("structure", binomial)
class ForwardStepBackwards(BinomialKernel):
    """Steps back by the step forward, whatever the network says."""

    def reverse(self, params, z, s, t):
        return self.transition(z, s, t)


@catalogue.caught_by("jarzynski")
class DecodeNotNormalised(Redraw):
    """Tilts the data by the params and does not divide by the sum."""

    def _log_decode(self, params, z, t):
        return super()._log_decode(jnp.zeros_like(params), z, t) + params


@catalogue.caught_by("bound")
class TiltCountedTwice(Redraw):
    """Normalises the decoder first and adds the network's log-weights once more after it."""

    def _log_decode(self, params, z, t):
        return super()._log_decode(params, z, t) + params


# laws in closed form


class _NoDeterminant(_bench.Normal):
    def log_prob(self, x):
        return -0.5 * jnp.sum((x - self.loc) ** 2 / self.variance + math.log(2 * math.pi))


class _NoTau(_bench.Normal):
    def log_prob(self, x):
        return -0.5 * jnp.sum((x - self.loc) ** 2 / self.variance + jnp.log(self.variance))


class _FadingInto(Fading):
    """A sound kernel whose laws are all of a class of their own."""

    family: ClassVar[type[_bench.Normal]] = _bench.Normal

    def _own(self, law):
        return self.family(law.loc, law.variance)

    def equilibrium(self):
        return self._own(super().equilibrium())

    def marginal(self, x, t):
        return self._own(super().marginal(x, t))

    def transition(self, z, s, t):
        return self._own(super().transition(z, s, t))

    def posterior(self, x, z, s, t):
        return self._own(super().posterior(x, z, s, t))

    def decode(self, params, z, t):
        return self._own(super().decode(params, z, t))

    def reverse(self, params, z, s, t):
        return self._own(super().reverse(params, z, s, t))


@catalogue.caught_by("overlap")
class DeterminantForgotten(_FadingInto):
    """log_prob has no logarithm of the variance."""

    family = _NoDeterminant


@catalogue.caught_by("normalised")
class ConstantForgotten(_FadingInto):
    """log_prob has no logarithm of 2 pi, in any law, and no closed entropy says otherwise."""

    family = _NoTau


class _VarianceDraw(Normal):
    def sample(self, key):
        return self.loc + self.variance * jr.normal(key, self.loc.shape)


@catalogue.caught_by("samples", gaussian)
class VarianceForDeviation(OwnNormal):
    """Noise is scaled by the variance where it should by its root."""

    family = _VarianceDraw


class _MeanOverElements(Normal):
    def log_prob(self, x):
        return super().log_prob(x) / x.size


@catalogue.caught_by("divergence", gaussian)
class LogProbPerElement(OwnNormal):
    """log_prob is the mean over elements, not their sum."""

    family = _MeanOverElements


class _OneAxis(_bench.Normal):
    def log_prob(self, x):
        return -0.5 * jnp.sum((x - self.loc) ** 2 / self.variance + jnp.log(2 * jnp.pi * self.variance), axis=-1)


@catalogue.caught_by("shapes", lambda cls: cls(qs.Event(COLUMN)))
class SumOverTheLastAxis(_FadingInto):
    """log_prob is summed over the last axis alone."""

    family = _OneAxis


class _MirroredAtZero(Normal):
    def pair(self, key):
        first = self.sample(key)
        return first, -first


@catalogue.caught_by("pair", gaussian)
class PairMirroredAtZero(OwnNormal):
    """The antithetic half is minus the draw, not its mirror at the mean."""

    family = _MirroredAtZero


class _EntropyLessOne(Normal):
    def entropy(self, key=None):
        return super().entropy(key) - self.loc.size


@catalogue.caught_by("entropy", gaussian)
class EntropyWithAWrongSign(OwnNormal):
    """The entropy of a normal law has -1/2 where it should have +1/2."""

    family = _EntropyLessOne


class _SwappedKl(qs.Finite):
    def kl(self, other, key):
        return qs.Finite(other.log_probs).kl(qs.Finite(self.log_probs), key)


@catalogue.caught_by("divergence")
class DivergenceSwapped(OwnFinite):
    """KL(q || p) where KL(p || q) is asked for."""

    family = _SwappedKl


class _FullKl(Normal):
    def kl(self, other, key):
        return 2.0 * Normal(self.loc, self.variance).kl(other, key)


@catalogue.caught_by("ledger", gaussian)
class DivergenceWithoutItsHalf(OwnNormal):
    """The KL of two normal laws without the factor 1/2."""

    family = _FullKl


# draws and keys


class _CumulativeSum(qs.Finite):
    def _at(self, u):
        return jnp.sum(u[..., None] >= jnp.cumsum(jnp.exp(self.log_probs), axis=-1), axis=-1).astype(jnp.int32)


@catalogue.caught_by("extreme-words")
class CumulativeSumBelowOne(OwnFinite):
    """Inverts a cumulative sum that rounding leaves below 1: now and then the state after the last is drawn."""

    family = _CumulativeSum


class _Gumbel(Bernoulli):
    def sample(self, key):
        g = -jnp.log(-jnp.log(jr.uniform(key, (2, *self.logits.shape)) + 1e-10) + 1e-10)
        return jnp.where(self.logits + g[0] > g[1], 1.0, 0.0)


@catalogue.caught_by("rare-states", binomial, dear=True)
class GumbelDraws(BinomialKernel):
    """Draws by float32 Gumbel noise, as is usual: what is rarer than 1e-7 never comes."""

    def decode(self, params, z, t):
        return _Gumbel(super().decode(params, z, t).logits)


class _OneKey(qs.Finite):
    def sample(self, key):
        return super().sample(jr.key(0))


@catalogue.caught_by("keys")
class SeedFromAConstant(OwnFinite):
    """Draws with a key of its own, always the same."""

    family = _OneKey


class _SameTwice(qs.Finite):
    def pair(self, key):
        return self.sample(key), self.sample(key)


@catalogue.caught_by("keys")
class PairFromOneKey(OwnFinite):
    """Two draws that should be independent, from one key."""

    family = _SameTwice


class _Counting(qs.Finite):
    def sample(self, key, calls=itertools.count()):  # noqa: B008 - this is the mistake
        return super().sample(jr.fold_in(key, next(calls)))


@catalogue.caught_by("keys")
class FoldedWithAGlobalCounter(OwnFinite):
    """The key is folded with the number of draws so far in this process."""

    family = _Counting


class _FromOne(qs.Finite):
    def sample(self, key):
        return super().sample(key) + 1


@catalogue.caught_by("support")
class SymbolsCountedFromOne(OwnFinite):
    """Draws 1 .. n where the data are 0 .. n - 1."""

    family = _FromOne


@catalogue.caught_by("support", lambda cls: cls(GaussianOptions(), qs.Event(COLUMN, low=-1.0, high=1.0, levels=5)))
class LevelsNotRounded(GaussianKernel):
    """Data in levels are decoded to figures between them."""

    def decode(self, params, z, t):
        return super().decode(params, z, t).normal


class _Floats(qs.Finite):
    def sample(self, key):
        return super().sample(key).astype(jnp.float32)


@catalogue.caught_by("shapes")
class SymbolsAsFloats(OwnFinite):
    """Draws symbols as floats, while steps and data are whole numbers."""

    family = _Floats

    def equilibrium(self):
        return Redraw().equilibrium()


# floating point


@catalogue.caught_by("precision", lambda cls: gaussian(cls, first_noise=1e-6))
class OneMinusSurvival(GaussianKernel):
    """The noise as 1 - survival, which float32 rounds away at early times."""

    def _level(self, t):
        kept = jnp.exp(qs.log_survival(self.schedule.log_odds(t)))
        return jnp.sqrt(kept), 1.0 - kept


@catalogue.caught_by("gradients")
class LengthOfTheParams(Fading):
    """Bounds the params by their length, guarded by a where that does not guard the gradient at zero."""

    def decode(self, params, z, t):
        length = jnp.sqrt(jnp.sum(params**2))
        return super().decode(jnp.where(length > 3.0, params * 3.0 / length, params), z, t)


@catalogue.caught_by("learned-grid")
class RootOfNothing(Fading):
    """The root of a survival that is zero at t = 1: its gradient is not finite."""

    def _bridge(self, s, t):
        kept = (1.0 - t) / (1.0 - s)
        return jnp.sqrt(kept) * s / t, jnp.sqrt(1.0 - s) * (1.0 - kept) / t, s * (1.0 - kept) / t


class _HalfTheDeviation(_bench.Normal):
    def sample(self, key):
        return self.loc + 0.5 * (super().sample(key) - self.loc)


@catalogue.caught_by("bridge")
class BridgeTooCalm(Fading):
    """Draws of the posterior have half of their deviation, while its log-probability is right."""

    def posterior(self, x, z, s, t):
        law = super().posterior(x, z, s, t)
        return _HalfTheDeviation(law.loc, law.variance)


class _NumpyNoise(_bench.Normal):
    def sample(self, key):
        return self.loc + jnp.sqrt(self.variance) * np.random.normal(size=self.loc.shape)


@catalogue.caught_by("agreement")
class NoiseOfNumpy(Fading):
    """Draws its noise from numpy: a compiled program, or a batch, then has one noise for ever."""

    def marginal(self, x, t):
        law = super().marginal(x, t)
        return _NumpyNoise(law.loc, law.variance)


@catalogue.caught_by("refinement")
class SmoothedAtEveryStep(Redraw):
    """A fifth of the equilibrium is mixed into every step back, against zeros: the more steps, the worse."""

    def reverse(self, params, z, s, t):
        law = super().reverse(params, z, s, t)
        return qs.Finite(jnp.log(0.8 * jnp.exp(law.log_probs) + 0.2 * jnp.exp(self.log_equilibrium())))
