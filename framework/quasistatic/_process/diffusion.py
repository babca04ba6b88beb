"""The pair of path measures: a kernel that destroys and a network that leads back."""

from __future__ import annotations

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from quasistatic._process.distribution import AbstractDistribution, Key, Scalar, State, Time
from quasistatic._process.grid import AbstractGrid, FixedGrid, Steps, checked_times
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.model import AbstractModel, Side
from quasistatic._process.potential import AbstractPotential
from quasistatic._process.tilted import Scheme, tilted

FirstStep = Literal["learned", "paper"]


class Told(AbstractModel):
    """What a network has told once, for all states."""

    params: State

    def __call__(self, features: State, t: Time, side: Side | None = None, *, key: Key | None = None) -> State:
        return self.params


class Diffusion(eqx.Module):
    """Forward and reverse path measures over z_1 .. z_T and the data, for one event.

    `first_step = "paper"` fixes the last reverse step, from the first noisy state to data, to the exact reversal of the
    reference distribution (zero params), as the 2015 paper does (Appendix B.2); by default it is learned like every other.
    What is trained: the arrays of `model` and, if it is a `LearnedGrid`, of `grid`.

    `side` is the side information of the event at hand. p(x given y) is another pair of path measures: `given(y)` is it.
    """

    kernel: AbstractKernel
    model: AbstractModel
    grid: AbstractGrid
    first_step: FirstStep = eqx.field(static=True)
    side: Side | None

    def __init__(
        self,
        kernel: AbstractKernel,
        model: AbstractModel,
        grid: AbstractGrid | int = 100,
        first_step: FirstStep = "learned",
        side: Side | None = None,
    ):
        """`grid` is the chain of training, or its number of steps T. `side` is `Side.absent(...)` where there may be some."""
        if first_step not in ("learned", "paper"):
            raise ValueError(f"Diffusion.first_step: expected 'learned' or 'paper', got {first_step!r}")
        self.kernel = kernel
        self.model = model
        if not isinstance(grid, int | AbstractGrid):
            raise TypeError(f"Diffusion.grid: expected a number of steps or a grid, got {grid!r:.80}")
        self.grid = FixedGrid(grid) if isinstance(grid, int) else grid
        self.first_step = first_step
        self.side = side

    def given(self, side: State | None, present: Bool[Array, ""] | bool = True) -> Diffusion:
        """The pair for an event with this side information, or without it where `present` (may be traced) is false.

        None leaves the pair as it is.
        """
        if side is None:
            return self
        value = jax.tree.map(lambda leaf: jnp.where(present, leaf, jnp.zeros_like(leaf)), side)
        kernel = self.kernel.given(value)
        return Diffusion(kernel, self.model, self.grid, self.first_step, Side(value, jnp.asarray(present)))

    def tilted(self, potential: AbstractPotential, scheme: Scheme = "bridged") -> Diffusion:
        """The pair that leads to data x with p(x) r(x) / Z, for a potential r; see `tilted`. Raises what `tilted` raises."""
        kernel = tilted(self.kernel, potential, scheme)
        return Diffusion(kernel, self.model, self.grid, self.first_step, self.side)

    def times(self, steps: Steps = None) -> Float[Array, " T"]:
        """The chain's T increasing times, by default those of training.

        `steps` may also be the times themselves, the last of which is 1. Raises ValueError for times that are none.
        """
        return self.grid.times(self.kernel, steps) if steps is None or isinstance(steps, int | np.integer) else checked_times(steps)

    def params(self, z: State, t: Time, *, key: Key | None = None) -> State:
        """The network's params at z_t; `key` switches on its dropout and the like, in training alone."""
        return self.model(self.kernel.encode(z, t), t, self.side, key=key)

    def decode(self, params: State, z: State, t: Time) -> AbstractDistribution:
        """The first step: p(x given z) at the first time t."""
        if self.first_step == "paper":
            params = jax.tree.map(jnp.zeros_like, params)
        return self.kernel.decode(params, z, t)

    def prior(self, x: State, *, key: Key) -> dict[str, Scalar]:
        """KL(q(z_1 given x) || equilibrium) in nats by part: what is left of the data at the end."""
        return self.kernel.marginal(x, jnp.ones(())).kl_by_part(self.kernel.equilibrium(), key=key)

    def first(self, x: State, t: Time, *, key: Key) -> dict[str, Scalar]:
        """One draw of -log p(x given z_t), the first step's term of -K, in nats by part."""
        z = self.kernel.marginal(x, t).sample(key)
        log_probs = self.decode(self.params(z, t), z, t).log_prob_by_part(x)
        return {name: -log_prob for name, log_prob in log_probs.items()}

    def gap(self, x: State, s: Time, t: Time, *, key: Key) -> dict[str, Scalar]:
        """One draw of KL(q(z_s given z_t, x) || p(z_s given z_t)), the term of -K of a step s < t, in nats by part."""
        key_z, key_kl = jr.split(key)
        z = self.kernel.marginal(x, t).sample(key_z)
        reverse = self.kernel.reverse(self.params(z, t), z, s, t)
        return self.kernel.posterior(x, z, s, t).kl_by_part(reverse, key=key_kl)

    def is_told_at_once(self, steps: Steps = None) -> bool:
        """Whether one call of the network has the params of a whole chain of T = `steps`, by default that of training.

        So it is for a sequential kernel with a causal network, on even steps that are at least as many as elements: its params at
        data are, for each element, those of the state in which its turn comes, as what follows is not looked at.
        """
        grid = self.grid
        if not (
            self.kernel.is_sequential and self.model.is_causal and self.first_step == "learned" and isinstance(grid, FixedGrid)
        ):
            return False
        count = grid.steps if steps is None else steps
        return isinstance(count, int | np.integer) and bool(count >= self.kernel.event.size)

    def knowing(self, x: State) -> Diffusion:
        """The pair for forward paths from data x, by one call of the network, where all `is_told_at_once`."""
        return Diffusion(self.kernel, Told(self.params(x, jnp.ones(()))), self.grid, self.first_step, self.side)

    def all_terms(self, x: State, *, key: Key) -> Scalar:
        """-K in nats where all is told at once, in training."""
        key_end, key_net = jr.split(key)
        end, one = self.kernel.equilibrium().sample(key_end), jnp.ones(())
        return -self.decode(self.params(x, one, key=key_net), end, one).log_prob(x)

    def term(
        self, x: State, z: State, index: Int[Array, ""], times: Float[Array, " T"], *, key: Key, train: bool = False
    ) -> Scalar:
        """The term of -K that belongs to z, drawn from the marginal at times[index], in nats.

        It is the first step's for index 0, else the gap to the time before. One call of the network serves both, so that
        an objective can draw `index` at random; the branch that is not wanted is evaluated at times that keep it, and its
        gradient, finite. Its mean over z has the right gradient for learned times too, whether or not draws have one.
        """
        key_kl, key_net = jr.split(key)
        t = times[index]
        params = self.params(z, t, key=key_net if train else None)
        term = -self.decode(params, z, t).log_prob(x)
        if len(times) > 1:
            s, late = times[jnp.maximum(index - 1, 0)], times[jnp.maximum(index, 1)]
            gap = self.kernel.posterior(x, z, s, late).kl(self.kernel.reverse(params, z, s, late), key=key_kl)
            term = jnp.where(index == 0, term, gap)
        if not self.grid.is_learned:
            return term
        # a factor of one whose gradient is that of the probability of z: draws without a derivative move with the times
        score = self.kernel.marginal(x, t).score(z)
        return term * jnp.exp(score - jax.lax.stop_gradient(score))
