"""What every kernel must be besides right: of one shape, the same in jit and vmap, careful with keys, equal to its matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

from quasistatic import trajectory
from quasistatic._distribution import AbstractDistribution, Key, State
from quasistatic._finite import FiniteKernel
from quasistatic._kernel import AbstractKernel
from quasistatic._ledger import ledger_terms
from quasistatic.testing._key_trace import key_faults
from quasistatic.testing._law import Reading, faults, worst
from quasistatic.testing._sampling import laws_at
from quasistatic.testing._semigroup import PAIRS, mismatch
from quasistatic.testing._setting import Setting, Spot, at, in_float64, listed, table

OVERRIDES = ("equilibrium", "reference", "marginal", "transition", "posterior", "decode", "reverse")


def shapes(kernel: AbstractKernel, setting: Setting) -> Reading:
    """Steps keep the type of a noisy state, decode gives the type of data, features are floats of (*event, features)."""
    times, key, params = setting.times(kernel), setting.key(0), setting.params(kernel)
    s, t = times[1], times[3]
    spot = at(setting.spots(kernel, s, t, 1), 0)
    z = spot.late
    results: dict[str, tuple[Any, Any]] = {
        "equilibrium": (kernel.equilibrium().sample(key), z),
        "transition": (kernel.transition(z, s, t).sample(key), z),
        "posterior": (kernel.posterior(spot.x, z, s, t).sample(key), z),
        "reverse": (kernel.reverse(params, z, s, t).sample(key), z),
        "decode": (kernel.decode(params, z, t).sample(key), spot.x),
        "log_prob": (kernel.marginal(spot.x, t).log_prob(z), jnp.zeros(())),
        "kl": (kernel.posterior(spot.x, z, s, t).kl(kernel.reverse(params, z, s, t), key), jnp.zeros(())),
        "entropy": (kernel.marginal(spot.x, t).entropy(key), jnp.zeros(())),
        "encode": (kernel.encode(z, t), jnp.zeros((*kernel.event.shape, kernel.features))),
        "zero_params": (kernel.zero_params(), jnp.zeros((*kernel.event.shape, kernel.params))),
    }
    types = {name: (_type(found), _type(wanted)) for name, (found, wanted) in results.items()}
    wrong = [f"{name}: {found}, expected {wanted}" for name, (found, wanted) in types.items() if found != wanted]
    return faults(wrong, "wrong shapes or types")


def _type(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: f"{jnp.result_type(leaf)}{list(jnp.shape(leaf))}", tree)


@in_float64
def agreement(kernel: AbstractKernel, setting: Setting) -> Reading:
    """One event alone, under vmap and under jit: the same figures and the same draws."""
    times, params = setting.times(kernel), setting.params(kernel)
    s, t = times[1], times[3]
    spots, keys = setting.spots(kernel, s, t, 3), jr.split(setting.key(30), 3)
    batched = _every_figure_of_all(kernel, params, spots, keys, s, t)
    readings = []
    for number in range(3):
        spot, key = at(spots, number), keys[number]
        alone = _every_figure(kernel, params, spot, key, s, t)
        compiled = _every_figure_compiled(kernel, params, spot, key, s, t)
        readings += [_same(alone, at(batched, number), "vmap"), _same(alone, compiled, "jit")]
    return worst(readings)


def _every_figure(kernel: AbstractKernel, params: State, spot: Spot, key: Key, s: jax.Array, t: jax.Array) -> Any:
    x, early, late = spot
    keys = jr.split(key, 6)
    marginal, reverse = kernel.marginal(x, t), kernel.reverse(params, late, s, t)
    return [
        marginal.sample(keys[0]),
        kernel.transition(early, s, t).sample(keys[1]),
        reverse.sample(keys[2]),
        kernel.decode(params, late, t).sample(keys[3]),
        kernel.posterior(x, late, s, t).kl(reverse, keys[4]),
        marginal.entropy(keys[5]),
        marginal.log_prob(late),
        reverse.log_prob(early),
        kernel.decode(params, late, t).log_prob(x),
        kernel.encode(late, t),
    ]


_every_figure_compiled = eqx.filter_jit(_every_figure)


def _every_figure_of_all(kernel: AbstractKernel, params: State, spots: Spot, keys: Key, s: jax.Array, t: jax.Array) -> Any:
    return jax.vmap(lambda spot, key: _every_figure(kernel, params, spot, key, s, t))(spots, keys)


def _same(a: Any, b: Any, where: str) -> Reading:
    gaps = jax.tree.map(lambda one, two: jnp.max(jnp.abs(one - two) / (1.0 + jnp.abs(one))), a, b)
    return Reading(float(jnp.max(jnp.stack(jax.tree.leaves(gaps)))), 1e-10, "relative", where)


def keys(kernel: AbstractKernel, setting: Setting) -> Reading:
    """Draws are functions of their key; a key is split once, drawn from once, or folded with different numbers."""
    bad = []
    for name, law in laws_at(kernel, setting).items():
        uses: dict[str, Callable[[Key], Any]] = {"sample": law.sample, "pair": law.pair, "entropy": law.entropy}
        uses["kl"] = lambda key, law=law: law.kl(law, key)
        bad += [f"{name}.{verb}: {fault}" for verb, use in uses.items() for fault in key_faults(use, setting.key(0))]
        if not _same(law.sample(setting.key(1)), law.sample(setting.key(1)), name).passed:
            bad.append(f"{name}.sample: the same key gives two draws")
    end = kernel.equilibrium() if kernel.reference() is None else kernel.reference()
    draws = jax.vmap(end.sample)(jr.split(setting.key(2), 32))
    if all(_same(at(draws, 0), at(draws, number), "").passed for number in range(32)):
        bad.append("32 keys give one draw")
    diffusion, x = setting.wrong(kernel, 3), at(setting.data(kernel, 1), 0)
    times = diffusion.times()
    bad += key_faults(lambda key: trajectory.forward(kernel, x, times, key), setting.key(0))
    bad += key_faults(lambda key: ledger_terms(diffusion, x, times, key), setting.key(0))
    return faults(bad)


def overrides(kernel: AbstractKernel) -> bool:
    """Whether a kernel on a finite space has forms of its own."""
    return isinstance(kernel, FiniteKernel) and any(
        getattr(type(kernel), name) is not getattr(FiniteKernel, name) for name in OVERRIDES
    )


@in_float64
def structure(kernel: FiniteKernel, setting: Setting) -> Reading:
    """The cheaper forms of a kernel on a finite space are its matrices, at every state that can be reached."""
    times, params = setting.times(kernel), setting.params(kernel)
    gaps = [_ends_gap(kernel)] + [_forms_gap(kernel, params, times[first], times[last]) for first, last in PAIRS]
    return worst(Reading(float(gap), 1e-9, "nats", name) for found in gaps for name, gap in found.items())


@eqx.filter_jit
def _ends_gap(kernel: FiniteKernel) -> dict[str, jax.Array]:
    xs, zs = listed(kernel)
    places = {"equilibrium": zs, "reference": xs}
    return {
        name: mismatch(*(jax.vmap(form.log_prob)(states) for form in (getattr(kernel, name)(), _plain(kernel, name)())))
        for name, states in places.items()
    }


@eqx.filter_jit
def _forms_gap(kernel: FiniteKernel, params: State, s: jax.Array, t: jax.Array) -> dict[str, jax.Array]:
    xs, zs = listed(kernel)
    forms: dict[str, tuple[State, State, Callable[..., AbstractDistribution]]] = {
        "marginal": (xs, zs, lambda form, x: form(x, t)),
        "transition": (zs, zs, lambda form, z: form(z, s, t)),
        "decode": (zs, xs, lambda form, z: form(params, z, t)),
        "reverse": (zs, zs, lambda form, z: form(params, z, s, t)),
    }

    def gap(name: str) -> jax.Array:
        froms, tos, call = forms[name]
        own, plain = getattr(kernel, name), _plain(kernel, name)
        return mismatch(table(lambda a: call(own, a), froms, tos), table(lambda a: call(plain, a), froms, tos))

    gaps = {name: gap(name) for name in forms}

    def of_posterior(x: State, z: State) -> jax.Array:
        own, plain = (form(x, z, s, t) for form in (kernel.posterior, _plain(kernel, "posterior")))
        reached = kernel.marginal(x, t).log_prob(z) > -1e20
        return jnp.where(reached, mismatch(jax.vmap(own.log_prob)(zs), jax.vmap(plain.log_prob)(zs)), 0.0)

    gaps["posterior"] = jnp.max(jax.vmap(lambda x: jax.vmap(lambda z: of_posterior(x, z))(zs))(xs))
    return gaps


def _plain(kernel: FiniteKernel, name: str) -> Callable[..., AbstractDistribution]:
    """What a kernel on a finite space is without forms of its own."""
    return getattr(FiniteKernel, name).__get__(kernel)
