"""Mistakes in objectives, all of which promise a bound."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

import quasistatic as qs
from faults_catalogue import Catalogue
from quasistatic_plugins.bound import BoundOptions
from quasistatic_plugins.bound.objective import Bound

catalogue = Catalogue("objective", lambda cls: cls(BoundOptions()))


@catalogue.caught_by("unbiased")
class OneStepTooMany(Bound):
    """Weighs a term by T + 1 where there are T."""

    def _draw(self, u, steps):
        index, weight = super()._draw(u, steps)
        return index, weight + 1.0


@catalogue.caught_by("never-better")
class IndexFromOne(Bound):
    """Counts the times from 1: the first is never drawn, the last twice as often."""

    def _draw(self, u, steps):
        index, weight = super()._draw(u, steps)
        return jnp.minimum(index + 1, steps - 1), weight


@catalogue.caught_by("unbiased")
class IndexRounded(Bound):
    """Rounds u (T - 1) to a time: the first and the last are drawn half as often."""

    def _draw(self, u, steps):
        return jnp.round(u * (steps - 1)).astype(jnp.int32), super()._draw(u, steps)[1]


@catalogue.caught_by("never-better")
class OneTimeForEver(Bound):
    """Ignores u and looks at the middle of the chain."""

    def _draw(self, u, steps):
        return super()._draw(jnp.full_like(u, 0.5), steps)


@catalogue.caught_by("never-better")
class LateTimesWeighMore(Bound):
    """Weighs the terms by their time, and still calls it a bound."""

    def _draw(self, u, steps):
        index, weight = super()._draw(u, steps)
        return index, weight * (0.5 + index / steps)


@catalogue.caught_by("unbiased", lambda cls: cls(BoundOptions(draw="importance")))
class ImportanceForgotten(Bound):
    """Draws terms by their size and weighs them as if they were drawn evenly."""

    def _draw(self, u, steps):
        index, weight = super()._draw(u, steps)
        return index, jnp.full_like(weight, steps)

    def prepare(self, diffusion, xs, side=None, *, key):
        return type(self)(self.options, super().prepare(diffusion, xs, side, key=key).shares)


@catalogue.caught_by("never-better")
class NoFirstStep(Bound):
    """Leaves out the first step's term."""

    def _draw(self, u, steps):
        index, weight = super()._draw(u, steps)
        return index, jnp.where(index == 0, 0.0, weight)


@catalogue.caught_by("never-better")
class MeanOverElements(Bound):
    """The mean over elements, not their sum."""

    def __call__(self, diffusion, x, u, *, key):
        loss, scalars = super().__call__(diffusion, x, u, key=key)
        return loss / diffusion.kernel.event.size, scalars


@catalogue.caught_by("never-better")
class LargeLossesClipped(Bound):
    """Clips a loss at 2 nats, against outliers."""

    def __call__(self, diffusion, x, u, *, key):
        loss, scalars = super().__call__(diffusion, x, u, key=key)
        return jnp.minimum(loss, 2.0), scalars


@catalogue.caught_by("finite-differences")
class HalfTheGradient(Bound):
    """A stop_gradient too many: half of the loss does not move the network."""

    def __call__(self, diffusion, x, u, *, key):
        loss, scalars = super().__call__(diffusion, x, u, key=key)
        return 0.5 * (loss + jax.lax.stop_gradient(loss)), scalars


@catalogue.caught_by("gradients")
class NoGradient(Bound):
    """The network is asked behind a stop_gradient."""

    def __call__(self, diffusion, x, u, *, key):
        return super().__call__(jax.lax.stop_gradient(diffusion), x, u, key=key)


class _Unscored(qs.grids.AbstractGrid):
    """A grid that hides that it is learned."""

    grid: qs.grids.AbstractGrid
    is_learned: ClassVar[bool] = False

    @property
    def steps(self):
        return self.grid.steps

    def times(self, kernel, steps=None):
        return self.grid.times(kernel, steps)


