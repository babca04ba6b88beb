"""Draws against the log-probabilities of the distributions that they are of."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process.distribution import (
    AbstractDiscrete,
    AbstractDistribution,
    AbstractIntegrable,
    AbstractWithMean,
    Key,
    State,
    Time,
)
from quasistatic._process.event import FIELDS
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.product import AbstractProduct
from quasistatic._process.tree import take
from quasistatic.oracles import expect
from quasistatic.oracles._entropy import is_finite
from quasistatic.testing._law import PAPER, law
from quasistatic.testing._laws.distributions import (
    DRAWS,
    Draw,
    distributions_at,
    drawn,
    draws_of,
    entropy_of,
    loud_distributions_at,
    over_keys,
    overridden,
    sample_of,
)
from quasistatic.testing._laws.semigroup import every_other, scattered
from quasistatic.testing._reading import Reading, faults, not_measured, statistical, worst
from quasistatic.testing._setting import Setting, Steps
from quasistatic.testing._tools.statistics import (
    are_flat,
    are_symbols,
    chi_square,
    counts_of,
    flat,
    inside,
    lows_of,
    moments,
    scores,
)


@eqx.filter_jit
def _nodes(distribution: AbstractIntegrable) -> tuple[State, jax.Array]:
    return distribution.nodes()


@eqx.filter_jit
def _expected_moments(distribution: AbstractIntegrable) -> jax.Array:
    return expect(distribution, moments)


def _right_distribution(kernel: AbstractKernel, draw: Draw, setting: Setting) -> Reading:
    """Draws of every distribution against its enumeration, or its moments and entropy."""
    readings = []
    finite = is_finite(kernel)
    for number, (name, distribution) in enumerate(distributions_at(kernel, setting).items()):
        if draw is not sample_of and not overridden(distribution, "pair"):
            readings.append(not_measured(f"{name}: its pairs are two draws"))
            continue
        keys = setting.keys(100 + number, draws_of(kernel))
        states, rows, log_probs = drawn(distribution, keys, draw)
        if finite:
            assert isinstance(distribution, AbstractIntegrable)
            cells, weights = _nodes(distribution)
            shares = np.where(np.asarray(weights) < 1e-15, 0.0, weights)
            readings.append(statistical(chi_square(counts_of(states, cells), shares), name))
            continue
        if isinstance(distribution, AbstractIntegrable):
            readings.append(statistical(scores(rows, np.asarray(_expected_moments(distribution))), name))
        elif not overridden(distribution, "entropy"):
            readings.append(not_measured(f"{name}: neither nodes nor an entropy of its own to compare its draws with"))
            continue
        entropies = over_keys(entropy_of, setting.keys(13, DRAWS), distribution)
        readings.append(statistical(scores(-log_probs, entropies), name))
    return worst(readings)


@law(
    "kernel",
    "samples",
    "Draws follow the distribution whose log-probability they have.",
    unseen="A family that has neither nodes nor an entropy of its own: `overlap` is left.",
)
def samples(kernel: AbstractKernel, setting: Setting) -> Reading:
    return _right_distribution(kernel, sample_of, setting)


@law(
    "kernel",
    "pair",
    "Each half of a coupled pair follows the distribution on its own.",
    quick=False,
    unseen="Pairs whose halves are right and depend on each other in an unlucky way.",
)
def pair(kernel: AbstractKernel, setting: Setting) -> Reading:
    return worst(_right_distribution(kernel, half, setting) for half in (_first_half, _second_half))


@law(
    "kernel",
    "normalised",
    "Every distribution sums or integrates to one, whatever the network says: by enumeration where that is possible, else under p "
    "the mean of g / p is 1, for a g inside of p. And one that tells its mean has it: by nodes, by values or by draws.",
    float64=True,
    unseen="Numbers of fields of your own, numbers that need not exist, and data on a set of fewer dimensions: no density inside "
    "of theirs is known.",
)
def normalised(kernel: AbstractKernel, setting: Setting) -> Reading:
    readings, finite = _means(kernel, setting), is_finite(kernel)
    if not finite and not all(isinstance(field, FIELDS) for field in kernel.event.parts().values()):
        # of angles two ends are one place
        return worst([*readings, not_measured("no density inside of those on a field of its own is known")])
    if getattr(kernel.event, "gates", ()):
        return worst([*readings, not_measured("numbers that need not exist have neither a density nor probabilities alone")])
    usual: dict[str, np.ndarray] = {}
    lows = lows_of(kernel.event)
    for number, (name, distribution) in enumerate(loud_distributions_at(kernel, setting).items()):
        if finite:
            assert isinstance(distribution, AbstractIntegrable)
            readings.append(Reading(float(_distance_from_one(distribution)), 1e-4, "from 1 in total probability", name))
            continue
        states, _, log_probs = drawn(distribution, setting.keys(500 + number, DRAWS), sample_of)
        rows = flat(states)
        symbols = are_symbols(rows)
        # a loud network may leave so little noise that floats cannot tell numbers apart: then there is no density to read
        if not np.array_equal(usual.setdefault(name.partition(" ")[0], symbols), symbols):
            readings.append(not_measured(f"{name}: floats cannot tell its numbers apart"))
        elif are_flat(rows):
            readings.append(not_measured(f"{name}: its draws lie on a set of fewer dimensions than it has numbers"))
        else:
            # a noisy state may be of other numbers than data
            bounds = lows if len(lows) == rows.shape[1] else np.full(rows.shape[1], -np.inf)
            readings.append(statistical(inside(rows[::2], rows[1::2], np.asarray(log_probs)[1::2], symbols, bounds), name))
    return worst(readings)


def _means(kernel: AbstractKernel, setting: Setting) -> list[Reading]:
    """What distributions tell as their mean, and what it is."""
    reported = {
        f"{name} {part}".strip(): each
        for name, distribution in distributions_at(kernel, setting).items()
        for part, each in _parts(distribution).items()
        if isinstance(each, AbstractWithMean)
    }
    readings = []
    for name, (mean, terms) in _means_and_terms(reported, setting.keys(600, DRAWS)).items():
        drawn = not isinstance(reported[name], AbstractIntegrable | AbstractDiscrete)
        gap = scores(terms, mean) if drawn else float(jnp.max(jnp.abs(mean - terms) / (1.0 + jnp.abs(mean))))
        readings.append(statistical(gap, f"the mean of {name}") if drawn else Reading(gap, 1e-9, "relative", f"the mean of {name}"))
    return readings


def _parts(distribution: AbstractDistribution) -> dict[str, AbstractDistribution]:
    if not isinstance(distribution, AbstractProduct):
        return {"": distribution}
    return {f"{name} {inner}".strip(): each for name, part in distribution.parts.items() for inner, each in _parts(part).items()}


@eqx.filter_jit
def _means_and_terms(reported: dict[str, AbstractWithMean], keys: Key) -> dict[str, tuple[jax.Array, jax.Array]]:
    """The mean that each tells, as a row of numbers, and the exact one, or the draws (keys, numbers) whose mean it should be."""

    def of(distribution: AbstractWithMean) -> tuple[jax.Array, jax.Array]:
        mean = distribution.mean()

        def term(z: State) -> jax.Array:
            """What the mean is a mean of: of a symbol, whether it is each of the states."""

            def of_leaf(m: jax.Array, leaf: jax.Array) -> jax.Array:
                return leaf if m.shape == leaf.shape else jax.nn.one_hot(leaf.astype(jnp.int32), m.shape[-1])

            return _row(jax.tree.map(of_leaf, mean, z))

        if isinstance(distribution, AbstractIntegrable):
            return _row(mean), expect(distribution, term)
        if isinstance(distribution, AbstractDiscrete):
            shares, values = jnp.exp(distribution.log_probabilities()), distribution.values()
            return _row(mean), _row(shares if mean.shape == shares.shape else shares @ values)
        return _row(mean), jax.vmap(lambda key: term(distribution.sample(key)))(keys)

    return {name: of(distribution) for name, distribution in reported.items()}


def _row(tree: State) -> jax.Array:
    return jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(tree)])


@eqx.filter_jit
def _distance_from_one(distribution: AbstractIntegrable) -> jax.Array:
    return jnp.abs(jnp.sum(jnp.exp(jax.vmap(distribution.log_prob)(distribution.nodes()[0]))) - 1.0)


@law(
    "kernel",
    "bridge",
    "Forwards x to z_s to z_t, or x to z_t and back to z_s by the posterior: the same pairs of states.",
    f"{PAPER}, appendix A",
    quick=False,
    unseen="A fault in higher moments alone.",
)
def bridge(kernel: AbstractKernel, setting: Setting) -> Reading:
    steps, x = every_other(setting.steps(kernel)), take(setting.data(kernel, 2), 1)
    return scattered(*_both_ways(kernel, x, steps, setting.keys_of(steps, 400, 3 * DRAWS)), steps)


@eqx.filter_jit
def _both_ways(kernel: AbstractKernel, x: State, steps: Steps, keys: Key) -> tuple[jax.Array, jax.Array]:
    """Moments of the pairs, drawn in both ways, (steps, draws, values)."""

    def one(key: Key, s: Time, t: Time) -> tuple[jax.Array, jax.Array]:
        key_early, key_late, key_end, key_back = jr.split(key, 4)
        early = kernel.marginal(x, s).sample(key_early)
        late = kernel.transition(early, s, t).sample(key_late)
        end = kernel.marginal(x, t).sample(key_end)
        back = kernel.posterior(x, end, s, t).sample(key_back)
        return moments((early, late, kernel.encode(early, s))), moments((back, end, kernel.encode(back, s)))

    return jax.vmap(jax.vmap(one, (0, None, None)))(keys, *steps)


@law(
    "kernel",
    "support",
    "What is drawn is possible, whatever the network says: data are as the event declares, and no distribution calls its own draws "
    "impossible.",
    unseen="Data that are possible and rare.",
)
def support(kernel: AbstractKernel, setting: Setting) -> Reading:
    bad, count = [], draws_of(kernel)
    for number, (name, distribution) in enumerate(loud_distributions_at(kernel, setting).items()):
        states, _, log_probs = drawn(distribution, setting.keys(200 + number, count), sample_of)
        if not np.all(np.asarray(log_probs) > -1e20):
            bad.append(f"{name}: a draw that is impossible under its own distribution")
        if name.startswith(("reference", "decode")) and not all(map(np.all, jax.tree.leaves(kernel.event.contains(states)))):
            bad.append(f"{name}: numbers outside of {kernel.event.describe()}")
    return faults(bad)


def _first_half(distribution: AbstractDistribution, key: Key) -> State:
    return distribution.pair(key)[0]


def _second_half(distribution: AbstractDistribution, key: Key) -> State:
    return distribution.pair(key)[1]
