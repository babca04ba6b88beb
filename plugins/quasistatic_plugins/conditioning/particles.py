"""Twisted sequential Monte Carlo for p(x) r(x) / Z.

A particle is a noisy state. Its twist psi_t(z) is the mean of r under what the network says the data are at z_t. Steps back
are proposed by the tilted pair, and the weight of a particle gains p(z_s given z_t) psi_s(z_s) / (q(z_s given z_t) psi_t(z_t)).
The twists cancel along a path, so any twist is right, and a good one leaves little to the weights. Where r has no closed form
psi is a guess: by the gradient of log r, or 1, and then the value of r at the data is all of the weight.

Of a pair with guidance the proposal is the guided step, and p(z_s given z_t) the product p(z_s given z_t, y)^(1 + w) p(z_s given
z_t)^(-w). The powers sum to one, so that along a path this is p(x given y)^(1 + w) p(x)^(-w) with the noise of the forward process:
Z is that of p(x given y) p(y given x)^w, up to p(y)^w (Skreta et al. 2025, for small steps).
"""

from __future__ import annotations

from typing import Any, ClassVar

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.nn import logsumexp

import quasistatic as qs
from quasistatic_plugins.conditioning import ParticlesOptions

Key = jax.Array


class _Led(qs.AbstractPotential):
    """A potential as far as it leads: its product with data, or a guess at that."""

    potential: qs.AbstractPotential

    def log_factor(self, x: Any) -> jax.Array:
        return self.potential.log_factor(x)

    def tilt(self, data: qs.AbstractDistribution) -> tuple[qs.AbstractDistribution, jax.Array]:
        return self.potential.twist(data)[:2]


class Cloud(eqx.Module):
    """Particles with their log-weights (P,), and log Z as far as it was gathered when they were resampled."""

    z: Any  # noisy states (P, ...)
    log_weights: jax.Array
    log_evidence: jax.Array


