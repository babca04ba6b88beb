"""Deliberate faults, each of which a law catches, and the sound components, which no law accuses."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import pytest

import quasistatic as qs
from quasistatic_plugins.ancestral import AncestralOptions
from quasistatic_plugins.ancestral.sampler import Ancestral
from quasistatic_plugins.binomial import BinomialOptions
from quasistatic_plugins.binomial.kernel import Bernoulli, BinomialKernel
from quasistatic_plugins.bound import BoundOptions
from quasistatic_plugins.bound.objective import Bound
from quasistatic_plugins.gaussian import GaussianOptions
from quasistatic_plugins.gaussian.distribution import Normal
from quasistatic_plugins.gaussian.kernel import GaussianKernel

REAL, BITS = qs.Event((2, 1)), qs.Event((2, 1), "binary")


def gaussian(cls=GaussianKernel, **options):
    return cls(GaussianOptions(**options), REAL)


def binomial(cls=BinomialKernel, **options):
    return cls(BinomialOptions(base_rate=0.3, **options), BITS)


class BetaOffByOne(GaussianKernel):
    """A step adds the noise of a step that starts a little earlier."""

    def transition(self, z, s, t):
        return super().transition(z, 0.9 * s, t)


class WrongPrior(GaussianKernel):
    def equilibrium(self):
        return Normal(jnp.zeros(self.event.shape), 1.1 * jnp.ones(self.event.shape))


class PosteriorAtTheWrongTime(GaussianKernel):
    """Uses the data as they are at t where it should as they are at s."""

    def posterior(self, x, z, s, t):
        step = self._step(s, t)
        late = self.marginal(x, t).loc / jnp.maximum(self._level(s)[0], 1e-6)
        return Normal(step.keep * z + step.pull * late, jnp.full_like(z, step.open))


class ReverseVarianceTooSmall(GaussianKernel):
    def reverse(self, params, z, s, t):
        law = super().reverse(params, z, s, t)
        return Normal(law.loc, 0.9 * law.variance)


class PrintedEq65(GaussianKernel):
    """Claims that the printed eq. 65, without its square root, keeps equilibrium at zero params."""

    exact_at_zero: ClassVar[bool] = True


class RootedSurvival(BinomialKernel):
    """Takes the root of the survival, which is right for a Gaussian."""

    def marginal(self, x, t):
        kept = jnp.exp(0.5 * qs.log_survival(self.schedule.log_odds(t)))
        rate = self.options.base_rate
        p = kept * x + (1 - kept) * rate
        return Bernoulli(jnp.log(p) - jnp.log1p(-p))


class FairCoinPosterior(BinomialKernel):
    """Forgets the base rate in the posterior."""

    def posterior(self, x, z, s, t):
        law = super().posterior(x, z, s, t)
        return Bernoulli(law.logits - self.base_logit)


class DecodeWithoutTheLikelihood(BinomialKernel):
    def decode(self, params, z, t):
        return Bernoulli(self.base_logit + self._one(params, z))


class ForwardStepBackwards(BinomialKernel):
    """Steps back by the step forward, whatever the network says."""

    def reverse(self, params, z, s, t):
        return self.transition(z, s, t)


class GumbelBits(Bernoulli):
    """Draws by float32 Gumbel noise, as is usual: what is rarer than 1e-7 never comes."""

    def sample(self, key):
        g = -jnp.log(-jnp.log(jr.uniform(key, (2, *self.logits.shape)) + 1e-10) + 1e-10)
        return jnp.where(self.logits + g[0] > g[1], 1.0, 0.0)


class Gumbel(BinomialKernel):
    def marginal(self, x, t):
        return GumbelBits(super().marginal(x, t).logits)

    def decode(self, params, z, t):
        return GumbelBits(super().decode(params, z, t).logits)


class SwappedKl(Bernoulli):
    def kl(self, other, key):
        return Bernoulli(other.logits).kl(Bernoulli(self.logits), key)


class SwappedDivergence(BinomialKernel):
    def _coins(self, logits):
        return SwappedKl(super()._coins(logits).logits)

    def marginal(self, x, t):
        return SwappedKl(super().marginal(x, t).logits)

    def posterior(self, x, z, s, t):
        return SwappedKl(super().posterior(x, z, s, t).logits)


class OneStepTooMany(qs.AbstractObjective):
    """Weighs a term by T + 1 where there are T."""

    inner: Bound
    is_bound: ClassVar[bool] = True

    def __call__(self, diffusion, x, u, key, given=None):
        loss, metrics = self.inner(diffusion, x, u, key, given)
        steps = len(diffusion.times())
        return loss * (steps + 1) / steps, metrics


class NoFirstStep(qs.AbstractObjective):
    """Leaves out the first step's term."""

    inner: Bound
    is_bound: ClassVar[bool] = True

    def __call__(self, diffusion, x, u, key, given=None):
        loss, metrics = self.inner(diffusion, x, u, key, given)
        return jnp.where(u * len(diffusion.times()) < 1, 0.0, loss), metrics


