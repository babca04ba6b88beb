"""A distribution's draws, its log-probabilities and its closed forms must agree."""

from __future__ import annotations

from collections.abc import Callable

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
from quasistatic._process.model import Ports
from quasistatic._process.product import AbstractProduct
from quasistatic._process.tree import take
from quasistatic.oracles import expect
from quasistatic.oracles._entropy import is_finite
from quasistatic.testing._law import PAPER, law
from quasistatic.testing._laws.semigroup import every_other, scattered, strong
from quasistatic.testing._reading import Reading, faults, not_measured, statistical, worst
from quasistatic.testing._setting import LOUD, Setting, Spot, Steps
from quasistatic.testing._tools.statistics import (
    are_symbols,
    chi_square,
    counts_of,
    flat,
    inside,
    largest_of,
    lows_of,
    moments,
    scores,
)

# cells of an enumeration need more draws than moments do
DRAWS, CELL_DRAWS = 4_000, 20_000
Draw = Callable[[AbstractDistribution, Key], State]
Distributions = dict[str, AbstractDistribution]
Pair = tuple[AbstractDistribution, AbstractDistribution]


def distributions_at(kernel: AbstractKernel, setting: Setting) -> Distributions:
    """One of every distribution that the kernel gives, somewhere in the middle of time."""
    times = setting.times(kernel)
    s, t = times[1], times[3]
    return _distributions(kernel, take(setting.spots(kernel, s, t, 2), 1), setting.params(kernel), s, t)


def loud_distributions_at(kernel: AbstractKernel, setting: Setting) -> Distributions:
    """The same, and again those that a network has a say in, with params of every size."""
    found, times = distributions_at(kernel, setting), setting.times(kernel)
    spot = take(setting.spots(kernel, times[1], times[3], 2), 1)
    for size in LOUD:
        loud = _distributions(kernel, spot, setting.params(kernel, scale=size), times[1], times[3])
        found |= {f"{name} with params of {size:g}": loud[name] for name in ("decode", "reverse")}
    return found


@eqx.filter_jit
def _distributions(kernel: AbstractKernel, spot: Spot, params: State, s: Time, t: Time) -> Distributions:
    found = {
        "equilibrium": kernel.equilibrium(),
        "marginal": kernel.marginal(spot.x, s),
        "transition": kernel.transition(spot.early, s, t),
        "posterior": kernel.posterior(spot.x, spot.late, s, t),
        "decode": kernel.decode(params, spot.late, t),
        "reverse": kernel.reverse(params, spot.late, s, t),
    }
    rho = kernel.reference()
    found = found if rho is None else {"reference": rho, **found}
    return {name: strong(distribution) for name, distribution in found.items()}


def neighbours(kernel: AbstractKernel, setting: Setting) -> dict[str, Pair]:
    """Pairs of distributions of the same thing: (p, q) with p inside the support of q."""
    times = setting.times(kernel)
    s, m, t = times[1], times[2], times[3]
    spot, xs = take(setting.spots(kernel, s, t, 2), 1), setting.data(kernel, 2)
    params = (setting.params(kernel, 5), setting.params(kernel, 6))
    return _pairs(kernel, spot, take(xs, 0), take(xs, 1), params, s, m, t)


@eqx.filter_jit
def _pairs(
    kernel: AbstractKernel, spot: Spot, a: State, b: State, params: tuple[State, State], s: Time, m: Time, t: Time
) -> dict[str, Pair]:
    one, other = params
    pairs = {
        "marginal and equilibrium": (kernel.marginal(a, jnp.ones(())), kernel.equilibrium()),
        "two marginals": (kernel.marginal(a, m), kernel.marginal(b, m)),
        "posterior and reverse": (kernel.posterior(spot.x, spot.late, s, t), kernel.reverse(one, spot.late, s, t)),
        "two decodes": (kernel.decode(one, spot.late, t), kernel.decode(other, spot.late, t)),
    }
    return {name: (strong(p), strong(q)) for name, (p, q) in pairs.items()}


def _overridden(distribution: AbstractDistribution, method: str) -> bool:
    """Where a family keeps the one-draw defaults there is nothing to compare."""
    if isinstance(distribution, AbstractProduct):
        return any(_overridden(part, method) for part in distribution.parts.values())
    return getattr(type(distribution), method) is not getattr(AbstractDistribution, method)


