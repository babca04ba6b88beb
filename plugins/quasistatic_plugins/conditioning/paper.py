"""The scheme of the 2015 paper for p(x) r(x) / Z, which is biased."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax

import quasistatic as qs
from quasistatic_plugins.conditioning import PaperOptions

Key = jax.Array


class Paper(qs.AbstractSampler):
    """Every learned step back is multiplied by r(z_s), with r to the power 1, or with `ramp` to the power 1 - s.

    Without the ramp the equilibrium is multiplied by r too. It is biased: with N(0, 1) data and unit noise it converges to a mean
    of 2y/3 and a variance of 1/3, where the posterior has y/2 and 1/2, as r counts about twice over a slow process. Kept to
    compare with (Sohl-Dickstein et al. 2015, eq. 22, 23). Of a pair without a potential these are ancestral draws.
    """

    options: PaperOptions = eqx.field(static=True)

    def start(self, diffusion: qs.Diffusion) -> qs.AbstractDistribution:
        """The distribution of z_1."""
        start = diffusion.kernel.equilibrium()
        return start if self.options.ramp or diffusion.potential is None else diffusion.potential.tilt(start)[0]

    def back(self, diffusion: qs.Diffusion, z: Any, s: jax.Array, t: jax.Array) -> qs.AbstractDistribution:
        """The distribution of z_s given z_t = z."""
        plain, potential = diffusion.untilted, diffusion.potential
        learned = plain.reverse(plain.params(z, t), z, s, t)
        if potential is None:
            return learned
        return (potential.power(1.0 - s) if self.options.ramp else potential).tilt(learned)[0]

    def init(self, diffusion: qs.Diffusion, *, key: Key) -> Any:
        return self.start(diffusion).sample(key)

    def step(
        self, diffusion: qs.Diffusion, state: Any, s: jax.Array, t: jax.Array, *, key: Key
    ) -> tuple[Any, dict[str, jax.Array]]:
        return self.back(diffusion, state, s, t).sample(key), {}

    def finish(self, diffusion: qs.Diffusion, state: Any, t: jax.Array, *, key: Key) -> Any:
        return diffusion.decode(diffusion.params(state, t), state, t).sample(key)
