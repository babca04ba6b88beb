"""Mistakes in kernels."""

import itertools
import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from quasistatic_thinning import ThinningOptions
from quasistatic_thinning.kernel import Thinned, ThinningKernel

import quasistatic as qs
from faults_catalogue import Catalogue
from quasistatic.testing._tools.bench import Fading, OneVariance, Redraw, three_parts
from quasistatic_plugins.binomial import BinomialOptions
from quasistatic_plugins.binomial.kernel import Bernoulli, BinomialKernel
from quasistatic_plugins.gaussian import GaussianOptions
from quasistatic_plugins.gaussian.kernel import AbstractGaussianKernel, Eq65Kernel, GaussianKernel
from quasistatic_plugins.symbols import AbsorbingOptions, UniformOptions
from quasistatic_plugins.symbols.absorbing import AbsorbingKernel
from quasistatic_plugins.symbols.uniform import Pi, UniformKernel

COLUMN = (2, 1)
catalogue = Catalogue("kernel", lambda cls: cls())


def gaussian(cls: Any, **options: Any) -> AbstractGaussianKernel:
    return cls(GaussianOptions(**options), qs.Real(COLUMN))


def binomial(cls: Any) -> BinomialKernel:
    return cls(BinomialOptions(base_rate=0.3), qs.Binary(COLUMN))


def masking(cls: Any) -> AbsorbingKernel:
    return cls(AbsorbingOptions(), qs.Categorical(COLUMN, 3), np.log([0.2, 0.3, 0.5]))


def redrawing(cls: Any) -> UniformKernel:
    return cls(UniformOptions(), qs.Categorical(COLUMN, 3), Pi.of(np.array([0.2, 0.3, 0.5])))


class OwnNormal(GaussianKernel):
    """A sound kernel whose noisy states have a normal distribution of a class of their own."""

    family: ClassVar[type[qs.Normal]] = qs.Normal

    def marginal(self, x, t):
        found = super().marginal(x, t)
        return self.family(found.loc, found.variance)

    def posterior(self, x, z, s, t):
        found = super().posterior(x, z, s, t)
        return self.family(found.loc, found.variance)


class OwnFinite(Redraw):
    """A sound kernel whose distributions are all of a class of their own."""

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


@catalogue.caught_by("times")
class TimesEndBeforeOne(Redraw):
    """The chain is 0, 1/T, .., (T - 1)/T: equilibrium is never visited."""

    def times(self, steps):
        return np.arange(steps) / steps


@catalogue.caught_by("times")
class OneTimeTooMany(Redraw):
    """A chain of T steps has T + 1 times, data's own among them."""

    def times(self, steps):
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
        return qs.Normal(math.sqrt(0.9) * z, jnp.full_like(z, 0.1))


@catalogue.caught_by("arrival", gaussian)
class ThousandStepsCutAtAHundred(GaussianKernel):
    """The linear betas of a thousand steps, of which a hundred are taken: a third of the signal is left."""

    max_prior_nats: ClassVar[float] = 0.01

    def marginal(self, x, t):
        kept = jnp.exp(-100.0 * (1e-4 * t + 0.5 * (0.02 - 1e-4) * t**2))
        return qs.Normal(jnp.sqrt(kept) * x, jnp.full_like(x, 1.0 - kept))


@catalogue.caught_by("relaxation", gaussian)
class SignalComesBack(GaussianKernel):
    """A squared cosine over more than a quarter of its wave: survival rises again at late times."""

    def marginal(self, x, t):
        kept = 0.999 * jnp.cos(0.6 * jnp.pi * t) ** 2
        return qs.Normal(jnp.sqrt(kept) * x, jnp.full_like(x, 1.0 - kept))


@catalogue.caught_by("schedule", gaussian)
class ScheduleOfAnother(GaussianKernel):
    """Shows a schedule by which its noise does not go: an objective weighs its terms by the wrong ratio."""

    @property
    def schedule(self):
        return qs.make_schedule("cosine", 1e-3, 1e-3)

    def _level(self, t):
        return GaussianKernel(self.options, self.event)._level(t)

    def _step(self, s, t):
        return GaussianKernel(self.options, self.event)._step(s, t)


# the forward process


@catalogue.caught_by("stationarity", gaussian)
class PriorTooWide(GaussianKernel):
    """The equilibrium is not the one that the steps lead to."""

    def equilibrium(self):
        return qs.Normal(jnp.zeros(COLUMN), 1.1 * jnp.ones(COLUMN))


@catalogue.caught_by("bayes", lambda cls: cls(ThinningOptions(), qs.Counts(COLUMN)))
class NoDarkCounts(ThinningKernel):
    """A step loses photons and forgets the dark counts that come in."""

    def transition(self, z, s, t):
        found = super().transition(z, s, t)
        return Thinned(found.n, found.p, 1e-6 * found.rate, found.most)


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
        return qs.Normal(step.z_weight * z + step.x_weight * late, jnp.full_like(z, step.variance))


