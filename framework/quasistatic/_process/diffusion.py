"""The pair of path measures: a kernel that destroys and a network that leads back."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from quasistatic._process.distribution import AbstractDistribution, Key, Scalar, State, Time
from quasistatic._process.gaussian import AbstractGaussianPath
from quasistatic._process.grid import AbstractGrid, FixedGrid, Steps, checked_times
from quasistatic._process.guidance import Guidance
from quasistatic._process.kernel import AbstractBridged, AbstractFlowing, AbstractJumping, AbstractKernel
from quasistatic._process.model import AbstractModel, ConstantModel, Side
from quasistatic._process.normal import MeasuredNormal, mean_of
from quasistatic._process.potential import AbstractPotential
from quasistatic._process.shown import as_line, as_table
from quasistatic._process.variances import FittedVariances

FirstStep = Literal["learned", "paper"]


class Diffusion(eqx.Module):
    """Forward and reverse path measures over z_1 .. z_T and the data, for one event.

    The learned steps are those of `params`, `decode` and `reverse`, and of nothing else: `kernel` alone knows neither the
    guidance nor the potential nor the fitted variances of the pair. Samplers and everything that measures a model ask the pair.

    `first_step = "paper"` fixes the last reverse step, from the first noisy state to data, to the exact reversal of the
    reference distribution (zero params), as the 2015 paper does (Appendix B.2); by default it is learned like every other.
    What is trained: the arrays of `model` and, if it is a `LearnedGrid`, of `grid`.

    `side` is the side information of the event at hand. p(x given y) is another pair of path measures: `given(y)` is it. So are
    p(x) r(x) / Z, which is `tilted(r)`, and `guided(weight)`.
    """

    kernel: AbstractKernel
    model: AbstractModel
    grid: AbstractGrid
    first_step: FirstStep = eqx.field(static=True)
    side: Side | None
    potential: AbstractPotential | None
    guidance: Guidance | None
    variances: FittedVariances | None

    def __init__(
        self,
        kernel: AbstractKernel,
        model: AbstractModel,
        grid: AbstractGrid | int = 100,
        first_step: FirstStep = "learned",
        side: Side | None = None,
        potential: AbstractPotential | None = None,
        guidance: Guidance | None = None,
        variances: FittedVariances | None = None,
    ):
        """`grid` is the chain of training, or its number of steps T. `side` is `Side.absent(...)` where there may be some.

        `potential`, `guidance` and `variances` are set by `tilted`, `guided` and `thermodynamics.steps.with_fitted_variances`.
        """
        if first_step not in ("learned", "paper"):
            raise ValueError(f"Diffusion.first_step: expected 'learned' or 'paper', got {first_step!r}")
        self.kernel = kernel
        self.model = model
        if not isinstance(grid, int | AbstractGrid):
            raise TypeError(f"Diffusion.grid: expected a number of steps or a grid, got {grid!r:.80}")
        self.grid = FixedGrid(grid) if isinstance(grid, int) else grid
        self.first_step = first_step
        self.side = side
        self.potential = potential
        self.guidance = guidance
        self.variances = variances

    def __repr__(self) -> str:
        return as_line("Diffusion", self._rows())

    def _repr_html_(self) -> str:
        return as_table("Diffusion", self._rows())

    def _rows(self) -> dict[str, object]:
        numbers = sum(getattr(leaf, "size", 0) for leaf in jax.tree.leaves(self.model))
        rows: dict[str, object] = {
            "event": self.kernel.event.describe(),
            "kernel": type(self.kernel).__name__,
            "network": f"{type(self.model).__name__} of {numbers:,} numbers",
            "T": f"{self.grid.steps} ({'learned' if self.grid.is_learned else 'fixed'})",
            "first step": self.first_step,
        }
        more = {"side": self.side, "potential": self.potential, "guidance": self.guidance, "variances": self.variances}
        return {**rows, **{name: type(value).__name__ for name, value in more.items() if value is not None}}

    def given(self, side: State | None, present: Bool[Array, ""] | bool = True) -> Diffusion:
        """The pair for an event with this side information, or without it where `present` (may be traced) is false.

        None leaves the pair as it is.
        """
        if side is None:
            return self
        value = jax.tree.map(lambda leaf: jnp.where(present, leaf, jnp.zeros_like(leaf)), side)
        return replace(self, kernel=self.kernel.given(value), side=Side(value, jnp.asarray(present)))

    def tilted(self, potential: AbstractPotential) -> Diffusion:
        """The pair that leads to data x with p(x) r(x) / Z, for a potential r, times those it has already.

        What the network predicts of the data is tilted, and a step back is the posterior averaged over that. Exact where elements
        are independent given z_t (up to what the kernel's `bridge` leaves out). Where r joins elements that the network separates
        only later, sampling is biased, and a sampler with weights corrects it. `reverse` raises TypeError for a kernel that cannot
        average its posterior over any data, which is one that is not an `AbstractBridged`.
        """
        return replace(self, potential=potential if self.potential is None else self.potential * potential)

    @property
    def untilted(self) -> Diffusion:
        """The pair without its potential."""
        return replace(self, potential=None)

    def guided(
        self,
        weight: float | Float[Array, ""],
        without: AbstractModel | None = None,
        *,
        negative: State | None = None,
        interval: tuple[float, float] | None = None,
    ) -> Diffusion:
        """The pair with classifier-free guidance: params are moved away from those without side information; see `Guidance`.

        `weight` 0 is the pair itself. `without` is the network to move away from, by default the own one with its side information
        left out, which must then have been trained without it too (`training.drop_side`), or with `negative` in its place.
        `interval` (low, high) of the log-SNR is where there is guidance, by default everywhere. Raises ValueError where there is no
        side information to leave out, or guidance already, and TypeError for an interval with another than Gaussian noise.
        """
        if isinstance(weight, int | float) and weight == 0:
            return self
        if self.guidance is not None:
            raise ValueError("Diffusion.guided: this pair is guided already; guide the pair that it was made from")
        if without is None and self.side is None:
            raise ValueError("Diffusion.guided: this pair has no side information to leave out; give another network as `without`")
        if without is not None and negative is not None:
            raise ValueError("Diffusion.guided: without and negative exclude one another: each says what to move away from")
        if interval is not None and not isinstance(self.kernel, AbstractGaussianPath):
            raise TypeError(f"Diffusion.guided: an interval of the log-SNR is for Gaussian noise, got {type(self.kernel).__name__}")
        return replace(self, guidance=Guidance(jnp.asarray(weight, jnp.result_type(float)), without, negative, interval))

    @property
    def factors(self) -> tuple[tuple[Diffusion, Scalar | float], ...]:
        """The pairs without guidance, and the power that each is to have in the product: this one alone where it is not guided.

        Guidance with a weight w has p(x given y)^(1 + w) p(x)^(-w) / Z in mind. The powers sum to one, so that the product of whole
        paths is that of data with the same noise. Raises ValueError for guidance on an interval, which has no one product.
        """
        if self.guidance is None:
            return ((self, 1.0),)
        if self.guidance.interval is not None:
            raise ValueError("Diffusion.factors: guidance on an interval of the log-SNR draws from no product of distributions")
        own = replace(self, guidance=None)
        model, side = self.guidance.other(self.model, self.side)
        return (own, 1.0 + self.guidance.weight), (replace(own, model=model, side=side), -self.guidance.weight)

    def times(self, steps: Steps = None) -> Float[Array, " T"]:
        """The chain's T increasing times, by default those of training.

        `steps` may also be the times themselves, the last of which is 1. Raises ValueError if they are not a whole chain.
        """
        return self.grid.times(self.kernel, steps) if steps is None or isinstance(steps, int | np.integer) else checked_times(steps)

    def for_chain(self, steps: Steps = None) -> Chain:
        """The pair on one chain of T = `steps`, by default that of training; see `times`."""
        is_amortised = self._is_causal and isinstance(self.grid, FixedGrid) and self.first_step == "learned"
        if is_amortised:
            count = self.grid.steps if steps is None else steps
            is_amortised = isinstance(count, int | np.integer) and bool(count >= self.kernel.event.size)
        # without its grid: programs are compiled once for all grids
        return Chain(replace(self, grid=FixedGrid(1)), self.times(steps), is_amortised)

    @property
    def _is_causal(self) -> bool:
        without = None if self.guidance is None else self.guidance.without
        return self.kernel.is_sequential and self.model.is_causal and (without is None or without.is_causal)

    def params(self, z: State, t: Time, *, key: Key | None = None) -> State:
        """The params at z_t, guided where the pair is; `key` switches on the network's dropout and the like, in training alone."""
        features = self.kernel.encode(z, t)
        params = self.model(features, t, self.side, key=key)
        if self.guidance is None:
            return params
        without = self.guidance.params(self.model, features, t, self.side, key=key)
        return self.kernel.guided(params, without, self.guidance.weight_at(self.kernel, t))

    def denoise(self, params: State, z: State, t: Time) -> AbstractDistribution:
        """p(x given z_t = z), what the pair predicts of the data at any time t."""
        data = self.kernel.decode(params, z, t)
        if self.variances is not None:
            data = self.variances.of_data(data, t)
        return data if self.potential is None else self.potential.tilt(data)[0]

    def mean(self, z: State, t: Time) -> Float[Array, "*event"]:
        """E[x given z_t = z] as the pair predicts it: one call of the network, two where it is guided.

        Raises TypeError where its distribution of data has no mean.
        """
        return mean_of(self.denoise(self.params(z, t), z, t))

    def decode(self, params: State, z: State, t: Time) -> AbstractDistribution:
        """The first step: p(x given z) at the first time t."""
        if self.first_step == "paper":
            params = jax.tree.map(jnp.zeros_like, params)
        return self.denoise(params, z, t)

    def reverse(self, params: State, z: State, s: Time, t: Time) -> AbstractDistribution:
        """p(z_s given z_t = z), s < t: the learned step back. Raises TypeError for a potential with a kernel without `bridge`."""
        if self.variances is not None:
            data = self.variances.normal(self.kernel.decode(params, z, t), t)
            return self.variances.average(self.kernel, data if self.potential is None else self.potential.tilt(data)[0], z, s, t)
        if self.potential is None:
            return self.kernel.reverse(params, z, s, t)
        if not isinstance(self.kernel, AbstractBridged):
            raise TypeError(f"Diffusion.tilted: expected a kernel that is an AbstractBridged, got a {type(self.kernel).__name__}")
        return self.kernel.bridge(self.denoise(params, z, t), z, s, t)

    def velocity(self, z: State, t: Time) -> State:
        """dz/dt of the probability flow at z_t = z, of the shape of z. Raises TypeError for a kernel without a flow."""
        params, kernel = self.params(z, t), self.kernel
        if self.potential is None and isinstance(kernel, AbstractFlowing):
            return kernel.flow(params, z, t)
        if isinstance(kernel, AbstractGaussianPath):
            data = self.denoise(params, z, t)
            if isinstance(data, MeasuredNormal):  # its mean is that of blurred values, and levels are those of noise given the data
                raise TypeError("velocity: under a potential it is not known for values on a lattice")
            return kernel.velocity(mean_of(data), z, t)
        raise TypeError(f"expected a kernel with a flow, got {type(kernel).__name__}")

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
        reverse = self.reverse(self.params(z, t), z, s, t)
        return self.kernel.posterior(x, z, s, t).kl_by_part(reverse, key=key_kl)

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
            gap = self.kernel.posterior(x, z, s, late).kl(self.reverse(params, z, s, late), key=key_kl)
            term = jnp.where(index == 0, term, gap)
        if not self.grid.is_learned:
            return term
        # a factor of one whose gradient is that of the probability of z: draws without a derivative move with the times
        score = self.kernel.marginal(x, t).score(z)
        return term * jnp.exp(score - jax.lax.stop_gradient(score))


class Chain(eqx.Module):
    """A pair on one chain of T `times`, and whether it `is_amortised`: one call of the network serves a whole path.

    So it is for a sequential kernel with a causal network, on even steps that are at least as many as elements: the params at data
    are, for each element, those of the state in which its turn comes, as the elements after it are not read. Made by
    `Diffusion.for_chain`.
    """

    diffusion: Diffusion
    times: Float[Array, " T"]
    is_amortised: bool = eqx.field(static=True)

    def given(self, side: State | None) -> Chain:
        """The chain for an event with this side information; None leaves it as it is."""
        return Chain(self.diffusion.given(side), self.times, self.is_amortised)

    def for_data(self, x: State) -> Diffusion:
        """The pair for forward paths from data x: amortised, its network is called here, once."""
        if not self.is_amortised:
            return self.diffusion
        return replace(self.diffusion, model=ConstantModel(self.diffusion.params(x, jnp.ones(()))), guidance=None)

    def amortised_bound(self, x: State, *, key: Key) -> Scalar:
        """K(x) in nats in training, by one call of the network, of an amortised chain."""
        key_end, key_net = jr.split(key)
        pair, one = self.diffusion, jnp.ones(())
        end = pair.kernel.equilibrium().sample(key_end)
        return pair.decode(pair.params(x, one, key=key_net), end, one).log_prob(x)

    @property
    def calls(self) -> int:
        """How many calls of the network one draw of an event's terms of -K takes."""
        calls, kernel = len(self.times), self.diffusion.kernel
        if isinstance(kernel, AbstractJumping):
            calls = 1 if self.is_amortised else min(calls, kernel.most_jumps)
        return calls if self.diffusion.guidance is None else 2 * calls
