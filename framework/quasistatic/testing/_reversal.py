"""What zero params promise, and what K can never do: the laws over kernel and ledger together."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.flatten_util import ravel_pytree

from quasistatic import trajectory
from quasistatic._diffusion import Diffusion
from quasistatic._distribution import AbstractDistribution, AbstractIntegrable, Key, State
from quasistatic._finite import Finite, FiniteKernel
from quasistatic._kernel import AbstractKernel
from quasistatic._ledger import ledger as ledger_of
from quasistatic.testing._law import LIMIT, Reading, statistical, worst
from quasistatic.testing._setting import Constant, Setting, all_levels, at, fresh, in_float64, listed, mean_of, table
from quasistatic.testing._statistics import largest_of, scores


def balanced(kernel: AbstractKernel) -> bool:
    """Whether the reference law of data is the equilibrium."""
    rho = kernel.reference()
    return rho is not None and bool(eqx.tree_equal(rho, kernel.equilibrium()))


def chains(kernel: AbstractKernel, setting: Setting) -> Sequence[jax.Array]:
    """Chains that all give the same K where the decoder is exact: T = 1, and T = 5 in two ways."""
    natural = [jnp.asarray(kernel.grid(steps), jnp.result_type(float)) for steps in (1, 5)]
    return [*natural, setting.times(kernel)]


@in_float64
def zero_params(kernel: AbstractKernel, setting: Setting) -> Reading:
    """With zero params the work of every single path is log rho(x) + log pi(z_1) - log rho_1(z_1).

    rho_1 is the law at t = 1 of the process started in rho; it cancels pi where rho is the equilibrium.
    """
    diffusion, keys = fresh(kernel, 1), jr.split(setting.key(7), 32)
    return worst(
        Reading(float(_residual(diffusion, times, keys, balanced(kernel))), 1e-8, "nats", f"T = {len(times)}")
        for times in chains(kernel, setting)[1:]
    )


@eqx.filter_jit
def _residual(diffusion: Diffusion, times: jax.Array, keys: Key, stationary: bool) -> jax.Array:
    kernel = diffusion.kernel
    rho, pi = kernel.reference(), kernel.equilibrium()
    assert rho is not None

    def one(key: Key) -> jax.Array:
        key_x, key_path = jr.split(key)
        path = trajectory.forward(kernel, rho.sample(key_x), times, key_path)
        last = at(path.zs, -1)
        left = 0.0 if stationary else pi.log_prob(last) - _log_last(kernel, rho, last)
        return trajectory.work(diffusion, path, times).sum() - rho.log_prob(path.x) - left

    return jnp.max(jnp.abs(jax.vmap(one)(keys)))


def _log_last(kernel: AbstractKernel, data: AbstractIntegrable, z: State) -> jax.Array:
    """log of the law at t = 1 of the process started in a law of data on a finite space."""
    xs, weights = data.nodes()
    return jnp.log(weights @ jnp.exp(jax.vmap(lambda x: kernel.marginal(x, jnp.ones(())).log_prob(z))(xs)))


def exact_bound(diffusion: Diffusion, x: State, times: jax.Array) -> jax.Array:
    """K(x) by the nodes of the kernel's laws, nats: exact on finite spaces and where the reverse steps are linear."""
    kernel = diffusion.kernel

    def first(z: State) -> jax.Array:
        return diffusion.decode(diffusion.params(z, times[0]), z, times[0]).log_prob(x)

    def gap(at: tuple[jax.Array, jax.Array]) -> jax.Array:
        s, t = at

        def of(z: State) -> jax.Array:
            return _kl(kernel.posterior(x, z, s, t), kernel.reverse(diffusion.params(z, t), z, s, t))

        return mean_of(kernel.marginal(x, t), of)

    total = mean_of(kernel.marginal(x, times[0]), first)
    return total - jax.lax.map(gap, (times[:-1], times[1:])).sum() - exact_prior(diffusion, x)


exact_bounds = eqx.filter_jit(eqx.filter_vmap(exact_bound, in_axes=(None, 0, None)))


def exact_prior(diffusion: Diffusion, x: State) -> jax.Array:
    """KL(q(z_1 given x) || equilibrium) by nodes, nats."""
    kernel = diffusion.kernel
    return _kl(kernel.marginal(x, jnp.ones(())), kernel.equilibrium())


def _kl(p: AbstractDistribution, q: AbstractDistribution) -> jax.Array:
    return mean_of(p, lambda z: p.log_prob(z) - q.log_prob(z))