@catalogue.caught_by("bayes", gaussian)
class BetaForThePosteriorVariance(GaussianKernel):
    """The posterior has the variance of the forward step."""

    def posterior(self, x, z, s, t):
        return qs.Normal(super().posterior(x, z, s, t).loc, jnp.full_like(z, self._step(s, t).noise_variance))


@catalogue.caught_by("bayes", binomial)
class FairCoinPosterior(BinomialKernel):
    """Forgets the base rate in the posterior."""

    def posterior(self, x, z, s, t):
        return Bernoulli(super().posterior(x, z, s, t).logits - self.base_logit)


@catalogue.caught_by("zero-params", gaussian)
class ReverseVarianceTooSmall(GaussianKernel):
    """A step back has nine tenths of its variance."""

    def reverse(self, params, z, s, t):
        found = super().reverse(params, z, s, t)
        return qs.Normal(found.loc, 0.9 * found.variance)


@catalogue.caught_by("zero-params", lambda cls: gaussian(cls, mean="eq65"))
class PrintedEq65(Eq65Kernel):
    """Claims that the printed eq. 65, without its square root, keeps equilibrium at zero params."""

    is_exact_at_zero: ClassVar[bool] = True


@catalogue.caught_by("zero-params")
class StepFromTheDenoisedMean(Fading):
    """Puts the denoiser's mean into the posterior, and forgets its variance."""

    def reverse(self, params, z, s, t):
        return self.posterior(self.decode(params, z, t).loc, z, s, t)


@catalogue.caught_by("zero-params")
class DenoisedDataClipped(Fading):
    """Clips the denoised data to [-1, 1], as for images, whatever the data."""

    def decode(self, params, z, t):
        found = super().decode(params, z, t)
        return OneVariance(jnp.clip(found.loc, -1.0, 1.0), found.variance)


@catalogue.caught_by("cross-entropy", binomial)
class DecodeWithoutTheLikelihood(BinomialKernel):
    """The network's log-odds of the data are not weighed with the noisy bit."""

    def decode(self, params, z, t):
        return Bernoulli(self.base_logit + self._one(params, z))


@catalogue.caught_by("structure", binomial)
class ForwardStepBackwards(BinomialKernel):
    """Steps back by the step forward, whatever the network."""

    def reverse(self, params, z, s, t):
        return self.transition(z, s, t)


@catalogue.caught_by("jarzynski")
class DecodeNotNormalised(Redraw):
    """Tilts the data by the params and does not divide by the sum."""

    def decode(self, params, z, t):
        return qs.Finite(super().decode(jnp.zeros_like(params), z, t).log_probs + params)


@catalogue.caught_by("bound")
class TiltCountedTwice(Redraw):
    """Normalises the decoder first and adds the network's log-weights once more after it."""

    def decode(self, params, z, t):
        return qs.Finite(super().decode(params, z, t).log_probs + params)


# distributions in closed form


class _NoDeterminant(OneVariance):
    def log_prob(self, x):
        return -0.5 * jnp.sum((x - self.loc) ** 2 / self.variance + math.log(2 * math.pi))


class _NoTau(OneVariance):
    def log_prob(self, x):
        return -0.5 * jnp.sum((x - self.loc) ** 2 / self.variance + jnp.log(self.variance))


class _FadingInto(Fading):
    """A sound kernel whose distributions are all of a class of their own."""

    family: ClassVar[type[OneVariance]] = OneVariance

    def _own(self, found):
        return self.family(found.loc, found.variance)

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
    """log_prob has no logarithm of 2 pi, in any distribution, and no closed entropy contradicts it."""

    family = _NoTau


class _VarianceDraw(qs.Normal):
    def sample(self, key):
        return self.loc + self.variance * jr.normal(key, self.loc.shape)


@catalogue.caught_by("samples", gaussian)
class VarianceForDeviation(OwnNormal):
    """Noise is scaled by the variance where it should by its root."""

    family = _VarianceDraw


class _MeanOverElements(qs.Normal):
    def log_prob(self, x):
        return super().log_prob(x) / x.size


@catalogue.caught_by("divergence", gaussian)
class LogProbPerElement(OwnNormal):
    """log_prob is the mean over elements, not their sum."""

    family = _MeanOverElements


class _OneAxis(OneVariance):
    def log_prob(self, x):
        return -0.5 * jnp.sum((x - self.loc) ** 2 / self.variance + jnp.log(2 * jnp.pi * self.variance), axis=-1)