class SkipsTheFirstStep(Ancestral):
    """Gives back the first noisy state as data, as the 2015 reference code does."""

    def finish(self, diffusion, z, t, key, given):
        return z


class OneKeyForEverything(Ancestral):
    def step(self, diffusion, z, s, t, key, given):
        return super().step(diffusion, z, s, t, jr.key(0), given)


FAULTS = [
    ("kernel", lambda: gaussian(BetaOffByOne), "composition"),
    ("kernel", lambda: gaussian(WrongPrior), "stationarity"),
    ("kernel", lambda: gaussian(PosteriorAtTheWrongTime), "bayes"),
    ("kernel", lambda: gaussian(ReverseVarianceTooSmall), "zero-params"),
    ("kernel", lambda: gaussian(PrintedEq65, mean="eq65"), "zero-params"),
    ("kernel", lambda: binomial(RootedSurvival), "composition"),
    ("kernel", lambda: binomial(RootedSurvival), "structure"),
    ("kernel", lambda: binomial(FairCoinPosterior), "bayes"),
    ("kernel", lambda: binomial(DecodeWithoutTheLikelihood), "zero-params"),
    ("kernel", lambda: binomial(DecodeWithoutTheLikelihood), "cross-entropy"),
    ("kernel", lambda: binomial(ForwardStepBackwards), "structure"),
    ("kernel", lambda: binomial(Gumbel), "rare-states"),
    ("kernel", lambda: binomial(SwappedDivergence), "divergence"),
    ("objective", lambda: OneStepTooMany(Bound(BoundOptions())), "unbiased"),
    ("objective", lambda: NoFirstStep(Bound(BoundOptions())), "unbiased"),
    ("sampler", lambda: SkipsTheFirstStep(AncestralOptions()), "exact-on-normal"),
    ("sampler", lambda: OneKeyForEverything(AncestralOptions()), "exact-on-finite"),
]


def held(kind, instance, name):
    (law,) = [law for law in qs.testing.laws_of(kind, instance) if law.name == name]
    return law.verdict("x")


@pytest.mark.parametrize(("kind", "make", "law"), FAULTS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_fault_is_caught(kind, make, law):
    verdict = held(kind, make(), law)
    assert not verdict.passed
    assert "raised" not in verdict.reason, verdict.reason  # caught by its figure, not by an accident


def test_an_incomplete_kernel_cannot_be_built():
    class Half(qs.AbstractKernel):
        event: qs.Event = eqx.field(static=True)
        features: ClassVar[int] = 1

    with pytest.raises(TypeError, match="abstract"):
        Half(REAL)


def test_a_law_that_raises_is_a_broken_law():
    class Raises(GaussianKernel):
        def posterior(self, x, z, s, t):
            raise RuntimeError("no")

    verdict = held("kernel", gaussian(Raises), "bayes")
    assert not verdict.passed and "RuntimeError" in verdict.reason


def test_laws_follow_from_the_kind():
    with pytest.raises(TypeError, match="AbstractSampler"):
        qs.testing.laws_of("sampler", gaussian())
    with pytest.raises(ValueError, match="expected one of"):
        qs.testing.laws_of("quark", gaussian())