@catalogue.caught_by("unbiased-gradient")
class NoScore(Bound):
    """Differentiates through draws that have no derivative: a learned grid moves where it should not."""

    def __call__(self, diffusion, x, u, *, key):
        # a grid that does not know of its gradient leaves the score out of the term
        return super().__call__(eqx.tree_at(lambda d: d.grid, diffusion, _Unscored(diffusion.grid)), x, u, key=key)


@catalogue.caught_by("keys")
class OneKeyForStateAndTerm(Bound):
    """Draws the noisy state, and what its term draws, with one key."""

    def __call__(self, diffusion, x, u, *, key):
        times = diffusion.times()
        index, weight = self._draw(u, len(times))
        z = diffusion.kernel.marginal(x, times[index]).sample(key)
        return weight * diffusion.term(x, z, index, times, key=key, train=True), {}


@catalogue.caught_by("agreement")
class LossPerElement(Bound):
    """A loss for each element, which the engine is to sum."""

    def __call__(self, diffusion, x, u, *, key):
        loss, scalars = super().__call__(diffusion, x, u, key=key)
        return jnp.broadcast_to(loss, x.shape) / x.size, scalars


@catalogue.caught_by("variance")
class DividedByTheTime(Bound):
    """Divides the loss by the number of the time, which is 0 for the first."""

    def __call__(self, diffusion, x, u, *, key):
        loss, scalars = super().__call__(diffusion, x, u, key=key)
        index, _ = self._draw(u, len(diffusion.times()))
        return loss / index, scalars


@catalogue.caught_by("scalars")
class FirstStepsReportedAlone(Bound):
    """Reports the loss of the first step where it is drawn, and nothing elsewhere."""

    def __call__(self, diffusion, x, u, *, key):
        loss, _ = super().__call__(diffusion, x, u, key=key)
        index, _ = self._draw(u, len(diffusion.times()))
        return loss, {"first_nats": loss} if index == 0 else {}


@catalogue.caught_by("unbiased")
class SideInformationDropped(Bound):
    """Builds the diffusion anew, without the side information."""

    def __call__(self, diffusion, x, u, *, key):
        return super().__call__(
            qs.Diffusion(diffusion.kernel, diffusion.model, diffusion.grid, diffusion.first_step), x, u, key=key
        )


@catalogue.caught_by("unbiased")
class FirstStepAlwaysLearned(Bound):
    """Builds the diffusion anew, with a first step that is learned."""

    def __call__(self, diffusion, x, u, *, key):
        learned = qs.Diffusion(diffusion.kernel, diffusion.model, diffusion.grid, side=diffusion.side)
        return super().__call__(learned, x, u, key=key)


# chains of other lengths, times, and capabilities of a kernel


@catalogue.caught_by("unbiased")
class OneStepIsForgotten(Bound):
    """A chain of one step has no gaps, and so no loss."""

    def __call__(self, diffusion, x, u, *, key):
        loss, scalars = super().__call__(diffusion, x, u, key=key)
        return loss * min(1, len(diffusion.times()) - 1), scalars