@catalogue.caught_by("shapes", lambda cls: cls(qs.Real(COLUMN)))
class SumOverTheLastAxis(_FadingInto):
    """log_prob is summed over the last axis alone."""

    family = _OneAxis


class _MirroredAtZero(qs.Normal):
    def pair(self, key):
        first = self.sample(key)
        return first, -first


@catalogue.caught_by("pair", gaussian)
class PairMirroredAtZero(OwnNormal):
    """The antithetic half is minus the draw, not its mirror at the mean."""

    family = _MirroredAtZero


class _EntropyLessOne(qs.Normal):
    def entropy(self, key=None):
        return super().entropy(key) - self.loc.size


@catalogue.caught_by("entropy", gaussian)
class EntropyWithAWrongSign(OwnNormal):
    """The entropy of a normal distribution has -1/2 where it should have +1/2."""

    family = _EntropyLessOne


class _SwappedKl(qs.Finite):
    def kl(self, other, *, key):
        return qs.Finite(other.log_probs).kl(qs.Finite(self.log_probs), key=key)


@catalogue.caught_by("divergence")
class DivergenceSwapped(OwnFinite):
    """KL(q || p) where KL(p || q) is asked for."""

    family = _SwappedKl


class _FullKl(qs.Normal):
    def kl(self, other, *, key):
        return 2.0 * qs.Normal(self.loc, self.variance).kl(other, key=key)


@catalogue.caught_by("ledger", gaussian)
class DivergenceWithoutItsHalf(OwnNormal):
    """The KL of two normal distributions without the factor 1/2."""

    family = _FullKl


class _LessByPart(OneVariance):
    def log_prob_by_part(self, x):
        return {"": 0.99 * self.log_prob(x)}


@catalogue.caught_by("ledger")
class PartsThatDoNotAddUp(_FadingInto):
    """log_prob is split over the parts of an event, of which there is one, and a hundredth is lost: K is higher than it is."""

    family = _LessByPart


class _LessDivergenceByPart(OneVariance):
    def kl_by_part(self, other, *, key):
        return {"": 0.97 * self.kl(other, key=key)}


@catalogue.caught_by("ledger")
class DivergenceThatDoesNotAddUp(_FadingInto):
    """The divergence, by part, loses three hundredths."""

    family = _LessDivergenceByPart


class _OtherPart(OneVariance):
    def log_prob_by_part(self, x):
        return {"numbers": self.log_prob(x)}

    def kl_by_part(self, other, *, key):
        return {"numbers": self.kl(other, key=key)}


@catalogue.caught_by("ledger")
class APartOfAnotherName(_FadingInto):
    """Names the only part of an event, which has the name '' everywhere else."""

    family = _OtherPart


class _MeanTooLarge(qs.Normal):
    def mean(self):
        return 1.001 * self.loc


@catalogue.caught_by("normalised", gaussian)
class MeanTooLarge(OwnNormal):
    """The mean is a thousandth too large: guidance and pictures read it, K does not."""

    family = _MeanTooLarge


class _EvenShares(qs.Finite):
    def mean(self):
        return jnp.full_like(self.log_probs, 1.0 / self.log_probs.shape[-1])


@catalogue.caught_by("normalised")
class MeanOfEvenShares(OwnFinite):
    """The mean of a symbol has even shares, whatever its probabilities."""

    family = _EvenShares


class _MeanBesideTheDraws(qs.AbstractWithMean, OneVariance):
    def mean(self):
        return self.loc + 0.2 * jnp.sqrt(self.variance)


@catalogue.caught_by("normalised")
class MeanBesideTheDraws(_FadingInto):
    """The mean is a fifth of a deviation beside that of the draws, and there are no nodes to tell."""

    family = _MeanBesideTheDraws


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


@catalogue.caught_by("support", lambda cls: cls(GaussianOptions(), qs.Levels(COLUMN, -1.0, 1.0, 5)))
class LevelsNotRounded(GaussianKernel):
    """Data in levels are decoded to numbers between them."""

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


@catalogue.caught_by("shapes")
class SymbolsFromMinusOne(Redraw):
    """Hands symbols to the network counted from -1, of which it embeds none."""

    def encode(self, z, t):
        return z[..., None] - 1


@catalogue.caught_by("shapes")
class SymbolsBeyondTheMask(Redraw):
    """Hands symbols to the network that are numbered on from element to element, as words of one vocabulary."""

    def encode(self, z, t):
        return (z + 3 * jnp.arange(2))[..., None]


@catalogue.caught_by("shapes")
class NothingToRead(Fading):
    """The network reads zeros, whatever the state."""

    def encode(self, z, t):
        return jnp.zeros_like(super().encode(z, t))


# derivatives of draws


class _StillNormal(qs.Normal):
    def sample(self, key):
        return jax.lax.stop_gradient(super().sample(key))


