"""Bounds on the entropy of every true step back, from data alone, as alarms for the learned one."""

from __future__ import annotations

import math

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process.arithmetic import check_arithmetic
from quasistatic._process.blocks import in_blocks
from quasistatic._process.diffusion import Chain, Diffusion
from quasistatic._process.distribution import Key, State, Time
from quasistatic._process.grid import Steps
from quasistatic._process.tree import count_of
from quasistatic.thermodynamics._per_event import standard_errors

IMPOSSIBLE = 1e6  # nats, beyond which log pi is the floor of a state without probability


@attrs.frozen(eq=False)
class EntropyBounds:
    """Bounds on H(Z_s given Z_t) of the T - 1 steps from `times[k + 1]` back to `times[k]`, each (N, T - 1) in nats, by event.

    `lower` is H(Z_s given Z_t, X). `paper_upper` is H(Z_t given Z_s) (Sohl-Dickstein et al. 2015, section 2.6), which is an upper
    bound only where the entropy of Z does not fall with time. `corrected_upper` adds the rise of E log pi, and holds for every
    kernel that leaves equilibrium as it is: the divergence from it cannot rise (Cover & Thomas, section 4.4). It is inf where
    equilibrium excludes states, nan for a kernel without a stationary equilibrium. `learned` is the cross-entropy
    -log p(z_s given z_t) of the model, which is never below the true entropy.
    """

    times: np.ndarray
    lower: np.ndarray
    paper_upper: np.ndarray
    corrected_upper: np.ndarray
    learned: np.ndarray

    @property
    def is_paper_upper_unsure(self) -> np.ndarray:
        """Whether E log pi rises in a step by more than three standard errors: the paper's bound may then fail; (T - 1,)."""
        rise = self.corrected_upper - self.paper_upper
        return np.isinf(rise).any(axis=0) | (rise.mean(axis=0) > 3.0 * standard_errors(rise))

    @property
    def alarms(self) -> np.ndarray:
        """Steps (T - 1,) whose learned cross-entropy is below the lower bound by more than five standard errors: there is a fault.

        A wrong sign, a normalisation that is missing, or noise that the network has seen.
        """
        above = self.learned - self.lower
        return above.mean(axis=0) < -5.0 * standard_errors(above) - 1e-5


def entropy_bounds(
    diffusion: Diffusion, xs: State, *, key: Key, steps: Steps = None, side: State | None = None, repeats: int = 1
) -> EntropyBounds:
    """Bounds of every step, by events `xs` (N, ...) with their side information (N, ...), each a mean of `repeats` draws.

    Raises ValueError for fewer than two events.
    """
    check_arithmetic()
    chain, count = diffusion.for_chain(steps), count_of(xs)
    if count < 2:
        raise ValueError(f"entropy_bounds: expected at least two events, got {count}")

    def measure(block: State, side_block: State | None, numbers: jax.Array) -> jax.Array:
        return _bounds(chain, block, side_block, key, numbers)

    per_draw = in_blocks("entropy of the steps", measure, diffusion, xs, side, repeats)
    per_event = per_draw.reshape(count, repeats, *per_draw.shape[1:]).mean(axis=1)
    lower, upper, excess, learned = np.moveaxis(per_event, 2, 0)
    if diffusion.kernel.is_stationary:
        corrected = np.where(np.abs(excess) > IMPOSSIBLE, math.inf, upper + excess)
    else:
        corrected = np.full_like(upper, math.nan)
    return EntropyBounds(np.asarray(chain.times, np.float64), lower, upper, corrected, learned)


@eqx.filter_jit
def _bounds(chain: Chain, xs: State, side: State | None, key: Key, numbers: jax.Array) -> jax.Array:
    """H(z_s given z_t, x), H(z_t given z_s), the rise of log pi, -log p(z_s given z_t): (N, T - 1, 4)."""

    def one(x: State, side_one: State | None, number: jax.Array) -> jax.Array:
        given, times = chain.given(side_one).for_data(x), chain.times
        kernel, pi = given.kernel, given.kernel.equilibrium()

        def mean_log_pi(t: Time, key_time: Key) -> jax.Array:
            marginal, (key_entropy, key_kl) = kernel.marginal(x, t), jr.split(key_time)
            return -marginal.entropy(key_entropy) - marginal.kl(pi, key=key_kl)

        def step(at: tuple[Time, Time, Key]) -> jax.Array:
            s, t, key_step = at
            keys = jr.split(key_step, 6)
            z = kernel.marginal(x, t).sample(keys[0])
            posterior = kernel.posterior(x, z, s, t)
            earlier, lower = posterior.sample(keys[1]), posterior.entropy(keys[2])
            # less noise than -log p alone
            learned = lower + posterior.log_prob(earlier) - given.reverse(given.params(z, t), z, s, t).log_prob(earlier)
            forth = kernel.transition(earlier, s, t).entropy(keys[3])
            return jnp.stack([lower, forth, mean_log_pi(t, keys[4]) - mean_log_pi(s, keys[5]), learned])

        return jax.lax.map(step, (times[:-1], times[1:], jr.split(jr.fold_in(key, number), len(times) - 1)))

    return jax.vmap(one)(xs, side, numbers)
