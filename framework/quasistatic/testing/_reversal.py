"""What zero params promise, and what K can never do: the laws over kernel and ledger together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
from quasistatic.testing._law import Reading, worst
from quasistatic.testing._setting import (
    Answering,
    all_levels,
    arbitrary,
    at,
    fresh,
    in_float64,
    listed,
    mean_of,
    some_data,
    times_of,
)
from quasistatic.testing._statistics import LIMIT, scores


def balanced(kernel: AbstractKernel) -> bool:
    """Whether the reference law of data is the equilibrium."""
    rho = kernel.reference()
    return rho is not None and bool(eqx.tree_equal(rho, kernel.equilibrium()))


def chains(kernel: AbstractKernel) -> Sequence[jax.Array]:
    """Chains that all give the same K where the decoder is exact: T = 1, and T = 5 in two ways."""
    natural = [jnp.asarray(kernel.grid(steps), jnp.result_type(float)) for steps in (1, 5)]
    return [*natural, times_of(kernel)]


@in_float64
def zero_params(kernel: AbstractKernel) -> Reading:
    """With zero params the work of every single path is log rho(x) + log pi(z_1) - log rho_1(z_1).

    rho_1 is the law at t = 1 of the process started in rho; it cancels pi where rho is the equilibrium.
    """
    rho, pi = kernel.reference(), kernel.equilibrium()
    assert rho is not None
    diffusion, stationary = fresh(kernel, 1), balanced(kernel)

    @jax.jit
    def residuals(times: jax.Array) -> jax.Array:
        def one(key: Key) -> jax.Array:
            key_x, key_path = jr.split(key)
            path = trajectory.forward(kernel, rho.sample(key_x), times, key_path)
            last = at(path.zs, -1)
            left = 0.0 if stationary else pi.log_prob(last) - _log_last(kernel, rho, last)
            return trajectory.work(diffusion, path, times).sum() - rho.log_prob(path.x) - left

        return jax.vmap(one)(jr.split(jr.key(7), 32))

    return worst(
        Reading(float(jnp.max(jnp.abs(residuals(times)))), 1e-8, "nats", f"T = {len(times)}")
        for times in chains(kernel)[1:]
    )


def _log_last(kernel: AbstractKernel, data: AbstractIntegrable, z: State) -> jax.Array:
    """log of the law at t = 1 of the process started in a law of data on a finite space."""
    xs, weights = data.nodes()
    return jnp.log(weights @ jnp.exp(jax.vmap(lambda x: kernel.marginal(x, jnp.ones(())).log_prob(z))(xs)))


def exact_bound(diffusion: Diffusion, x: State, times: jax.Array) -> jax.Array:
    """K(x) by the nodes of the kernel's laws, nats: exact on finite spaces and where the reverse steps are linear."""
    kernel = diffusion.kernel

    def first(z: State) -> jax.Array:
        return diffusion.decode(diffusion.params(z, times[0]), z, times[0]).log_prob(x)

    total = mean_of(kernel.marginal(x, times[0]), first)
    for s, t in zip(times[:-1], times[1:], strict=True):

        def gap(z: State, s: jax.Array = s, t: jax.Array = t) -> jax.Array:
            return _kl(kernel.posterior(x, z, s, t), kernel.reverse(diffusion.params(z, t), z, s, t))

        total = total - mean_of(kernel.marginal(x, t), gap)
    return total - exact_prior(diffusion, x)


def exact_prior(diffusion: Diffusion, x: State) -> jax.Array:
    """KL(q(z_1 given x) || equilibrium) by nodes, nats."""
    kernel = diffusion.kernel
    return _kl(kernel.marginal(x, jnp.ones(())), kernel.equilibrium())


def _kl(p: AbstractDistribution, q: AbstractDistribution) -> jax.Array:
    return mean_of(p, lambda z: p.log_prob(z) - q.log_prob(z))


@in_float64
def cross_entropy(kernel: AbstractKernel) -> Reading:
    """With the exact decoder of independent elements no grid loses anything: K(x) is log p(x), but for the end.

    Data are rho tilted by constants; what is left at the end is E log of pi over the law of data at t = 1.
    """
    if not isinstance(kernel, FiniteKernel):
        rho = kernel.reference()
        assert rho is not None
        xs = some_data(kernel, 4)
        return _worst_gap(fresh(kernel, 1), xs, jax.vmap(rho.log_prob)(xs))
    shape = (*kernel.event.shape, len(kernel.log_reference()))
    tilt = jr.normal(jr.key(8), shape)
    data = Finite(jax.nn.log_softmax(kernel.log_reference() + tilt))
    pi = kernel.equilibrium()

    def left(x: State) -> jax.Array:
        return mean_of(kernel.marginal(x, jnp.ones(())), lambda z: pi.log_prob(z) - _log_last(kernel, data, z))

    xs, _ = listed(kernel)
    exact = jax.vmap(lambda x: data.log_prob(x) + left(x))(xs)
    return _worst_gap(Answering(kernel, constant_tilt(kernel, tilt), 1), xs, exact)


def _worst_gap(diffusion: Diffusion, xs: State, exact: jax.Array) -> Reading:
    readings = []
    for times in chains(diffusion.kernel):
        found = jax.vmap(lambda x, times=times: exact_bound(diffusion, x, times))(xs)
        readings.append(Reading(float(jnp.max(jnp.abs(found - exact))), 1e-8, "nats", f"T = {len(times)}"))
    return worst(readings)