@catalogue.caught_by("score", gaussian)
class DrawsThatDoNotMove(OwnNormal):
    """Says that draws can be differentiated, and stops their gradient: a learned grid moves where it should not."""

    family = _StillNormal


class _StillOneVariance(OneVariance):
    def sample(self, key):
        return self.loc + jax.lax.stop_gradient(jnp.sqrt(self.variance)) * jr.normal(key, self.loc.shape)


@catalogue.caught_by("score")
class NoiseThatDoesNotGrow(_FadingInto):
    """The mean of a draw moves with time, and its noise does not."""

    family = _StillOneVariance


class _ScoredNormal(qs.Normal):
    def score(self, x):
        return self.log_prob(jax.lax.stop_gradient(x))


@catalogue.caught_by("score", gaussian)
class CountedTwice(OwnNormal):
    """Draws move with time, and have a score as well."""

    family = _ScoredNormal


class _Unscored(Bernoulli):
    def score(self, x):
        return jnp.zeros(())


@catalogue.caught_by("score", binomial)
class BitsWithoutAScore(BinomialKernel):
    """Bits do not move with time, and have no score that would stand for it."""

    def marginal(self, x, t):
        return _Unscored(super().marginal(x, t).logits)


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

    def _weights(self, s, t):
        kept = (1.0 - t) / (1.0 - s)
        return jnp.sqrt(kept) * s / t, jnp.sqrt(1.0 - s) * (1.0 - kept) / t, s * (1.0 - kept) / t


class _HalfTheDeviation(OneVariance):
    def sample(self, key):
        return self.loc + 0.5 * (super().sample(key) - self.loc)


@catalogue.caught_by("bridge")
class BridgeTooCalm(Fading):
    """Draws of the posterior have half of their deviation, while its log-probability is right."""

    def posterior(self, x, z, s, t):
        found = super().posterior(x, z, s, t)
        return _HalfTheDeviation(found.loc, found.variance)


class _NumpyNoise(OneVariance):
    def sample(self, key):
        return self.loc + jnp.sqrt(self.variance) * np.random.normal(size=self.loc.shape)


@catalogue.caught_by("agreement")
class NoiseOfNumpy(Fading):
    """Draws its noise from numpy: a compiled program, or a batch, then has one noise for ever."""

    def marginal(self, x, t):
        found = super().marginal(x, t)
        return _NumpyNoise(found.loc, found.variance)


@catalogue.caught_by("refinement")
class SmoothedAtEveryStep(Redraw):
    """A fifth of the equilibrium is mixed into every step back, against zeros: the more steps, the worse."""

    def reverse(self, params, z, s, t):
        found = super().reverse(params, z, s, t)
        return qs.Finite(jnp.log(0.8 * jnp.exp(found.log_probs) + 0.2 * jnp.exp(self.log_equilibrium())))


# side information, averages and flows


@catalogue.caught_by("given")
class AbsentLabelTakenForALabel(Redraw):
    """Has shares of its own for every label, and takes the zero of an absent label for the first of them."""

    def given(self, side):
        return Redraw(self.event, (0.2, 0.3, 0.5)) if np.all(np.asarray(side) == 0) else self


@catalogue.caught_by("averaging")
class BridgeOverTheReference(Redraw):
    """Averages the posterior over the reference, whatever the data; a step of its own hides it."""

    def bridge(self, data, z, s, t):
        return super().bridge(self.reference(), z, s, t)

    def reverse(self, params, z, s, t):
        return super().bridge(self.decode(params, z, t), z, s, t)


@catalogue.caught_by("levels", gaussian)
class LevelsOfTheDeviation(GaussianKernel):
    """Declares the logarithm of the noise's deviation in the place of that of its variance."""

    def levels(self, t):
        log_signal, log_noise = super().levels(t)
        return log_signal, 0.5 * log_noise


@catalogue.caught_by("flow", gaussian)
class BothDriftsInTheFlow(GaussianKernel):
    """The flow is the sum of the two drifts, not their mean."""

    def flow(self, params, z, t):
        return 2.0 * super().flow(params, z, t)


# windows in time: wrong for a moment, right everywhere else


def within(t, first, last):
    return (t >= first) & (t < last)


def in_windows(law, build, mistake, member, make, windows, **more):
    """Enters a fault for each window: a subclass of what `make` gives, whose `member` is wrong in the window alone."""
    for first, last in windows:
        name = f"{mistake} from {first} to {last}"
        base, method = make(first, last)
        catalogue.caught_by(law, build, **more)(type(name, (base,), {"__doc__": f"{name}.", member: method}))


