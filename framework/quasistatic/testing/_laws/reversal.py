"""What zero params promise: the reversal of the reference, exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process import trajectory
from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import AbstractDistribution, AbstractIntegrable, Key, State, Time
from quasistatic._process.event import AbstractField
from quasistatic._process.finite import Finite, FiniteKernel
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.tree import take
from quasistatic.oracles import ExactDecoder, exact_ledger, expect
from quasistatic.testing._law import WORK, law
from quasistatic.testing._laws.semigroup import furthest
from quasistatic.testing._reading import Reading, statistical, worst
from quasistatic.testing._setting import Setting, Steps, enumerate_states, fresh
from quasistatic.testing._tools.statistics import scores


def _finite_alone(kernel: AbstractKernel) -> bool:
    return isinstance(kernel, FiniteKernel)


def _promises_reversal(kernel: AbstractKernel) -> bool:
    return kernel.is_exact_at_zero and kernel.reference() is not None


def _promises_exact_k(kernel: AbstractKernel) -> bool:
    return kernel.is_exact_at_zero and isinstance(kernel.reference(), AbstractIntegrable)


def chains(kernel: AbstractKernel, setting: Setting) -> list[jax.Array]:
    """Chains that all give the same K where the decoder is exact: T = 1, and T = 5 in two ways."""
    natural = [jnp.asarray(kernel.times(steps), jnp.result_type(float)) for steps in (1, 5)]
    return [*natural, setting.times(kernel)]


@law(
    "kernel",
    "zero-params",
    "With zero params the log-weight of every single path is log rho(x) + log pi(z_1) - log rho_1(z_1), rho_1 being the "
    "distribution at t = 1 of the process started in the reference rho; so less log rho(x) it is the same for all paths that "
    "end in one state, at whatever times, and the mean of its exponential is 1.",
    WORK,
    when=_promises_reversal,
    float64=True,
    unseen="A kernel that promises nothing.",
)
def zero_params(kernel: AbstractKernel, setting: Setting) -> Reading:
    diffusion, steps = fresh(kernel, 1), setting.steps(kernel)
    gaps = _disagreements(diffusion, steps, setting.some_keys(7, len(steps.early)))
    left = [_weights_left(diffusion, times, setting.keys(8, 1_000)) for times in chains(kernel, setting)[1:]]
    totals = [statistical(scores(np.asarray(weights)[:, None], np.ones(1)), "the mean of the exponential") for weights in left]
    return worst([furthest(gaps, steps, 1e-8, "nats"), *totals])


@eqx.filter_jit
def _disagreements(diffusion: Diffusion, steps: Steps, keys: Key) -> jax.Array:
    """How far two paths s, t to one state z_t, from data of their own, are from each other in what is left of their log-weight."""
    kernel, rho = diffusion.kernel, diffusion.kernel.reference()
    assert rho is not None

    def of_a_step(s: Time, t: Time, key: Key) -> jax.Array:
        key_x, key_early, key_late = jr.split(key, 3)
        xs = jax.vmap(rho.sample)(jr.split(key_x))
        late = kernel.marginal(take(xs, 0), t).sample(key_late)

        def left(x: State, key: Key) -> jax.Array:
            early = kernel.posterior(x, late, s, t).sample(key)
            return _left(diffusion, trajectory.Path(x, _stacked([early, late])), jnp.stack([s, t]))

        possible = kernel.marginal(take(xs, 1), t).log_prob(late) > -600.0  # not all data come to all states
        typical, other = jax.vmap(left)(xs, jr.split(key_early))
        return jnp.where(possible, jnp.abs(typical - other), 0.0)

    return jax.vmap(of_a_step)(*steps, keys)


def _stacked(states: list[State]) -> State:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)


@eqx.filter_jit
def _weights_left(diffusion: Diffusion, times: jax.Array, keys: Key) -> jax.Array:
    """pi(z) / rho_t(z) at the last states of paths from the reference."""
    kernel, rho = diffusion.kernel, diffusion.kernel.reference()
    assert rho is not None

    def one(key: Key) -> jax.Array:
        key_x, key_path = jr.split(key)
        path = trajectory.forward(kernel, rho.sample(key_x), times, key=key_path)
        return jnp.exp(_left(diffusion, path, times))

    return jax.vmap(one)(keys)


def _left(diffusion: Diffusion, path: trajectory.Path, times: jax.Array) -> jax.Array:
    """The log-weight of a path less log rho(x)."""
    rho = diffusion.kernel.reference()
    assert rho is not None
    return trajectory.log_weight(diffusion, path, times).sum() - rho.log_prob(path.x)


def _log_last(kernel: AbstractKernel, data: AbstractDistribution, z: State) -> jax.Array:
    """log-probability at t = 1 of the process started in data on a finite space."""
    return jnp.log(expect(data, lambda x: jnp.exp(kernel.marginal(x, jnp.ones(())).log_prob(z))))


def _asks(name: str) -> Callable[..., Any]:
    """A method that asks the kernel inside for its own."""

    def method(self: _Seen, *inputs: Any) -> Any:
        return getattr(self.kernel, name)(*inputs)

    return method


class _Seen(FiniteKernel):
    """Another kernel whose noisy states a network sees as they are, so that an exact decoder can read them."""

    kernel: FiniteKernel
    event: AbstractField = eqx.field(static=True)
    is_exact_at_zero: bool = eqx.field(static=True)
    times = _asks("times")
    log_matrix = _asks("log_matrix")
    log_equilibrium = _asks("log_equilibrium")
    log_reference = _asks("log_reference")
    zero_params = _asks("zero_params")
    tilt = _asks("tilt")
    equilibrium = _asks("equilibrium")
    reference = _asks("reference")
    marginal = _asks("marginal")
    transition = _asks("transition")
    posterior = _asks("posterior")
    decode = _asks("decode")
    bridge = _asks("bridge")
    reverse = _asks("reverse")


def _with_exact_decoder(kernel: FiniteKernel, log_weights: jax.Array) -> Diffusion:
    """The kernel with a network that knows the data, whose events have these log-weights, each element for itself."""
    seen = _Seen(kernel=kernel, event=kernel.event, is_exact_at_zero=kernel.is_exact_at_zero)
    return Diffusion(seen, ExactDecoder(seen, enumerate_states(kernel)[0], jax.nn.softmax(log_weights)), 1)


@law(
    "kernel",
    "cross-entropy",
    "With the exact decoder of independent elements no chain loses anything: K(x) is log p(x), but for what is left at the end.",
    WORK,
    when=_promises_exact_k,
    float64=True,
    quick=False,
    unseen="A kernel without a reference that can be integrated.",
)
def cross_entropy(kernel: AbstractKernel, setting: Setting) -> Reading:
    # data are rho tilted by constants; what is left at the end is E log of pi over the distribution at t = 1
    if isinstance(kernel, FiniteKernel):
        xs, _ = enumerate_states(kernel)
        tilt = setting.params_scale * jr.normal(setting.key(8), (*kernel.event.shape, kernel.data_states))
        log_probs, exact = _independent(kernel, Finite(jax.nn.log_softmax(kernel.log_reference() + tilt)))
        diffusion = _with_exact_decoder(kernel, log_probs)
    else:
        rho = kernel.reference()
        assert rho is not None
        xs = setting.data(kernel, 4)
        diffusion = fresh(kernel, 1)
        exact = _at_zero(diffusion, xs, jax.tree.map(lambda leaf: jnp.roll(leaf, 1, axis=0), xs))
    found = {len(times): exact_ledger(diffusion, xs, times=times).per_event for times in chains(kernel, setting)}
    return worst(Reading(float(np.max(np.abs(ks - exact))), 1e-8, "nats", f"T = {steps}") for steps, ks in found.items())


@eqx.filter_jit
def _independent(kernel: FiniteKernel, data: Finite) -> tuple[jax.Array, jax.Array]:
    """log p of all events of data with independent elements, and their exact K."""
    pi, (xs, _) = kernel.equilibrium(), enumerate_states(kernel)

    def left(x: State) -> jax.Array:
        return expect(kernel.marginal(x, jnp.ones(())), lambda z: pi.log_prob(z) - _log_last(kernel, data, z))

    log_probs = jax.vmap(data.log_prob)(xs)
    return log_probs, log_probs + jax.vmap(left)(xs)


@eqx.filter_jit
def _at_zero(diffusion: Diffusion, xs: State, others: State) -> jax.Array:
    """K of events with zero params: log rho, and what is left at the end, which paths from other events tell."""
    kernel, rho, end = diffusion.kernel, diffusion.kernel.reference(), jnp.ones(())
    assert rho is not None

    def one(x: State, other: State) -> jax.Array:
        def left(z: State) -> jax.Array:
            return _left(diffusion, trajectory.Path(other, _stacked([z])), end[None])

        return rho.log_prob(x) + expect(kernel.marginal(x, end), left)

    return jax.vmap(one)(xs, others)


@law(
    "kernel",
    "refinement",
    "With the exact denoiser of data whose elements depend on each other, more steps between the same ends never lower K.",
    f"{WORK}; Cover & Thomas 2006, section 2.8",
    when=_finite_alone,
    float64=True,
    quick=False,
    unseen="Kernels that are not finite, and losses smaller than what one halving gains.",
)
def refinement(kernel: FiniteKernel, setting: Setting) -> Reading:
    xs, _ = enumerate_states(kernel)
    log_rho = jax.vmap(kernel.reference().log_prob)(xs)
    log_weights = jax.nn.log_softmax(log_rho + 2 * jr.normal(setting.key(9), log_rho.shape))
    diffusion, times = _with_exact_decoder(kernel, log_weights), setting.times(kernel)
    coarse, halved = (exact_ledger(diffusion, xs, jnp.exp(log_weights), chain).bound for chain in (times[::2], times))
    return Reading(coarse - halved, 1e-9, "nats lost")