def constant_tilt(kernel: FiniteKernel, tilt: jax.Array) -> Callable[[State, jax.Array], State]:
    """The params whose tilt of the data is the same for every z; tilts are linear in the params."""
    zero, unravel = ravel_pytree(kernel.zero_params())

    def answer(z: State, t: jax.Array) -> State:
        def centred(params: jax.Array) -> jax.Array:
            tilted = kernel.tilt(unravel(params), z)
            return (tilted - tilted.mean(axis=-1, keepdims=True)).ravel()

        wanted = (tilt - tilt.mean(axis=-1, keepdims=True)).ravel() - centred(zero)
        return unravel(jnp.linalg.lstsq(jax.jacfwd(centred)(zero), wanted)[0])

    return answer


@in_float64
def bound(kernel: AbstractKernel) -> Reading:
    """K never exceeds the truth, whatever the network says.

    Where all data can be listed the exponentials of K(x) are at most a probability in total; else K is compared with the
    entropy of the reference law.
    """
    unit = "nats above the truth"
    if isinstance(kernel, FiniteKernel):
        xs, _ = listed(kernel)
        ks = [jax.vmap(lambda x, c=c: exact_bound(arbitrary(kernel, 1), x, c))(xs) for c in chains(kernel)]
        return Reading(max(float(jax.nn.logsumexp(k)) for k in ks), 1e-9, unit)
    if kernel.event.quantised:
        levels = all_levels(kernel.event)
        repeats = -(-2_000 // len(levels))
        drawn = ledger_of(arbitrary(kernel, 4), jnp.concatenate([levels] * repeats), jr.key(9)).per_event
        return Reading(float(jax.nn.logsumexp(drawn.reshape(repeats, -1).mean(axis=0))), 0.05, unit)
    rho = kernel.reference()
    xs = some_data(kernel, 2_000)
    truth = np.zeros(len(jax.tree.leaves(xs)[0])) if rho is None else np.asarray(jax.vmap(rho.log_prob)(xs))
    excess = ledger_of(arbitrary(kernel, 4), xs, jr.key(9)).per_event - truth
    return Reading(float(excess.mean() / (excess.std() / len(excess) ** 0.5 + 1e-9)), LIMIT, "standard errors above the truth")


@in_float64
def ledger(kernel: AbstractKernel) -> Reading:
    """Every term of the ledger is the mean of its term of the work, over forward paths, with a wrong network."""
    count, diffusion = 2_000, arbitrary(kernel, 4)
    times = diffusion.times()

    @jax.jit
    @jax.vmap
    def work(x: State, key: Key) -> jax.Array:
        return trajectory.work(diffusion, trajectory.forward(kernel, x, times, key), times)

    readings = []
    for number in (0, 1):
        xs = jax.tree.map(lambda leaf: jnp.repeat(leaf[None], count, axis=0), at(some_data(kernel, 2), number))
        terms = ledger_of(diffusion, xs, jr.key(10 + number)).terms
        works = np.asarray(work(xs, jr.split(jr.key(20 + number), count)))
        figures = [scores(-terms[:, k], works[:, k]) for k in range(terms.shape[1])]
        place = int(np.argmax(figures))
        readings.append(Reading(figures[place], LIMIT, "standard errors", f"term {place} of {len(figures)}"))
    return worst(readings)


@in_float64
def jarzynski(kernel: FiniteKernel) -> Reading:
    """Over all forward paths the mean of exp(work) is p(x) of the reverse chain, and these sum to one (Jarzynski 1997)."""
    diffusion = arbitrary(kernel, 3)
    times = diffusion.times()
    xs, zs = listed(kernel)
    backward, forward = model_law(diffusion, xs, zs, times), _path_sums(diffusion, xs, zs, times)
    worst_gap = float(jnp.max(jnp.abs(forward - backward)))
    return Reading(max(worst_gap, abs(float(backward.sum()) - 1.0)), 1e-10, "in probability")


def model_law(diffusion: Diffusion, xs: State, zs: State, times: jax.Array) -> jax.Array:
    """p(x) of every event by the reverse chain."""
    kernel = diffusion.kernel
    state = jnp.exp(jax.vmap(kernel.equilibrium().log_prob)(zs))
    for s, t in zip(times[:-1][::-1], times[1:][::-1], strict=True):

        def back(z: State, s: jax.Array = s, t: jax.Array = t) -> jax.Array:
            return jax.vmap(kernel.reverse(diffusion.params(z, t), z, s, t).log_prob)(zs)

        state = state @ jnp.exp(jax.vmap(back)(zs))

    def data(z: State) -> jax.Array:
        return jax.vmap(diffusion.decode(diffusion.params(z, times[0]), z, times[0]).log_prob)(xs)

    return state @ jnp.exp(jax.vmap(data)(zs))


def _path_sums(diffusion: Diffusion, xs: State, zs: State, times: jax.Array) -> jax.Array:
    """E exp(work) of every event over all forward paths."""
    kernel = diffusion.kernel
    steps = [
        jax.vmap(lambda z, s=s, t=t: jax.vmap(kernel.transition(z, s, t).log_prob)(zs))(zs)
        for s, t in zip(times[:-1], times[1:], strict=True)
    ]
    paths = jnp.stack(jnp.meshgrid(*[jnp.arange(len(zs))] * len(times), indexing="ij"), -1).reshape(-1, len(times))

    def one(x: State, path: jax.Array) -> jax.Array:
        log_q = kernel.marginal(x, times[0]).log_prob(zs[path[0]])
        for number, step in enumerate(steps):
            log_q = log_q + step[path[number], path[number + 1]]
        work = trajectory.work(diffusion, trajectory.Path(x, zs[path]), times).sum()
        return jnp.where(log_q > -1e20, jnp.exp(log_q + work), 0.0)

    return jax.jit(jax.vmap(lambda x: jax.vmap(lambda path: one(x, path))(paths).sum()))(xs)