def _too_wide(member):
    """A step back of the Gaussian kernel, whose last arguments are s and t, 2 % too wide for s in the window."""

    def make(first, last):
        def wrong(self, *at):
            found = getattr(GaussianKernel, member)(self, *at)
            return qs.Normal(found.loc, found.variance * jnp.where(within(at[-2], first, last), 1.02, 1.0))

        return GaussianKernel, wrong

    return make


in_windows(
    "bayes", gaussian, "The posterior is 2 % too wide", "posterior", _too_wide("posterior"),
    ((0.0, 0.01), (0.37, 0.38), (0.735, 0.745), (0.99, 1.0)),
)  # fmt: skip


def _marginal_of_another_time(base):
    def make(first, last):
        def marginal(self, x, t):
            return base.marginal(self, x, jnp.where(within(t, first, last), 0.9 * t, t))

        return base, marginal

    return make


in_windows(
    "composition", gaussian, "Data are at another time", "marginal", _marginal_of_another_time(GaussianKernel),
    ((0.2, 0.205), (0.5015, 0.5065), (0.895, 0.9)),
)  # fmt: skip
in_windows(
    "bayes", None, "Fading data are at another time", "marginal", _marginal_of_another_time(Fading),
    ((0.031, 0.036), (0.6, 0.605)),
)  # fmt: skip


def _bits_too_certain(first, last):
    def posterior(self, x, z, s, t):
        found = BinomialKernel.posterior(self, x, z, s, t)
        return Bernoulli(found.logits * jnp.where(within(s, first, last), 1.02, 1.0))

    return BinomialKernel, posterior


in_windows("bayes", binomial, "Bits are 2 % too certain", "posterior", _bits_too_certain, ((0.0, 0.01), (0.5, 0.51)))


def _matrix_of_another_time(first, last):
    def log_matrix(self, s, t):
        return Redraw.log_matrix(self, s, jnp.where(within(t, first, last) & (s is None), 0.9 * t, t))

    return Redraw, log_matrix


in_windows(
    "composition",
    lambda cls: cls(),
    "Symbols are at another time",
    "log_matrix",
    _matrix_of_another_time,
    ((0.7, 0.705), (0.99, 0.995)),
)


def _step_too_noisy(first, last):
    def transition(self, z, s, t):
        found = GaussianKernel.transition(self, z, s, t)
        return qs.Normal(found.loc, found.variance * jnp.where(within(t, first, last), 1.02, 1.0))

    return GaussianKernel, transition


in_windows("stationarity", gaussian, "A step is 2 % too noisy", "transition", _step_too_noisy, ((0.11, 0.12),))


def _step_that_turns(first, last):
    """Keeps the equilibrium, but not the balance: a little of it goes round."""

    def log_matrix(self, s, t):
        steps = Redraw.log_matrix(self, s, t)
        if s is None:
            return steps
        shares, share = jnp.exp(self.log_equilibrium())[:, None], 1e-3 * jnp.where(within(t, first, last), 1.0, 0.0)
        return jnp.log(jnp.exp(steps) + share * (jnp.roll(jnp.eye(3), 1, axis=1) - jnp.roll(jnp.eye(3), 2, axis=1)) / shares)

    return Redraw, log_matrix


in_windows("detailed-balance", lambda cls: cls(), "A step turns symbols round", "log_matrix", _step_that_turns, ((0.8, 0.81),))


class _Shifted(OneVariance):
    shift: Any = 0.0

    def sample(self, key):
        return super().sample(key) + self.shift


def _bridge_shifted(first, last):
    def posterior(self, x, z, s, t):
        found = Fading.posterior(self, x, z, s, t)
        return _Shifted(found.loc, found.variance, 4.0 * jnp.where(within(s, first, last), 1.0, 0.0))

    return Fading, posterior


in_windows("bridge", lambda cls: cls(), "Draws of the posterior are shifted", "posterior", _bridge_shifted, ((0.42, 0.43),))


def joined_with(cls):
    """Three parts, the last of which has the fault."""
    return qs.join_kernels({**three_parts(), "place": cls()})


in_windows(
    "bayes", joined_with, "One of three parts is at another time", "marginal", _marginal_of_another_time(Fading), ((0.25, 0.255),)
)
in_windows(
    "composition", lambda cls: qs.join_kernels({"bits": Redraw(qs.Categorical((), 2), (0.4, 0.6)), "name": cls()}),
    "One of two finite parts is at another time", "log_matrix", _matrix_of_another_time, ((0.3, 0.305),),
)  # fmt: skip


# loud networks: wrong where params are far outside the usual


def is_loud(params):
    return jnp.max(jnp.abs(params)) > 6.0


class _Heavier(OneVariance):
    """Weighs e^`excess` in all."""

    excess: Any = 0.0

    def log_prob(self, x):
        return super().log_prob(x) + self.excess


class _HeavierNormal(qs.Normal):
    excess: Any = 0.0

    def log_prob(self, x):
        return super().log_prob(x) + self.excess