class Informed(Diffusion):
    """A kernel on a finite space whose network knows the law of data exactly, each element for itself.

    `log_weights` (events of data,) are those of the whole events.
    """

    log_weights: jax.Array

    def __init__(self, kernel: FiniteKernel, log_weights: jax.Array):
        super().__init__(kernel, Constant(kernel.zero_params()), 1)
        self.log_weights = log_weights

    def params(self, z: State, t: jax.Array, given: jax.Array | None = None, key: Key | None = None) -> State:
        kernel = self.kernel
        xs, _ = kernel.reference().nodes()
        likelihood = jax.vmap(lambda x: kernel.marginal(x, t).log_prob(z))(xs)
        chances = jax.nn.softmax(self.log_weights + likelihood)
        states = len(kernel.log_reference())
        elements = jnp.tensordot(chances, jax.nn.one_hot(xs.astype(jnp.int32), states, dtype=chances.dtype), 1)  # (*event, states)
        per_state = kernel.log_matrix(None, t).T[z.astype(jnp.int32)]
        # what cannot have become z needs no tilt to be ruled out
        tilt = jnp.where(elements > 0, jnp.log(jnp.where(elements > 0, elements, 1.0)) - kernel.log_reference() - per_state, 0.0)
        return params_of_tilt(kernel, z, tilt)


def params_of_tilt(kernel: FiniteKernel, z: State, tilt: jax.Array) -> State:
    """The params at z that tilt the data by these log-weights (*event, states); tilts are linear in the params."""
    zero, unravel = ravel_pytree(kernel.zero_params())

    def centred(params: jax.Array) -> jax.Array:
        tilted = kernel.tilt(unravel(params), z)
        return (tilted - tilted.mean(axis=-1, keepdims=True)).ravel()

    wanted = (tilt - tilt.mean(axis=-1, keepdims=True)).ravel() - centred(zero)
    return unravel(jnp.linalg.lstsq(jax.jacfwd(centred)(zero), wanted)[0])


@in_float64
def cross_entropy(kernel: AbstractKernel, setting: Setting) -> Reading:
    """With the exact decoder of independent elements no grid loses anything: K(x) is log p(x), but for the end.

    Data are rho tilted by constants; what is left at the end is E log of pi over the law of data at t = 1.
    """
    if isinstance(kernel, FiniteKernel):
        tilt = setting.size * jr.normal(setting.key(8), (*kernel.event.shape, len(kernel.log_reference())))
        diffusion, exact = _independent(kernel, tilt)
        xs, _ = listed(kernel)
    else:
        rho = kernel.reference()
        assert rho is not None
        xs = setting.data(kernel, 4)
        diffusion, exact = fresh(kernel, 1), jax.vmap(rho.log_prob)(xs)
    gaps = {len(times): jnp.max(jnp.abs(exact_bounds(diffusion, xs, times) - exact)) for times in chains(kernel, setting)}
    return worst(Reading(float(gap), 1e-8, "nats", f"T = {steps}") for steps, gap in gaps.items())


@eqx.filter_jit
def _independent(kernel: FiniteKernel, tilt: jax.Array) -> tuple[Diffusion, jax.Array]:
    """The informed diffusion of data whose elements are independent, and the exact K of all events."""
    data = Finite(jax.nn.log_softmax(kernel.log_reference() + tilt))
    pi, (xs, _) = kernel.equilibrium(), listed(kernel)
    exact = jax.vmap(data.log_prob)(xs)

    def left(x: State) -> jax.Array:
        return mean_of(kernel.marginal(x, jnp.ones(())), lambda z: pi.log_prob(z) - _log_last(kernel, data, z))

    return Informed(kernel, exact), exact + jax.vmap(left)(xs)


@in_float64
def refinement(kernel: FiniteKernel, setting: Setting) -> Reading:
    """With the exact denoiser of data whose elements depend on each other, more steps between the same ends never lower K."""
    xs, _ = listed(kernel)
    log_weights = jax.nn.log_softmax(jax.vmap(kernel.reference().log_prob)(xs) + 2 * jr.normal(setting.key(9), len(xs)))
    diffusion, times = Informed(kernel, log_weights), setting.times(kernel)
    coarse, halved = (jnp.exp(log_weights) @ exact_bounds(diffusion, xs, grid) for grid in (times[::2], times))
    return Reading(float(coarse - halved), 1e-9, "nats lost")


