"""What K can never do: the laws over kernel and ledger together."""

from __future__ import annotations

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process import trajectory
from quasistatic._process.diffusion import Chain, Diffusion
from quasistatic._process.distribution import AbstractDistribution, Key, State
from quasistatic._process.event import Levels
from quasistatic._process.kernel import AbstractJumping, AbstractKernel
from quasistatic._process.ledger import ledger as ledger_of
from quasistatic._process.ledger import ledger_terms
from quasistatic._process.tree import count_of, take
from quasistatic.oracles import exact_ledger, log_likelihood, path_distribution
from quasistatic.oracles._entropy import is_finite
from quasistatic.testing._law import WORK, law
from quasistatic.testing._laws.distributions import Distributions, distributions_at
from quasistatic.testing._laws.reversal import chains
from quasistatic.testing._reading import LIMIT, Reading, faults, statistical, worst
from quasistatic.testing._setting import LOUD, Setting, all_levels, enumerate_states
from quasistatic.testing._tools.statistics import largest_of, scores

# as a whole and by part
WholeAndParts = tuple[jax.Array, dict[str, jax.Array]]


@law(
    "kernel",
    "bound",
    "K never exceeds the truth, whatever the network: over all data the exponentials of K(x) are at most a probability in total; "
    "where these cannot be enumerated, the mean of K is at most that of log rho over the reference.",
    WORK,
    float64=True,
    unseen="A K that is needlessly low.",
)
def bound(kernel: AbstractKernel, setting: Setting) -> Reading:
    sizes = (setting.params_scale, *LOUD)
    return worst(_above_the_truth(kernel, attrs.evolve(setting, params_scale=size)) for size in sizes)