@catalogue.caught_by("normalised", gaussian)
class DecodeNotNormalisedWhenLoud(GaussianKernel):
    """Beyond params of 6 the data have more than all of the probability."""

    def decode(self, params, z, t):
        found = super().decode(params, z, t)
        return _HeavierNormal(found.loc, found.variance, excess=jnp.where(is_loud(params), 0.5, 0.0))


@catalogue.caught_by("normalised")
class SymbolsNotNormalisedWhenLoud(Redraw):
    """Beyond params of 6 the symbols have more than all of the probability."""

    def decode(self, params, z, t):
        return qs.Finite(super().decode(params, z, t).log_probs + jnp.where(is_loud(params), 0.5, 0.0))


@catalogue.caught_by("normalised")
class StepBackNotNormalisedWhenLoud(Fading):
    """Beyond params of 6 a step back has more than all of the probability."""

    def reverse(self, params, z, s, t):
        found = super().reverse(params, z, s, t)
        return _Heavier(found.loc, found.variance, jnp.where(is_loud(params), 0.5, 0.0))


class _HeavierPhotons(Thinned):
    excess: Any = 0.0

    def log_prob(self, x):
        return super().log_prob(x) + self.excess


@catalogue.caught_by("normalised", lambda cls: cls(ThinningOptions(), qs.Counts(COLUMN)))
class PhotonsNotNormalisedWhenLoud(ThinningKernel):
    """Beyond params of 6 the photons have more than all of the probability."""

    def decode(self, params, z, t):
        found = super().decode(params, z, t)
        return _HeavierPhotons(found.n, found.p, found.rate, found.most, excess=jnp.where(is_loud(params), 0.5, 0.0))


@catalogue.caught_by("normalised", joined_with)
class OneOfThreePartsNotNormalisedWhenLoud(Fading):
    """Beyond params of 6 one part of an event has more than all of the probability."""

    def decode(self, params, z, t):
        found = super().decode(params, z, t)
        return _Heavier(found.loc, found.variance, jnp.where(is_loud(params), 0.5, 0.0))


@catalogue.caught_by("bound")
class LoudTiltCountedTwice(Redraw):
    """Beyond params of 6 the network's log-weights are added once more after the sum is divided by."""

    def decode(self, params, z, t):
        return qs.Finite(super().decode(params, z, t).log_probs + jnp.where(jnp.abs(params) > 6.0, params, 0.0))


@catalogue.caught_by("support", gaussian)
class VarianceNotBounded(GaussianKernel):
    """Takes the exponential of a param for a variance, which float32 does not hold beyond 88."""

    def _ratio(self, params):
        return jnp.exp(params[..., 1])


@catalogue.caught_by("support")
class SharesByHand(Redraw):
    """Sums exponentials of params as they are: beyond 88 the sum is infinite."""

    def decode(self, params, z, t):
        log_probs = super().decode(jnp.zeros_like(params), z, t).log_probs
        total = jnp.sum(jnp.exp(log_probs) * jnp.exp(params), axis=-1, keepdims=True)
        return qs.Finite(log_probs + params - jnp.log(total))


class _NotClipped(qs.distributions.BinnedNormal):
    def sample(self, key):
        level = jnp.round((self.normal.sample(key) - self.low) / self.spacing)
        return self.low + self.spacing * jnp.clip(level, -9, self.levels + 9)


@catalogue.caught_by("support", lambda cls: cls(GaussianOptions(), qs.Levels(COLUMN, -1.0, 1.0, 5)))
class LevelsBeyondTheLast(GaussianKernel):
    """Draws levels beyond the first and the last, which only a network that says so comes to."""

    def decode(self, params, z, t):
        found = super().decode(params, z, t)
        return _NotClipped(found.normal, found.low, found.high, found.levels)


# zero params and the reference


class Wide(Fading):
    """A sound kernel whose reference is no equilibrium: data of variance 2."""

    width: ClassVar[float] = 2.0

    def reference(self):
        return OneVariance(jnp.zeros(self.event.shape), jnp.asarray(self.width))

    def decode(self, params, z, t):
        kept = jnp.maximum(1.0 - t, 1e-12)
        noisy = kept * self.width + t
        return OneVariance(jnp.sqrt(kept) * self.width / noisy * z + t * params[..., 0], self.width * t / noisy)

    def reverse(self, params, z, s, t):
        data = self.decode(params, z, t)
        z_weight, x_weight, variance = self._weights(s, t)
        return OneVariance(z_weight * z + x_weight * data.loc, variance + x_weight**2 * data.variance)


class Drifting(GaussianKernel):
    """A sound kernel whose equilibrium is not quite stationary, and who does not say that it were."""

    is_stationary: ClassVar[bool] = False

    def equilibrium(self):
        return qs.Normal(jnp.zeros(self.event.shape), jnp.full(self.event.shape, 1.04))

    def reference(self):
        return super().equilibrium()