def _is_exact(distribution: AbstractDistribution, method: str) -> bool:
    """Whether a method gives the same value for every key."""
    if isinstance(distribution, AbstractProduct):
        return all(_is_exact(part, method) for part in distribution.parts.values())
    return _overridden(distribution, method)


@eqx.filter_jit
def _drawn(distribution: AbstractDistribution, keys: Key, draw: Draw) -> tuple[State, jax.Array, jax.Array]:
    states = jax.vmap(lambda key: draw(distribution, key))(keys)
    return states, jax.vmap(moments)(states), jax.vmap(distribution.log_prob)(states)


def _draws(kernel: AbstractKernel) -> int:
    """How many draws of each distribution: as many in every law, so that their programs are shared."""
    return CELL_DRAWS if is_finite(kernel) else DRAWS


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
        if draw is not _sample and not _overridden(distribution, "pair"):
            readings.append(not_measured(f"{name}: its pairs are two draws"))
            continue
        keys = setting.keys(100 + number, _draws(kernel))
        states, rows, log_probs = _drawn(distribution, keys, draw)
        if finite:
            assert isinstance(distribution, AbstractIntegrable)
            cells, weights = _nodes(distribution)
            shares = np.where(np.asarray(weights) < 1e-15, 0.0, weights)
            readings.append(statistical(chi_square(counts_of(states, cells), shares), name))
            continue
        if isinstance(distribution, AbstractIntegrable):
            readings.append(statistical(scores(rows, np.asarray(_expected_moments(distribution))), name))
        elif not _overridden(distribution, "entropy"):
            readings.append(not_measured(f"{name}: neither nodes nor an entropy of its own to compare its draws with"))
            continue
        entropies = _over_keys(_entropy, setting.keys(13, DRAWS), distribution)
        readings.append(statistical(scores(-log_probs, entropies), name))
    return worst(readings)


@law("kernel", "samples", "Draws follow the distribution whose log-probability they have.")
def samples(kernel: AbstractKernel, setting: Setting) -> Reading:
    return _right_distribution(kernel, _sample, setting)


@law("kernel", "pair", "Each half of a coupled pair follows the distribution on its own.", quick=False)
def pair(kernel: AbstractKernel, setting: Setting) -> Reading:
    return worst(_right_distribution(kernel, half, setting) for half in (_first_half, _second_half))


@law(
    "kernel",
    "normalised",
    "Every distribution sums or integrates to one, whatever the network says: by enumeration where that is possible, else under p "
    "the mean of g / p is 1, for a g inside of p. And one that tells its mean has it: by nodes, by values or by draws.",
    float64=True,
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
        states, _, log_probs = _drawn(distribution, setting.keys(500 + number, DRAWS), _sample)
        rows = flat(states)
        symbols = are_symbols(rows)
        # a loud network may leave so little noise that floats cannot tell numbers apart: then there is no density to read
        if not np.array_equal(usual.setdefault(name.partition(" ")[0], symbols), symbols):
            readings.append(not_measured(f"{name}: floats cannot tell its numbers apart"))
        else:
            # a noisy state may be of other numbers than data
            bounds = lows if len(lows) == rows.shape[1] else np.full(rows.shape[1], -np.inf)
            readings.append(statistical(inside(rows[::2], rows[1::2], np.asarray(log_probs)[1::2], symbols, bounds), name))
    return worst(readings)


def _means(kernel: AbstractKernel, setting: Setting) -> list[Reading]:
    """What distributions tell as their mean, and what it is."""
    told = {
        f"{name} {part}".strip(): each
        for name, distribution in distributions_at(kernel, setting).items()
        for part, each in _parts(distribution).items()
        if isinstance(each, AbstractWithMean)
    }
    readings = []
    for name, (mean, terms) in _means_and_terms(told, setting.keys(600, DRAWS)).items():
        drawn = not isinstance(told[name], AbstractIntegrable | AbstractDiscrete)
        gap = scores(terms, mean) if drawn else float(jnp.max(jnp.abs(mean - terms) / (1.0 + jnp.abs(mean))))
        readings.append(statistical(gap, f"the mean of {name}") if drawn else Reading(gap, 1e-9, "relative", f"the mean of {name}"))
    return readings


def _parts(distribution: AbstractDistribution) -> dict[str, AbstractDistribution]:
    if not isinstance(distribution, AbstractProduct):
        return {"": distribution}
    return {f"{name} {inner}".strip(): each for name, part in distribution.parts.items() for inner, each in _parts(part).items()}


@eqx.filter_jit
def _means_and_terms(told: dict[str, AbstractWithMean], keys: Key) -> dict[str, tuple[jax.Array, jax.Array]]:
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

    return {name: of(distribution) for name, distribution in told.items()}


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
)
def support(kernel: AbstractKernel, setting: Setting) -> Reading:
    bad, count = [], _draws(kernel)
    for number, (name, distribution) in enumerate(loud_distributions_at(kernel, setting).items()):
        states, _, log_probs = _drawn(distribution, setting.keys(200 + number, count), _sample)
        if not np.all(np.asarray(log_probs) > -1e20):
            bad.append(f"{name}: a draw that is impossible under its own distribution")
        if name.startswith(("reference", "decode")) and not all(map(np.all, jax.tree.leaves(kernel.event.contains(states)))):
            bad.append(f"{name}: numbers outside of {kernel.event.describe()}")
    return faults(bad)