@catalogue.caught_by("unbiased")
class HalvesOfAnOddChain(Bound):
    """Draws from the first half of the times or from the second, and leaves the middle one of an odd number out."""

    def _draw(self, u, steps):
        index, weight = super()._draw(u, 2 * (steps // 2) or 1)
        return index, weight


@catalogue.caught_by("unbiased")
class AtMostTwentyTimes(Bound):
    """Looks at the last twenty times of a long chain alone."""

    def _draw(self, u, steps):
        index, weight = super()._draw(u, min(steps, 20))
        return index + max(0, steps - 20), weight


@catalogue.caught_by("unbiased")
class AbsentSideInformationTakenForZero(Bound):
    """Gives the pair its side information again, present or not."""

    def __call__(self, diffusion, x, u, *, key):
        side = diffusion.side
        return super().__call__(diffusion if side is None else diffusion.given(side.value), x, u, key=key)


@catalogue.caught_by("unbiased")
class AnotherLossOfNormalSteps(Bound):
    """Where steps are `qs.Normal` it compares their means alone, and still calls it a bound."""

    def __call__(self, diffusion, x, u, *, key):
        if not isinstance(diffusion.kernel.equilibrium(), qs.Normal):
            return super().__call__(diffusion, x, u, key=key)
        times = diffusion.times()
        index, weight = self._draw(u, len(times))
        z = diffusion.kernel.marginal(x, times[index]).sample(key)
        data = diffusion.decode(diffusion.params(z, times[index]), z, times[index])
        return weight * 0.5 * jnp.sum((x - data.loc) ** 2 / data.variance), {}


@catalogue.caught_by("unbiased")
class FiveElementsAlone(Bound):
    """The loss of an event of more than five elements is scaled to five."""

    def __call__(self, diffusion, x, u, *, key):
        loss, scalars = super().__call__(diffusion, x, u, key=key)
        return loss * min(1.0, 5.0 / x.size), scalars


def _cut(diffusion):
    """The pair whose times are constants."""
    return eqx.tree_at(lambda pair: pair.grid, diffusion, jax.lax.stop_gradient(diffusion.grid))


@catalogue.caught_by("learned-grid")
class TimesAreConstants(Bound):
    """The times of a learned grid are behind a stop_gradient: it never moves."""

    def __call__(self, diffusion, x, u, *, key):
        return super().__call__(_cut(diffusion), x, u, key=key)


@catalogue.caught_by("finite-differences")
class NoisyStatesCutFromTheirTimes(Bound):
    """Stops the gradient of the noisy state, through which real data move with a learned grid."""

    def __call__(self, diffusion, x, u, *, key):
        times = diffusion.times()
        index, weight = self._draw(u, len(times))
        key_z, key_term = jax.random.split(key)
        z = jax.lax.stop_gradient(diffusion.kernel.marginal(x, times[index]).sample(key_z))
        return weight * diffusion.term(x, z, index, times, key=key_term, train=True), {}


@catalogue.caught_by("unbiased-gradient")
class RealDataCutFromTheirTimes(Bound):
    """Stops the gradient of noisy numbers, and lets a score stand for that of symbols alone."""

    def __call__(self, diffusion, x, u, *, key):
        if jnp.issubdtype(x.dtype, jnp.integer):
            return super().__call__(diffusion, x, u, key=key)
        return NoisyStatesCutFromTheirTimes.__call__(self, diffusion, x, u, key=key)


@catalogue.caught_by("finite-differences")
class HalfOfTheTimesGradient(Bound):
    """Half of the loss is of times that are constants."""

    def __call__(self, diffusion, x, u, *, key):
        moved, scalars = super().__call__(diffusion, x, u, key=key)
        still, _ = super().__call__(_cut(diffusion), x, u, key=key)
        return 0.5 * (moved + still), scalars


@catalogue.caught_by("prepared", lambda cls: cls(BoundOptions(draw="importance")))
class PreparedAgainAndAgain(Bound):
    """Multiplies the shares that it has by those that it measures, each time that it looks at data."""

    def prepare(self, diffusion, xs, side=None, *, key):
        found = super().prepare(diffusion, xs, side, key=key).shares
        shares = found if self.shares is None else found * self.shares
        return type(self)(self.options, shares / shares.sum())


@catalogue.caught_by("taken")
class LooksForASchedule(Bound):
    """Weighs by the schedule of whatever kernel it is given, which most do not have."""

    def __call__(self, diffusion, x, u, *, key):
        loss, scalars = super().__call__(diffusion, x, u, key=key)
        return loss + 0.0 * diffusion.kernel.schedule.log_odds(u), scalars


@catalogue.caught_by("variance")
class NormalLossInfinite(Bound):
    """Where noise has levels it divides by the signal at the end, which a float cannot hold to the power of twenty."""

    def __call__(self, diffusion, x, u, *, key):
        loss, scalars = super().__call__(diffusion, x, u, key=key)
        if not isinstance(diffusion.kernel, qs.AbstractGaussianPath):
            return loss, scalars
        return loss * jnp.exp(-20.0 * diffusion.kernel.levels(jnp.ones(()))[0]), scalars