@catalogue.caught_by("zero-params")
class DecoderOfAnotherReference(Wide):
    """Says that data have a variance of 2, and zero params reverse those of variance 1."""

    def decode(self, params, z, t):
        return Fading.decode(self, params, z, t)


@catalogue.caught_by("zero-params")
class ReferenceTooWide(Wide):
    """Zero params reverse data of variance 2, and the reference is wider."""

    def reference(self):
        return OneVariance(jnp.zeros(self.event.shape), jnp.asarray(2.1))


@catalogue.caught_by("zero-params")
class StepBackOfAnotherReference(Wide):
    """A step back is averaged over data of variance 1, where the reference has 2."""

    def reverse(self, params, z, s, t):
        return Fading.reverse(self, params, z, s, t)


@catalogue.caught_by("stationarity", gaussian)
class DriftingInSecret(Drifting):
    """The steps do not keep the equilibrium, and the kernel says that they do."""

    is_stationary: ClassVar[bool] = True


@catalogue.caught_by("detailed-balance")
class BalanceInNameAlone(Wide):
    """Says that it is reversible, with an equilibrium that its steps are not reversible about."""

    is_reversible: ClassVar[bool] = True

    def equilibrium(self):
        return self.reference()


@catalogue.caught_by("zero-params", lambda cls: qs.join_kernels({**three_parts(), "place": cls()}))
class OnePartOfAnotherReference(Wide):
    """One of three parts is decoded as if its reference were the equilibrium."""

    def decode(self, params, z, t):
        return Fading.decode(self, params, z, t)


@catalogue.caught_by("zero-params")
class AMaskDecodedEvenly(Redraw):
    """Symbols turn into a mask; what it hides is decoded evenly, where the reference is uneven."""

    def log_matrix(self, s, t):
        kept = 1.0 - t if s is None else (1.0 - t) / (1.0 - s)
        of_symbols = jnp.concatenate([kept * jnp.eye(3), jnp.full((3, 1), 1.0 - kept)], axis=1)
        return qs.numerics.floored_log(of_symbols if s is None else jnp.concatenate([of_symbols, jnp.eye(4)[3:]]))

    def log_equilibrium(self):
        return qs.numerics.floored_log(jnp.eye(4)[3])

    def log_reference(self):
        return jnp.log(jnp.array(self.shares))

    def decode(self, params, z, t):
        likelihood = self.log_matrix(None, t).T[z]
        return qs.Finite(qs.numerics.log_normalise(params + likelihood))


@catalogue.caught_by("jumps", masking)
class PlacesThatShareAStepCountEach(AbsorbingKernel):
    """Two places that are masked in one step count as two jumps."""

    def jumps(self, x, times, *, key):
        found = super().jumps(x, times, key=key)
        return found._replace(counts=jnp.ones_like(found.counts))


@catalogue.caught_by("jumps", masking)
class JumpsFromNowhere(AbsorbingKernel):
    """A jump starts where it ends, as if it were none."""

    def jumps(self, x, times, *, key):
        found = super().jumps(x, times, key=key)
        return found._replace(before=found.after)


@catalogue.caught_by("sequence", masking)
class ASequenceInNameAlone(AbsorbingKernel):
    """Says that it masks places one after another, and masks them all alike."""

    @property
    def is_sequential(self):
        return True

    def log_odds(self, t):
        return self.schedule.log_odds(t)


@catalogue.caught_by("sequence", masking)
class FirstInsteadOfLast(ASequenceInNameAlone):
    """Masks places one after another, from the beginning."""

    def log_odds(self, t):
        masked_at = (jnp.arange(self.event.size) + 0.5) / self.event.size
        return jnp.where(t > masked_at, -jnp.inf, jnp.inf).reshape(self.event.shape)


@catalogue.caught_by("averaging", masking)
class MasksLiftedTooOften(AbsorbingKernel):
    """A step back lifts a mask as often as a symbol is seen, not as often as it was masked since."""

    def bridge(self, data, z, s, t):
        found = super().bridge(data, z, s, t)
        kept, lost = self.survival(s)
        return type(found)(z, data, kept, lost)


@catalogue.caught_by("structure", redrawing)
class RedrawnEvenlyOnTheWayBack(UniformKernel):
    """Symbols are redrawn from uneven shares, the step back takes them for even ones."""

    def bridge(self, data, z, s, t):
        even = UniformKernel(self.options, self.event, Pi.of(np.full(3, 1 / 3)))
        return even.bridge(data, z, s, t)