def _sample(distribution: AbstractDistribution, key: Key) -> State:
    return distribution.sample(key)


def _first_half(distribution: AbstractDistribution, key: Key) -> State:
    return distribution.pair(key)[0]


def _second_half(distribution: AbstractDistribution, key: Key) -> State:
    return distribution.pair(key)[1]


@eqx.filter_jit
def _over_keys(value: Callable[..., jax.Array], keys: Key, *distributions: AbstractDistribution) -> jax.Array:
    """A value of distributions that may be an estimate from one draw, for many keys."""
    return jax.vmap(lambda key: value(*distributions, key))(keys)


def _entropy(p: AbstractDistribution, key: Key) -> jax.Array:
    return p.entropy(key)


def _surprise(p: AbstractDistribution, z: State) -> jax.Array:
    return -p.log_prob(z)


def _divergence(p: AbstractDistribution, q: AbstractDistribution, key: Key) -> jax.Array:
    return p.kl(q, key=key)


def _log_ratio(p: AbstractDistribution, q: AbstractDistribution, z: State) -> jax.Array:
    return p.log_prob(z) - q.log_prob(z)


@eqx.filter_jit
def _over_draws(value: Callable[..., jax.Array], keys: Key, *distributions: AbstractDistribution) -> jax.Array:
    """A value of distributions at draws of the first."""
    return jax.vmap(lambda key: value(*distributions, distributions[0].sample(key)))(keys)


@law(
    "kernel",
    "overlap",
    "For any two distributions p and q the mean of q / (p + q) under p is the mean of p / (p + q) under q: what both share.",
    "Bennett 1976",
    quick=False,
)
def overlap(kernel: AbstractKernel, setting: Setting) -> Reading:
    # needs draws and log-probabilities alone, and fails where either is not of the distribution, or it is not normalised
    readings = []
    for number, (name, (p, q)) in enumerate(neighbours(kernel, setting).items()):
        keys = setting.keys(300 + number, DRAWS)
        one, other = (_share(*pair, keys, jnp.asarray(half)) for half, pair in enumerate(((p, q), (q, p))))
        readings.append(statistical(scores(one, other), name))
    return worst(readings)


@eqx.filter_jit
def _share(p: AbstractDistribution, q: AbstractDistribution, keys: Key, half: jax.Array) -> jax.Array:
    def one(key: Key) -> jax.Array:
        z = p.sample(jr.split(key)[half])
        return jax.nn.sigmoid(q.log_prob(z) - p.log_prob(z))

    return jax.vmap(one)(keys)


@law(
    "kernel",
    "entropy",
    "The entropy is the mean of -log p: by enumeration where that is possible, else over draws.",
    float64=True,
    quick=False,
)
def entropy(kernel: AbstractKernel, setting: Setting) -> Reading:
    return worst(
        _is_mean(kernel, _entropy, _surprise, name, setting, distribution)
        if _overridden(distribution, "entropy")
        else not_measured(f"{name}: its entropy is a draw of -log p")
        for name, distribution in distributions_at(kernel, setting).items()
    )


