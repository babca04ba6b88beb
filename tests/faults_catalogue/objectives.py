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