class Particles(qs.trajectory.AbstractWeighted):
    """One event is drawn from one system of particles. A diffusion without a potential has r = 1.

    With guidance draws are of the product that it stands for, not of the guided chain.
    """

    options: ParticlesOptions = eqx.field(static=True)
    is_exact: ClassVar[bool] = True

    @property
    def states(self) -> int:
        return self.options.count

    def of_size(self, count: int) -> Particles:
        return Particles(attrs.evolve(self.options, count=count))

    def check(self, diffusion: qs.Diffusion) -> None:
        try:
            _ = diffusion.factors
        except ValueError as error:
            raise TypeError(str(error)) from None

    def init(self, diffusion: qs.Diffusion, *, key: Key) -> Cloud:
        self.check(diffusion)
        count = self.options.count
        z = jax.vmap(diffusion.kernel.equilibrium().sample)(jr.split(key, count))
        return Cloud(z, jnp.zeros(count), jnp.zeros(()))

    def step(
        self, diffusion: qs.Diffusion, state: Cloud, s: jax.Array, t: jax.Array, *, key: Key
    ) -> tuple[Cloud, dict[str, jax.Array]]:
        """Reports the effective sample size `ess` before resampling, as a share of the particles."""
        key_resample, key_move = jr.split(key)
        plain, potential = diffusion.untilted, diffusion.potential
        led = None if potential is None else plain.tilted(_Led(potential))

        def twist(params: Any, z: Any) -> jax.Array:
            return jnp.zeros(()) if potential is None else potential.twist(plain.denoise(_guided(plain, params), z, t)).log_mean

        def move(params: Any, z: Any, log_psi: jax.Array, key: Key) -> tuple[Any, jax.Array]:
            guided = _guided(plain, params)
            learned = plain.reverse(guided, z, s, t)
            # a kernel that cannot average over any data proposes what the network says
            is_led = led is not None and isinstance(plain.kernel, qs.AbstractBridged)
            proposal = led.reverse(guided, z, s, t) if led is not None and is_led else learned
            earlier = proposal.sample(key)
            gain = learned.log_prob(earlier) - proposal.log_prob(earlier) if is_led else jnp.zeros(())
            steps = [pair.reverse(own, z, s, t) for (pair, _), own in zip(plain.factors, params, strict=True)]
            return earlier, gain + _left(plain, steps, learned, earlier) - log_psi

        params = jax.vmap(lambda z: _params(plain, z, t))(state.z)
        log_psis = jax.vmap(twist)(params, state.z)
        log_weights = state.log_weights + log_psis
        share = qs.trajectory.effective_share(log_weights)
        is_poor = share < self.options.threshold
        drawn = qs.trajectory.systematic(log_weights, self.options.count, key=key_resample)
        chosen = jnp.where(is_poor, drawn, jnp.arange(self.options.count))
        gathered = jnp.where(is_poor, _log_mean(log_weights), 0.0)
        log_weights = jnp.where(is_poor, 0.0, log_weights)
        params, z, log_psis = jax.tree.map(lambda leaf: leaf[chosen], (params, state.z, log_psis))
        z, gains = jax.vmap(move)(params, z, log_psis, jr.split(key_move, self.options.count))
        return Cloud(z, log_weights + gains, state.log_evidence + gathered), {"ess": share}

    def finish(self, diffusion: qs.Diffusion, state: Cloud, t: jax.Array, *, key: Key) -> Any:
        key_data, key_choice = jr.split(key)
        found = self.posterior(diffusion, state, t, key=key_data)
        return jax.tree.map(lambda leaf: leaf[jr.categorical(key_choice, found.log_weights)], found.x)

    def posterior(self, diffusion: qs.Diffusion, state: Cloud, t: jax.Array, *, key: Key) -> qs.trajectory.Posterior:
        """All particles as data, with their weights."""
        plain, potential = diffusion.untilted, diffusion.potential

        def draw(z: Any, key: Key) -> tuple[Any, jax.Array]:
            params = _params(plain, z, t)
            data = plain.decode(_guided(plain, params), z, t)
            ends = [pair.decode(own, z, t) for (pair, _), own in zip(plain.factors, params, strict=True)]
            if potential is None:
                x = data.sample(key)
                return x, _left(plain, ends, data, x)
            twist = potential.twist(data)
            x = twist.data.sample(key)
            return x, twist.log_mean + twist.left(x) + _left(plain, ends, data, x)

        x, log_psis = jax.vmap(draw)(state.z, jr.split(key, self.options.count))
        log_weights = state.log_weights + log_psis
        return qs.trajectory.Posterior(x, jax.nn.log_softmax(log_weights), state.log_evidence + _log_mean(log_weights))

    def position(self, state: Cloud) -> Any:
        """The first particle."""
        return jax.tree.map(lambda leaf: leaf[0], state.z)


def _params(diffusion: qs.Diffusion, z: Any, t: jax.Array) -> tuple[Any, ...]:
    """The params of each factor of a pair."""
    return tuple(pair.params(z, t) for pair, _ in diffusion.factors)


def _guided(diffusion: qs.Diffusion, params: tuple[Any, ...]) -> Any:
    """Those of the pair itself."""
    if diffusion.guidance is None:
        return params[0]
    return diffusion.kernel.guided(params[0], params[1], diffusion.guidance.weight)


def _left(diffusion: qs.Diffusion, factors: list[qs.AbstractDistribution], own: qs.AbstractDistribution, value: Any) -> jax.Array:
    """log of what the product of powers of the factors is at a value, beside the pair's own distribution; 0 without guidance."""
    if diffusion.guidance is None:
        return jnp.zeros(())
    powers = [power for _, power in diffusion.factors]
    return sum(power * each.log_prob(value) for power, each in zip(powers, factors, strict=True)) - own.log_prob(value)


def _log_mean(log_weights: jax.Array) -> jax.Array:
    return logsumexp(log_weights) - jnp.log(len(log_weights))