@law(
    "kernel",
    "divergence",
    "KL(p || q) is the mean of log p - log q under p, is never negative, and vanishes where q is p.",
    float64=True,
    quick=False,
)
def divergence(kernel: AbstractKernel, setting: Setting) -> Reading:
    readings = []
    for name, (p, q) in neighbours(kernel, setting).items():
        if not _overridden(p, "kl"):
            readings.append(not_measured(f"{name}: the divergence is a draw of log p - log q"))
            continue
        readings.append(_is_mean(kernel, _divergence, _log_ratio, name, setting, p, q))
        to_itself = np.asarray(_over_keys(_divergence, setting.keys(15, DRAWS), p, p))
        readings.append(Reading(float(np.max(np.abs(to_itself))), 1e-9, "nats to itself", name))
        values = np.asarray(_over_keys(_divergence, setting.keys(16, DRAWS), p, q))
        below = -values.mean() / max(values.std() / len(values) ** 0.5, 1e-9)
        readings.append(statistical(float(below), name, "standard errors below zero"))
    return worst(readings)


def _is_mean(
    kernel: AbstractKernel,
    closed: Callable[..., jax.Array],
    point: Callable[..., jax.Array],
    name: str,
    setting: Setting,
    *distributions: AbstractDistribution,
) -> Reading:
    """A closed form against the mean that it stands for."""
    method = "entropy" if closed is _entropy else "kl"
    if not is_finite(kernel) or not _is_exact(distributions[0], method):
        drawn = _over_draws(point, setting.keys(18, DRAWS), *distributions)
        stated = _over_keys(closed, setting.keys(19, DRAWS), *distributions)
        return statistical(largest_of(scores(drawn, stated), 4), name)
    exact, told = float(_by_nodes(point, *distributions)), float(_over_keys(closed, setting.key(17)[None], *distributions)[0])
    return Reading(abs(told - exact) / max(1.0, abs(exact)), 1e-10, "nats", name)


@eqx.filter_jit
def _by_nodes(point: Callable[..., jax.Array], *distributions: AbstractDistribution) -> jax.Array:
    return expect(distributions[0], lambda z: point(*distributions, z))


@law(
    "kernel",
    "score",
    "Means over draws can be differentiated: a draw moves with its distribution, or its score stands for it. For any f the mean of "
    "df(z) + f(z) dscore(z) over draws z is that of f(z) dlog p(z), where d is the derivative with respect to t.",
    "Williams 1992 (the score); Kingma & Welling 2014 (the draw)",
    float64=True,
    quick=False,
)
def score(kernel: AbstractKernel, setting: Setting) -> Reading:
    times, readings = setting.times(kernel), []
    spot = take(setting.spots(kernel, times[1], times[3], 2), 1)
    for name, terms in _undone(kernel, Ports.of(kernel), spot, times[1], times[3], setting.keys(26, DRAWS)).items():
        readings.append(statistical(scores(terms, np.zeros(terms.shape[1])), name))
    return worst(readings)


@eqx.filter_jit
def _undone(kernel: AbstractKernel, ports: Ports, spot: Spot, s: Time, t: Time, keys: Key) -> dict[str, jax.Array]:
    """What should vanish in the mean over draws, (keys, values), of distributions whose time moves; f is what a network reads."""

    def terms(at: Callable[[Time], AbstractDistribution], now: Time) -> jax.Array:
        def values(t: Time, key: Key) -> tuple[jax.Array, jax.Array]:
            z = at(t).sample(key)
            weight = at(t).score(z) - at(t).log_prob(jax.lax.stop_gradient(z))
            return moments(ports.to_numbers(kernel.encode(z, now))), weight

        (f, _), (moved, weight) = jax.vmap(lambda key: jax.jvp(lambda t: values(t, key), (now,), (jnp.ones_like(now),)))(keys)
        # a constant in f adds nothing but noise
        return moved + (f - f.mean(axis=0)) * weight[:, None]

    found = {"marginal": terms(lambda t: kernel.marginal(spot.x, t), t)}
    # nothing asks a posterior for its score, but a divergence that is a draw is differentiated through the draw
    if kernel.posterior(spot.x, spot.late, s, t).is_reparametrised:
        found["posterior"] = terms(lambda s: kernel.posterior(spot.x, spot.late, s, t), s)
    return found