def _above_the_truth(kernel: AbstractKernel, setting: Setting) -> Reading:
    unit, where = "nats above the truth", f"a network with params of {setting.params_scale:.3g}"
    if is_finite(kernel):
        (xs, _), diffusion = enumerate_states(kernel), setting.diffusion_with_random_network(kernel, 1)
        ks = [exact_ledger(diffusion, xs, times=times).per_event for times in chains(kernel, setting)]
        rounding = 8.0 * np.finfo(np.float64).eps * setting.params_scale  # of the loudest
        return Reading(float(np.max([np.logaddexp.reduce(k) for k in ks])), max(1e-9, rounding), unit, where)
    diffusion, key = setting.diffusion_with_random_network(kernel, 4), setting.key(10)
    if isinstance(kernel.event, Levels):
        levels = all_levels(kernel.event)
        repeats = -(-2_000 // len(levels)) * setting.draws_factor
        drawn = ledger_of(diffusion, jnp.concatenate([levels] * repeats), key=key).per_event.reshape(repeats, -1)
        error = drawn.std(axis=0).max() / repeats**0.5
        return Reading(float(np.logaddexp.reduce(drawn.mean(axis=0)) - LIMIT * error), 1e-6, unit, where)
    rho = kernel.reference()
    xs = setting.data(kernel, 2_000 * setting.draws_factor)
    truth = np.zeros(count_of(xs)) if rho is None else np.asarray(_log_probs(rho, xs))
    excess = ledger_of(diffusion, xs, key=key).per_event - truth
    return statistical(float(excess.mean() / (excess.std() / len(excess) ** 0.5 + 1e-9)), where, "standard errors above the truth")


@eqx.filter_jit
def _log_probs(distribution: AbstractDistribution, xs: State) -> jax.Array:
    return jax.vmap(distribution.log_prob)(xs)


@law(
    "kernel",
    "ledger",
    "Every term of the ledger is minus the mean of its term of the log-weight, over forward paths, with a wrong network; and what "
    "distributions tell by part of the event adds up to their log-probability and divergence.",
    WORK,
    float64=True,
    unseen="A fault that log-weights and divergences share.",
)
def ledger(kernel: AbstractKernel, setting: Setting) -> Reading:
    diffusion = setting.diffusion_with_random_network(kernel, 4)
    times = diffusion.times()
    readings = []
    for number in (0, 1):
        keys = setting.keys(20 + number, 2_000)
        x, alike = take(setting.data(kernel, 2), number), np.full(len(keys), number)
        xs = take(setting.data(kernel, 2), alike)
        terms = ledger_of(diffusion, xs, key=setting.key(10 + number)).terms
        log_weights = np.asarray(_log_weights(diffusion, x, times, keys))
        values = [scores(-terms[:, k], log_weights[:, k]) for k in range(terms.shape[1])]
        term = int(np.argmax(values))
        readings.append(statistical(largest_of(values[term], len(values)), f"term {term} of {len(values)}"))
    return worst([*readings, *_sums_over_parts(kernel, setting)])


def _sums_over_parts(kernel: AbstractKernel, setting: Setting) -> list[Reading]:
    """The ledger reads log-probabilities and divergences by part, all else reads them as a whole: their names and their sums."""
    found, parts = distributions_at(kernel, setting), kernel.event.parts()
    pairs = {**_log_probs_by_part(found, setting.key(24)), "divergence": _divergences_by_part(found, setting.keys(25, 1_000))}
    wrong = [
        f"{name}: parts {sorted(by_part)}, expected {sorted(parts)}"
        for name, (_, by_part) in pairs.items()
        if {*by_part} != {*parts}
    ]
    gaps = {name: np.asarray(sum(by_part.values()) - whole) for name, (whole, by_part) in pairs.items()}
    # a divergence may be a draw, and one by part another
    readings = [statistical(scores(gaps.pop("divergence")[:, None], np.zeros(1)), "the divergence by part")]
    for name, gap in gaps.items():
        size = max(1.0, abs(float(pairs[name][0])))
        readings.append(Reading(abs(float(gap)) / size, 1e-9, "relative", f"{name} by part"))
    return [*readings, faults(wrong, "distributions of other parts")]


@eqx.filter_jit
def _log_probs_by_part(distributions: Distributions, key: Key) -> dict[str, WholeAndParts]:
    """Of a draw from each."""
    draws = {name: distribution.sample(key) for name, distribution in distributions.items()}
    return {name: (each.log_prob(draws[name]), each.log_prob_by_part(draws[name])) for name, each in distributions.items()}


@eqx.filter_jit
def _divergences_by_part(distributions: Distributions, keys: Key) -> WholeAndParts:
    """Of the posterior and the step back, for many keys."""
    p, q = distributions["posterior"], distributions["reverse"]
    return jax.vmap(lambda key: (p.kl(q, key=key), p.kl_by_part(q, key=key)))(keys)


@eqx.filter_jit
def _log_weights(diffusion: Diffusion, x: State, times: jax.Array, keys: Key) -> jax.Array:
    """The terms of the log-weight of forward paths from x, (keys, T + 1)."""

    def one(key: Key) -> jax.Array:
        return trajectory.log_weight(diffusion, trajectory.forward(diffusion.kernel, x, times, key=key), times)

    return jax.vmap(one)(keys)


def _jumps(kernel: AbstractKernel) -> bool:
    return isinstance(kernel, AbstractJumping)


@law(
    "kernel",
    "jumps",
    "The steps that jump are all that a path costs: their terms are the log-weight of the whole path, with a wrong network.",
    WORK,
    when=_jumps,
    float64=True,
    quick=False,
    unseen="Steps that jump and cost nothing in both ways of counting.",
)
def jumps(kernel: AbstractJumping, setting: Setting) -> Reading:
    diffusion = setting.diffusion_with_random_network(kernel, 3 * kernel.most_jumps + 2)
    xs = setting.data(kernel, 200)
    short, whole = _by_jumps_and_whole(diffusion.for_chain(), xs, setting.keys(23, count_of(xs)))
    return Reading(float(jnp.max(jnp.abs(short - whole))), 1e-9, "nats", f"{count_of(xs)} paths")


@eqx.filter_jit
def _by_jumps_and_whole(chain: Chain, xs: State, keys: Key) -> tuple[jax.Array, jax.Array]:
    """The terms of -K of paths, but for the prior, from their jumps and from all their states."""
    diffusion, times, kernel = chain.diffusion, chain.times, chain.diffusion.kernel
    assert isinstance(kernel, AbstractJumping)

    def one(x: State, key: Key) -> tuple[jax.Array, jax.Array]:
        (key_path, _), found = jr.split(key), ledger_terms(chain, x, key=key)
        jumps = kernel.jumps(x, times, key=key_path)
        changed = jumps.counts & (jumps.numbers <= jnp.arange(len(times))[:, None])
        last = jnp.argmax(jnp.where(changed, jumps.numbers + 1, 0), axis=1)

        def state(now: jax.Array, start: jax.Array) -> jax.Array:
            moved = jnp.any(changed, axis=1).reshape(-1, *[1] * start.ndim)
            return jnp.where(moved, now[last], start)

        zs = jax.tree.map(state, jumps.after, x)
        costs = -trajectory.log_weight(diffusion, trajectory.Path(x, zs), times)
        return sum(found.values(), start=jnp.zeros(len(times) + 1))[:-1], costs[:-1]

    return jax.vmap(one)(xs, keys)


@law(
    "kernel",
    "jarzynski",
    "Over all forward paths the mean of exp(log-weight) is p(x) of the reverse chain, and these sum to one.",
    "Jarzynski 1997; Sohl-Dickstein et al. 2015, eq. 9",
    when=is_finite,
    once=True,
    float64=True,
    unseen="Chains of more than three steps.",
)
def jarzynski(kernel: AbstractKernel, setting: Setting) -> Reading:
    diffusion = setting.diffusion_with_random_network(kernel, 3)
    times, (xs, _) = diffusion.times(), enumerate_states(kernel)
    backward = np.exp(log_likelihood(diffusion, xs, times))
    found = []
    for number in range(len(backward)):
        q = np.exp(path_distribution(diffusion, take(xs, number), times).log_q)
        log_weights = np.asarray(_log_weights_of_all(diffusion, take(xs, number), times))
        found.append(np.sum(q * np.exp(np.where(q > 0, log_weights, 0.0))))
    gap = np.max(np.abs(np.array(found) - backward))
    return Reading(float(np.max([gap, abs(backward.sum() - 1.0)])), 1e-10, "in probability")


@eqx.filter_jit
def _log_weights_of_all(diffusion: Diffusion, x: State, times: jax.Array) -> jax.Array:
    """The log-weight of every path, in the order of `path_distribution`."""
    _, zs = enumerate_states(diffusion.kernel)
    grid = np.indices((count_of(zs),) * len(times)).reshape(len(times), -1).T
    return jax.vmap(lambda path: trajectory.log_weight(diffusion, trajectory.Path(x, take(zs, path)), times).sum())(grid)