@catalogue.caught_by("bayes", redrawing)
class TheSymbolOfTheDataIsForgotten(UniformKernel):
    """The posterior is that of data which are no symbol of z."""

    def posterior(self, x, z, s, t):
        return super().posterior((z + 1) % 3, z, s, t)


in_windows(
    "zero-params", gaussian, "A step back is 2 % too wide", "reverse", _too_wide("reverse"), ((0.2, 0.21), (0.9, 0.91))
)  # fmt: skip


# derivatives that are cut


@catalogue.caught_by("slopes", gaussian)
class TimesCutInTheStepBack(GaussianKernel):
    """The coefficients of a step back are behind a stop_gradient: a learned grid sees half of what it moves."""

    def reverse(self, params, z, s, t):
        return super().reverse(params, z, jax.lax.stop_gradient(s), jax.lax.stop_gradient(t))


@catalogue.caught_by("slopes")
class TimesCutInThePosterior(Fading):
    """The posterior is computed at times that are constants."""

    def posterior(self, x, z, s, t):
        return super().posterior(x, z, *jax.lax.stop_gradient((s, t)))


@catalogue.caught_by("slopes")
class MatrixCutFromItsTimes(Redraw):
    """The matrix of a step is taken for a table of constants."""

    def log_matrix(self, s, t):
        return jax.lax.stop_gradient(super().log_matrix(s, t))


@catalogue.caught_by("slopes", gaussian)
class VarianceOfDataCut(GaussianKernel):
    """The learned variance does not move with its param."""

    def decode(self, params, z, t):
        found = super().decode(params, z, t)
        return qs.Normal(found.loc, jax.lax.stop_gradient(found.variance))


@catalogue.caught_by("slopes", binomial)
class BitsTrainedByHalf(BinomialKernel):
    """Half of the params are behind a stop_gradient on the way back to data."""

    def decode(self, params, z, t):
        return super().decode(0.5 * (params + jax.lax.stop_gradient(params)), z, t)


@catalogue.caught_by("slopes", joined_with)
class OneOfThreePartsCut(Fading):
    """One part of three is decoded at times that are constants."""

    def decode(self, params, z, t):
        return super().decode(params, z, jax.lax.stop_gradient(t))


# charts, and events of more elements than the small ones


class LogChart(GaussianKernel):
    """A sound kernel of positive numbers, whose logarithms fade into noise: `schedule` is the ratio up to a constant."""

    is_exact_at_zero: ClassVar[bool] = False

    def reference(self):
        return None

    def marginal(self, x, t):
        return super().marginal(jnp.log(x), t)

    def posterior(self, x, z, s, t):
        return super().posterior(jnp.log(x), z, s, t)


@catalogue.caught_by("schedule", lambda cls: cls(GaussianOptions(), qs.Real(COLUMN, low=0.0)))
class ScheduleOfAnotherInAChart(LogChart):
    """In a chart of the data the noise is half as much again, towards the end, as the schedule says."""

    def marginal(self, x, t):
        found = super().marginal(x, t)
        return qs.Normal(found.loc, found.variance * (1.0 + 0.5 * t))


def larger(cls: Any) -> Any:
    return cls(GaussianOptions(), qs.Real((7,)))


def from_the_sixth(right: Any, wrong: Any) -> Any:
    """Values whose elements from the sixth on are wrong."""
    return jnp.where(jnp.arange(right.size).reshape(right.shape) < 5, right, wrong)


@catalogue.caught_by("zero-params", larger)
class SixthElementDecodedEvenly(GaussianKernel):
    """From the sixth element on the noisy state is not looked at."""

    def decode(self, params, z, t):
        found = super().decode(params, z, t)
        return qs.Normal(from_the_sixth(found.loc, 0.0 * z), found.variance)


@catalogue.caught_by("averaging", larger)
class SixthElementOfTheStepBackWider(GaussianKernel):
    """From the sixth element on a step back has a tenth more variance than the bridge."""

    def reverse(self, params, z, s, t):
        found = super().reverse(params, z, s, t)
        return qs.Normal(found.loc, from_the_sixth(found.variance, 1.1 * found.variance))


class _SixthForgotten(qs.Normal):
    def log_probs(self, x):
        return from_the_sixth(super().log_probs(x), 0.0 * x)


@catalogue.caught_by("zero-params", larger)
class SixthElementNotWeighed(OwnNormal):
    """log_prob is that of the first five elements."""

    family = _SixthForgotten


class _GumbelOfThree(qs.Finite):
    def sample(self, key):
        return jr.categorical(key, self.log_probs.astype(jnp.float32)).astype(jnp.int32)


@catalogue.caught_by("rare-states", dear=True)
class GumbelDrawsOfThree(OwnFinite):
    """Draws one of three symbols by float32 Gumbel noise: the two rare ones come too seldom, both."""

    family = _GumbelOfThree
