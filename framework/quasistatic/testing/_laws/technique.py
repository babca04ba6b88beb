"""What every kernel must be besides right: of one type, the same in jit and vmap, careful with keys, equal to its other forms."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process import trajectory
from quasistatic._process.distribution import AbstractDistribution, AbstractIntegrable, AbstractWithMean, Key, State, Time
from quasistatic._process.event import Categorical
from quasistatic._process.finite import Finite, FiniteKernel, floored_log
from quasistatic._process.kernel import AbstractBridged, AbstractFlowing, AbstractKernel
from quasistatic._process.ledger import ledger_terms
from quasistatic._process.model import Ports, Side
from quasistatic._process.product import AbstractProduct, AbstractProductKernel, product
from quasistatic._process.tree import take
from quasistatic.oracles import expect
from quasistatic.oracles._entropy import is_finite
from quasistatic.testing._law import law
from quasistatic.testing._laws.distributions import distributions_at
from quasistatic.testing._laws.semigroup import PAIRS, mismatch, place
from quasistatic.testing._reading import Reading, faults, worst
from quasistatic.testing._setting import Setting, Spot, enumerate_states, layout_of, table, types_of
from quasistatic.testing._tools.key_trace import key_faults

OVERRIDES = ("equilibrium", "reference", "marginal", "transition", "posterior", "decode", "bridge", "reverse")


@law(
    "kernel",
    "shapes",
    "Steps keep the type of a noisy state, decode gives data as the event declares them, features and params keep their layout; "
    "whole numbers among features are symbols, and a network can tell states apart.",
    unseen="Types of what none of these calls returns.",
)
def shapes(kernel: AbstractKernel, setting: Setting) -> Reading:
    times, ports, event, scalar = setting.times(kernel), Ports.of(kernel), kernel.event.structs, jnp.zeros(())
    s, t = times[1], times[3]

    def results(key: Key) -> dict[str, tuple[Any, Any]]:
        spot, params = take(setting.spots(kernel, s, t, 1), 0), setting.params(kernel)
        x, _, z = spot
        reverse, rho = kernel.reverse(params, z, s, t), kernel.reference()
        found = {
            "equilibrium": (kernel.equilibrium().sample(key), z),
            "transition": (kernel.transition(z, s, t).sample(key), z),
            "posterior": (kernel.posterior(x, z, s, t).sample(key), z),
            "reverse": (reverse.sample(key), z),
            "log_prob": (kernel.marginal(x, t).log_prob(z), scalar),
            "kl": (kernel.posterior(x, z, s, t).kl(reverse, key=key), scalar),
            "entropy": (kernel.marginal(x, t).entropy(key), scalar),
            "decode": (kernel.decode(params, z, t).sample(key), event),
            "encode": (kernel.encode(z, t), ports.features.tree),
            "zero_params": (kernel.zero_params(), ports.params.tree),
        }
        return found if rho is None else {**found, "reference": (rho.sample(key), event)}

    types = {name: tuple(map(types_of, pair)) for name, pair in eqx.filter_eval_shape(results, setting.key(0)).items()}
    wrong = [f"{name}: {found}, expected {wanted}" for name, (found, wanted) in types.items() if found != wanted]
    if any(bool(jnp.any(leaf != 0)) for leaf in jax.tree.leaves(kernel.zero_params())):
        wrong.append("zero_params: not zero")
    return faults([*wrong, *_misread(kernel, setting)], "wrong shapes or types")


def _misread(kernel: AbstractKernel, setting: Setting) -> list[str]:
    """What is wrong with what a network reads of states."""
    times, params = setting.times(kernel), Ports.of(kernel).params.tree
    # early and late ones, as some kernels begin with one and some end in one
    spots = setting.spots(kernel, times[0], times[3], 64)
    zs = jax.tree.map(lambda *leaves: np.concatenate(leaves), *jax.device_get((spots.early, spots.late)))
    features = jax.device_get(_features(kernel, zs, times[2]))
    by_part = features if isinstance(kernel, AbstractProductKernel) else {"": features}
    wrong = [f"encode {name}".strip() + ": all states are the same" for name, part in by_part.items() if _are_alike(part)]
    for leaf, given in zip(jax.tree.leaves(features), jax.tree.leaves(params), strict=True):
        if np.issubdtype(leaf.dtype, np.integer) and (leaf.min() < 0 or leaf.max() > given.shape[-1]):
            wrong.append(f"encode: symbols from {leaf.min()} to {leaf.max()}, expected 0 to {given.shape[-1]}")
    return wrong


@eqx.filter_jit
def _features(kernel: AbstractKernel, zs: State, t: Time) -> State:
    return jax.vmap(lambda z: kernel.encode(z, t))(zs)


def _are_alike(rows: State) -> bool:
    return all(bool(np.all(leaf == leaf[:1])) for leaf in jax.tree.leaves(rows))


@law(
    "kernel",
    "given",
    "Side information that is absent changes nothing.",
    float64=True,
    quick=False,
    unseen="Side information that is there, and whether it is used well.",
)
def given(kernel: AbstractKernel, setting: Setting) -> Reading:
    absent = Side.absent(Categorical((), 3))
    assert absent is not None
    other = kernel.given(absent.value)
    if other.event != kernel.event or layout_of(other.zero_params()) != layout_of(kernel.zero_params()):
        return Reading(1.0, 0.0, "kernels of another event or of other params")
    pairs = zip(distributions_at(kernel, setting).items(), distributions_at(other, setting).values(), strict=True)
    return worst(_same(_log_prob_of_a_draw(a, a), _log_prob_of_a_draw(a, b), name) for (name, a), b in pairs)


@eqx.filter_jit
def _log_prob_of_a_draw(drawn: AbstractDistribution, distribution: AbstractDistribution) -> jax.Array:
    return distribution.log_prob(drawn.sample(jr.key(0)))


@law(
    "kernel",
    "agreement",
    "One event alone and in a batch, in two programs: the same values and the same draws.",
    float64=True,
    quick=False,
    unseen="What goes wrong in batches larger than three.",
)
def agreement(kernel: AbstractKernel, setting: Setting) -> Reading:
    times, params = setting.times(kernel), setting.params(kernel)
    s, t = times[1], times[3]
    spots, keys = setting.spots(kernel, s, t, 3), setting.some_keys(30, 3)
    batched = _every_value_of_all(kernel, params, spots, keys, s, t)
    readings = []
    for number in range(2):
        alone = _every_value_alone(kernel, params, take(spots, number), keys[number], s, t)
        readings.append(_same(alone, take(batched, number), "vmap"))
    return worst(readings)


def _every_value(kernel: AbstractKernel, params: State, spot: Spot, key: Key, s: Time, t: Time) -> Any:
    x, early, late = spot
    keys = jr.split(key, 6)
    marginal, reverse = kernel.marginal(x, t), kernel.reverse(params, late, s, t)
    return [
        marginal.sample(keys[0]),
        kernel.transition(early, s, t).sample(keys[1]),
        reverse.sample(keys[2]),
        kernel.decode(params, late, t).sample(keys[3]),
        kernel.posterior(x, late, s, t).kl(reverse, key=keys[4]),
        marginal.entropy(keys[5]),
        marginal.log_prob(late),
        reverse.log_prob(early),
        kernel.decode(params, late, t).log_prob(x),
        kernel.encode(late, t),
    ]


_every_value_alone = eqx.filter_jit(_every_value)
_every_value_of_all = eqx.filter_jit(eqx.filter_vmap(_every_value, in_axes=(None, None, 0, 0, None, None)))


def _same(a: Any, b: Any, where: str) -> Reading:
    pairs = zip(*(map(np.asarray, jax.tree.leaves(tree)) for tree in (a, b)), strict=True)
    gaps = [np.max(np.abs(one - two) / (1.0 + np.abs(one))) for one, two in pairs]
    return Reading(float(np.max(gaps)), 1e-10, "relative", where)


@law(
    "kernel",
    "keys",
    "Draws are functions of their key, compiled or not; a key is split once, drawn from once, or folded with different numbers.",
    once=True,
    quick=False,
    unseen="Draws that are made with keys of numpy, in a place where no compiled program looks.",
)
def keys(kernel: AbstractKernel, setting: Setting) -> Reading:
    bad, found = [], distributions_at(kernel, setting)
    compiled = _samples(found, setting.key(1))
    for name, distribution in found.items():
        uses: dict[str, Callable[[Key], Any]] = {
            "sample": distribution.sample,
            "pair": distribution.pair,
            "entropy": distribution.entropy,
            "kl": functools.partial(_to_itself, distribution),
        }
        bad += [f"{name}.{verb}: {fault}" for verb, use in uses.items() for fault in key_faults(use, setting.key(0))]
        if not _is_same_draw(distribution.sample(setting.key(1)), compiled[name]):
            bad.append(f"{name}.sample: the same key gives two draws, or another one when compiled")
    end = kernel.reference() or kernel.equilibrium()
    draws = jax.vmap(end.sample)(setting.some_keys(2, 32))
    if _are_alike(draws):
        bad.append("32 keys give one draw")
    diffusion, x = setting.diffusion_with_random_network(kernel, 3), take(setting.data(kernel, 1), 0)
    times = diffusion.times()
    bad += key_faults(lambda key: trajectory.forward(kernel, x, times, key=key), setting.key(0))
    bad += key_faults(lambda key: ledger_terms(diffusion.for_chain(), x, key=key), setting.key(0))
    return faults(bad)


@eqx.filter_jit
def _samples(distributions: dict[str, AbstractDistribution], key: Key) -> dict[str, State]:
    return {name: distribution.sample(key) for name, distribution in distributions.items()}


def _is_same_draw(a: State, b: State) -> bool:
    """In float32, where two programs may round differently."""
    return all(jax.tree.leaves(jax.tree.map(lambda one, two: np.allclose(one, two, rtol=1e-4, atol=1e-4), a, b)))


def _to_itself(distribution: AbstractDistribution, key: Key) -> jax.Array:
    return distribution.kl(distribution, key=key)


def overrides(kernel: AbstractKernel) -> bool:
    """Whether a kernel on a finite space has forms of its own."""
    return isinstance(kernel, FiniteKernel) and any(
        getattr(type(kernel), name) is not getattr(FiniteKernel, name) for name in OVERRIDES
    )


@law(
    "kernel",
    "structure",
    "The cheaper forms of a kernel on a finite space are its matrices, at every state that can be reached.",
    when=overrides,
    float64=True,
    quick=False,
    unseen="States that nothing can reach.",
)
def structure(kernel: FiniteKernel, setting: Setting) -> Reading:
    times, params = setting.times(kernel), setting.params(kernel)
    gaps = [_ends_gap(kernel)] + [_forms_gap(kernel, params, times[first], times[last]) for first, last in PAIRS]
    return worst(Reading(float(gap), 1e-9, "nats", name) for found in gaps for name, gap in found.items())


@eqx.filter_jit
def _ends_gap(kernel: FiniteKernel) -> dict[str, jax.Array]:
    xs, zs = enumerate_states(kernel)
    places = {"equilibrium": zs, "reference": xs}
    return {
        name: mismatch(*(jax.vmap(form.log_prob)(states) for form in (getattr(kernel, name)(), _plain(kernel, name)())))
        for name, states in places.items()
    }


@eqx.filter_jit
def _forms_gap(kernel: FiniteKernel, params: State, s: Time, t: Time) -> dict[str, jax.Array]:
    xs, zs = enumerate_states(kernel)
    forms: dict[str, tuple[State, State, Callable[..., AbstractDistribution]]] = {
        "marginal": (xs, zs, lambda form, x: form(x, t)),
        "transition": (zs, zs, lambda form, z: form(z, s, t)),
        "decode": (zs, xs, lambda form, z: form(params, z, t)),
        "reverse": (zs, zs, lambda form, z: form(params, z, s, t)),
    }

    reached_by = jax.vmap(lambda x: jax.vmap(kernel.marginal(x, t).log_prob)(zs))(xs)
    reached = jnp.max(reached_by, axis=0)[:, None] > -1e20

    def gap(name: str) -> jax.Array:
        froms, tos, call = forms[name]

        def written_out(form: Callable[..., AbstractDistribution]) -> jax.Array:
            return table(lambda a: call(form, a), froms, tos)

        own, plain = written_out(getattr(kernel, name)), written_out(_plain(kernel, name))
        return mismatch(own if name in ("marginal", "transition") else jnp.where(reached, own, plain), plain)

    gaps = {name: gap(name) for name in forms}

    def of_posterior(x: State, z: State) -> jax.Array:
        own, plain = (form(x, z, s, t) for form in (kernel.posterior, _plain(kernel, "posterior")))
        reached = kernel.marginal(x, t).log_prob(z) > -1e20
        return jnp.where(reached, mismatch(jax.vmap(own.log_prob)(zs), jax.vmap(plain.log_prob)(zs)), 0.0)

    gaps["posterior"] = jnp.max(jax.vmap(lambda x: jax.vmap(lambda z: of_posterior(x, z))(zs))(xs))
    return gaps


def _plain(kernel: FiniteKernel, name: str) -> Callable[..., AbstractDistribution]:
    """What a kernel on a finite space is without forms of its own."""
    if name != "reverse":
        return getattr(FiniteKernel, name).__get__(kernel)

    def reverse(params: State, z: State, s: Time, t: Time) -> AbstractDistribution:
        return FiniteKernel.bridge(kernel, FiniteKernel.decode(kernel, params, z, t), z, s, t)

    return reverse


def _bridged(kernel: AbstractKernel) -> bool:
    return isinstance(kernel, AbstractBridged)


@law(
    "kernel",
    "averaging",
    "A step back is the posterior averaged over decode, and averaged over data that are certain it is the posterior.",
    when=_bridged,
    float64=True,
    unseen="Distributions of data other than those of `decode` and certain ones.",
)
def averaging(kernel: AbstractBridged, setting: Setting) -> Reading:
    times, params = setting.times(kernel), setting.params(kernel)
    readings = []
    for first, last in PAIRS:
        s, t = times[first], times[last]
        gaps = _averaging_gaps(kernel, params, setting.spots(kernel, s, t, 16), s, t)
        readings += [Reading(float(gap), 1e-9, "nats", f"{name}, {place(s, t)}") for name, gap in gaps.items()]
    return worst(readings)


@eqx.filter_jit
def _averaging_gaps(kernel: AbstractBridged, params: State, spots: Spot, s: Time, t: Time) -> dict[str, jax.Array]:
    def one(spot: Spot) -> dict[str, tuple[jax.Array, jax.Array]]:
        x, early, late = spot
        averaged = kernel.bridge(kernel.decode(params, late, t), late, s, t)
        pairs = {"over decode": (kernel.reverse(params, late, s, t).log_prob(early), averaged.log_prob(early))}
        if is_finite(kernel):
            surely = kernel.bridge(_certain(kernel, x), late, s, t)
            pairs["over certain data"] = (surely.log_prob(early), kernel.posterior(x, late, s, t).log_prob(early))
        return pairs

    return {name: mismatch(*pair) for name, pair in jax.vmap(one)(spots).items()}


def _certain(kernel: AbstractKernel, x: State) -> AbstractDistribution:
    """The distribution of data on a finite space that is x for certain."""
    if isinstance(kernel, AbstractProductKernel):
        return product({name: _certain(part, x[name]) for name, part in kernel.parts.items()})
    assert isinstance(kernel, FiniteKernel)
    return Finite(floored_log(jax.nn.one_hot(x.astype(jnp.int32), kernel.data_states, dtype=jnp.result_type(float))))


def _flowing(kernel: AbstractKernel) -> bool:
    return isinstance(kernel, AbstractFlowing)


@law(
    "kernel",
    "flow",
    "The flow is the mean of the drifts of the forward and of the learned reverse process.",
    "Nelson 1966; Song et al. 2021, section 4.3",
    when=_flowing,
    float64=True,
    unseen="The flow at other times than two of the chain; whether it carries the marginals of a network that is wrong.",
)
def flow(kernel: AbstractFlowing, setting: Setting) -> Reading:
    times, params = setting.times(kernel), setting.params(kernel)
    spots = setting.spots(kernel, times[1], times[3], 8)
    places = [("s", spots.early, times[1]), ("t", spots.late, times[3])]
    gaps = [(f"{name} = {float(t):.3g}", _flow_gap(kernel, params, zs, t)) for name, zs, t in places]
    return worst(Reading(float(gap), 1e-5, "relative", where) for where, gap in gaps)


@eqx.filter_jit
def _flow_gap(kernel: AbstractFlowing, params: State, zs: State, t: Time) -> jax.Array:
    def drift(z: State, h: float) -> State:
        """(E[z_{t+h} given z] - E[z_{t-h} given z]) / 2h, from the means of both processes."""
        ahead, behind = _mean(kernel.transition(z, t, t + h)), _mean(kernel.reverse(params, z, t - h, t))
        return jax.tree.map(lambda a, b: (a - b) / (2.0 * h), ahead, behind)

    def one(z: State) -> jax.Array:
        # two differences, so that the error is of the second order in h
        wide, narrow = drift(z, 1e-5), drift(z, 5e-6)
        gaps = jax.tree.map(
            lambda own, w, n: jnp.max(jnp.abs(own - (2.0 * n - w)) / (1.0 + jnp.abs(own))), kernel.flow(params, z, t), wide, narrow
        )
        return jnp.max(jnp.stack(jax.tree.leaves(gaps)))

    return jnp.max(jax.vmap(one)(zs))


def _mean(distribution: AbstractDistribution) -> State:
    if isinstance(distribution, AbstractProduct):
        return {name: _mean(part) for name, part in distribution.parts.items()}
    if isinstance(distribution, AbstractIntegrable):
        return expect(distribution, lambda z: z)
    if isinstance(distribution, AbstractWithMean):
        return distribution.mean()
    raise TypeError(f"{type(distribution).__name__}: a kernel with a flow needs means or nodes of its steps")