@in_float64
def bound(kernel: AbstractKernel, setting: Setting) -> Reading:
    """K never exceeds the truth, whatever the network says.

    Where all data can be listed the exponentials of K(x) are at most a probability in total; else K is compared with the
    entropy of the reference law.
    """
    unit = "nats above the truth"
    if isinstance(kernel, FiniteKernel):
        xs, _ = listed(kernel)
        ks = [exact_bounds(setting.wrong(kernel, 1), xs, times) for times in chains(kernel, setting)]
        return Reading(float(np.max([jax.nn.logsumexp(k) for k in ks])), 1e-9, unit)
    diffusion, key = setting.wrong(kernel, 4), setting.key(10)
    if kernel.event.quantised:
        levels = all_levels(kernel.event)
        repeats = -(-2_000 // len(levels)) * setting.more
        drawn = ledger_of(diffusion, jnp.concatenate([levels] * repeats), key).per_event.reshape(repeats, -1)
        error = drawn.std(axis=0).max() / repeats**0.5
        return Reading(float(jax.nn.logsumexp(drawn.mean(axis=0)) - LIMIT * error), 1e-6, unit)
    rho = kernel.reference()
    xs = setting.data(kernel, 2_000 * setting.more)
    truth = np.zeros(len(jax.tree.leaves(xs)[0])) if rho is None else np.asarray(jax.vmap(rho.log_prob)(xs))
    excess = ledger_of(diffusion, xs, key).per_event - truth
    return statistical(
        float(excess.mean() / (excess.std() / len(excess) ** 0.5 + 1e-9)), unit="standard errors above the truth"
    )


@in_float64
def ledger(kernel: AbstractKernel, setting: Setting) -> Reading:
    """Every term of the ledger is the mean of its term of the work, over forward paths, with a wrong network."""
    diffusion = setting.wrong(kernel, 4)
    times = diffusion.times()
    readings = []
    for number in (0, 1):
        keys = setting.keys(20 + number, 2_000)
        x = at(setting.data(kernel, 2), number)
        xs = jax.tree.map(lambda leaf, keys=keys: jnp.repeat(leaf[None], len(keys), axis=0), x)
        terms = ledger_of(diffusion, xs, setting.key(10 + number)).terms
        works = np.asarray(_works(diffusion, x, times, keys))
        figures = [scores(-terms[:, k], works[:, k]) for k in range(terms.shape[1])]
        place = int(np.argmax(figures))
        readings.append(statistical(largest_of(figures[place], len(figures)), f"term {place} of {len(figures)}"))
    return worst(readings)


@eqx.filter_jit
def _works(diffusion: Diffusion, x: State, times: jax.Array, keys: Key) -> jax.Array:
    """The terms of the work of forward paths from x, (keys, T + 1)."""
    return jax.vmap(lambda key: trajectory.work(diffusion, trajectory.forward(diffusion.kernel, x, times, key), times))(keys)


@in_float64
def jarzynski(kernel: FiniteKernel, setting: Setting) -> Reading:
    """Over all forward paths the mean of exp(work) is p(x) of the reverse chain, and these sum to one (Jarzynski 1997)."""
    diffusion = setting.wrong(kernel, 3)
    times = diffusion.times()
    backward, forward = model_law(diffusion, times), _path_sums(diffusion, times)
    worst_gap = float(jnp.max(jnp.abs(forward - backward)))
    return Reading(float(np.max([worst_gap, abs(float(backward.sum()) - 1.0)])), 1e-10, "in probability")


@eqx.filter_jit
def model_law(diffusion: Diffusion, times: jax.Array) -> jax.Array:
    """p(x) of every event by the reverse chain of a kernel on a finite space."""
    kernel = diffusion.kernel
    xs, zs = listed(kernel)

    def back(at: tuple[jax.Array, jax.Array]) -> jax.Array:
        s, t = at
        return jnp.exp(table(lambda z: kernel.reverse(diffusion.params(z, t), z, s, t), zs, zs))

    state = jnp.exp(jax.vmap(kernel.equilibrium().log_prob)(zs))
    for step in jax.lax.map(back, (times[:-1], times[1:]))[::-1]:
        state = state @ step
    return state @ jnp.exp(table(lambda z: diffusion.decode(diffusion.params(z, times[0]), z, times[0]), zs, xs))


@eqx.filter_jit
def _path_sums(diffusion: Diffusion, times: jax.Array) -> jax.Array:
    """E exp(work) of every event over all forward paths."""
    kernel = diffusion.kernel
    xs, zs = listed(kernel)
    steps = jax.lax.map(lambda at: table(lambda z: kernel.transition(z, *at), zs, zs), (times[:-1], times[1:]))
    paths = jnp.stack(jnp.meshgrid(*[jnp.arange(len(zs))] * len(times), indexing="ij"), -1).reshape(-1, len(times))

    def one(x: State, path: jax.Array) -> jax.Array:
        log_q = kernel.marginal(x, times[0]).log_prob(zs[path[0]])
        log_q = log_q + sum(steps[number, path[number], path[number + 1]] for number in range(len(times) - 1))
        work = trajectory.work(diffusion, trajectory.Path(x, zs[path]), times).sum()
        return jnp.where(log_q > -1e20, jnp.exp(log_q + work), 0.0)

    return jax.vmap(lambda x: jax.vmap(lambda path: one(x, path))(paths).sum())(xs)
