"""The pair of path measures: a kernel that destroys and a network that leads back."""

from __future__ import annotations

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from quasistatic._distribution import AbstractDistribution, Key, State
from quasistatic._grid import AbstractGrid, FixedGrid
from quasistatic._kernel import AbstractKernel
from quasistatic._model import AbstractModel

FirstStep = Literal["learned", "paper"]


class Diffusion(eqx.Module):
    """Forward and reverse path measures over z_1 .. z_T and the data, for one event.

    `first_step = "paper"` fixes the last reverse step, from the first noisy state to data, to the exact reversal of the
    reference law (zero params), as the 2015 paper does (Appendix B.2); by default it is learned like every other. What
    is trained: the arrays of `model` and, if it is a `LearnedGrid`, of `grid`.
    """

    kernel: AbstractKernel
    model: AbstractModel
    grid: AbstractGrid
    first_step: FirstStep = eqx.field(static=True)

    def __init__(
        self,
        kernel: AbstractKernel,
        model: AbstractModel,
        grid: AbstractGrid | int = 100,
        first_step: FirstStep = "learned",
    ):
        """`grid` is the chain of training, or its number of steps T."""
        if first_step not in ("learned", "paper"):
            raise ValueError(f"Diffusion.first_step: expected 'learned' or 'paper', got {first_step!r}")
        self.kernel = kernel
        self.model = model
        self.grid = FixedGrid(grid) if isinstance(grid, int) else grid
        self.first_step = first_step

    def times(self, steps: int | None = None) -> jax.Array:
        """The chain's T increasing times, by default those of training."""
        return self.grid.times(self.kernel, steps)

    def params(self, z: State, t: jax.Array, given: jax.Array | None = None, key: Key | None = None) -> State:
        """What the network says at z_t; `key` switches on what it does in training alone."""
        return self.model(self.kernel.encode(z, t), t, given, key)

    def decode(self, params: State, z: State, t: jax.Array) -> AbstractDistribution:
        """The first step: p(x given z) at the first time t."""
        if self.first_step == "paper":
            params = jax.tree.map(jnp.zeros_like, params)
        return self.kernel.decode(params, z, t)

    def prior(self, x: State, key: Key) -> jax.Array:
        """KL(q(z_1 given x) || equilibrium) in nats: what is left of the data at the end."""
        return self.kernel.marginal(x, jnp.ones(())).kl(self.kernel.equilibrium(), key)

    def first(self, x: State, t: jax.Array, key: Key, given: jax.Array | None = None) -> jax.Array:
        """One draw of -log p(x given z_t), the first step's term of -K, in nats."""
        z = self.kernel.marginal(x, t).sample(key)
        return -self.decode(self.params(z, t, given), z, t).log_prob(x)

    def gap(self, x: State, s: jax.Array, t: jax.Array, key: Key, given: jax.Array | None = None) -> jax.Array:
        """One draw of KL(q(z_s given z_t, x) || p(z_s given z_t)), the term of -K of a step s < t, in nats."""
        key_z, key_kl = jr.split(key)
        z = self.kernel.marginal(x, t).sample(key_z)
        reverse = self.kernel.reverse(self.params(z, t, given), z, s, t)
        return self.kernel.posterior(x, z, s, t).kl(reverse, key_kl)

    def term(
        self,
        x: State,
        z: State,
        index: jax.Array,
        times: jax.Array,
        key: Key,
        given: jax.Array | None = None,
        train: bool = False,
    ) -> jax.Array:
        """The term of -K that belongs to z at times[index], in nats: the first step's for 0, else the gap to the time
        before.

        One call of the network serves both, so that an objective can draw `index` at random. Where it is not wanted
        each branch is evaluated at times that keep it, and its gradient, finite.
        """
        key_kl, key_net = jr.split(key)
        t = times[index]
        params = self.params(z, t, given, key_net if train else None)
        first = -self.decode(params, z, t).log_prob(x)
        if len(times) == 1:
            return first
        s, late = times[jnp.maximum(index - 1, 0)], times[jnp.maximum(index, 1)]
        gap = self.kernel.posterior(x, z, s, late).kl(self.kernel.reverse(params, z, s, late), key_kl)
        return jnp.where(index == 0, first, gap)
