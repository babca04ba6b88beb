"""What every kernel must be besides right: of one shape, the same in jit and vmap, careful with keys, equal to its matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr

from quasistatic import trajectory
from quasistatic._distribution import AbstractDistribution, Key, State
from quasistatic._finite import FiniteKernel
from quasistatic._kernel import AbstractKernel
from quasistatic._ledger import ledger_terms
from quasistatic.testing._key_trace import key_faults
from quasistatic.testing._law import Reading, worst
from quasistatic.testing._sampling import laws_at
from quasistatic.testing._semigroup import PAIRS, mismatch
from quasistatic.testing._setting import (
    arbitrary,
    at,
    in_float64,
    listed,
    random_params,
    some_data,
    some_spots,
    table,
    times_of,
)

OVERRIDES = ("equilibrium", "reference", "marginal", "transition", "posterior", "decode", "reverse")


def shapes(kernel: AbstractKernel) -> Reading:
    """Steps keep the type of a noisy state, decode gives the type of data, features are floats of (*event, features)."""
    times, spot = times_of(kernel), at(some_spots(kernel, times_of(kernel)[1], times_of(kernel)[3], 1), 0)
    s, t, key, params = times[1], times[3], jr.key(0), random_params(kernel)
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
    wrong = [f"{name}: {_type(found)}, expected {_type(wanted)}" for name, (found, wanted) in results.items()]
    wrong = [line for line, (found, wanted) in zip(wrong, results.values(), strict=True) if _type(found) != _type(wanted)]
    return Reading(float(len(wrong)), 0.0, "wrong shapes or types", "; ".join(wrong))


def _type(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: f"{jnp.result_type(leaf)}{list(jnp.shape(leaf))}", tree)


@in_float64
def agreement(kernel: AbstractKernel) -> Reading:
    """One event alone, under vmap and under jit: the same figures and the same draws."""
    times, params = times_of(kernel), random_params(kernel)
    s, t = times[1], times[3]

    def everything(spot: tuple[State, State, State], key: Key) -> Any:
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

    spots, keys = some_spots(kernel, s, t, 3), jr.split(jr.key(30), 3)
    batched, compiled = jax.vmap(everything)(spots, keys), jax.jit(everything)
    readings = []
    for number in range(3):
        spot, key = at(spots, number), keys[number]
        alone = everything(spot, key)
        readings += [_same(alone, at(batched, number), "vmap"), _same(alone, compiled(spot, key), "jit")]
    return worst(readings)


def _same(a: Any, b: Any, where: str) -> Reading:
    gaps = jax.tree.map(lambda one, two: jnp.max(jnp.abs(one - two) / (1.0 + jnp.abs(one))), a, b)
    return Reading(float(jnp.max(jnp.stack(jax.tree.leaves(gaps)))), 1e-10, "relative", where)


def keys(kernel: AbstractKernel) -> Reading:
    """Draws are functions of their key; a key is split once, drawn from once, or folded with different numbers."""
    faults = []
    for name, law in laws_at(kernel).items():
        uses: dict[str, Callable[[Key], Any]] = {"sample": law.sample, "pair": law.pair, "entropy": law.entropy}
        uses["kl"] = lambda key, law=law: law.kl(law, key)
        faults += [f"{name}.{verb}: {fault}" for verb, use in uses.items() for fault in key_faults(use, jr.key(0))]
        if not _same(law.sample(jr.key(1)), law.sample(jr.key(1)), name).passed:
            faults.append(f"{name}.sample: the same key gives two draws")
    end = kernel.equilibrium() if kernel.reference() is None else kernel.reference()
    draws = [end.sample(key) for key in jr.split(jr.key(2), 32)]
    if all(_same(draws[0], draw, "").passed for draw in draws):
        faults.append("32 keys give one draw")
    diffusion, x = arbitrary(kernel, 3), at(some_data(kernel, 1), 0)
    times = diffusion.times()
    faults += key_faults(lambda key: trajectory.forward(kernel, x, times, key), jr.key(0))
    faults += key_faults(lambda key: ledger_terms(diffusion, x, times, key), jr.key(0))
    return Reading(float(len(faults)), 0.0, "faults", "; ".join(faults))


def overrides(kernel: AbstractKernel) -> bool:
    """Whether a kernel on a finite space has forms of its own."""
    return isinstance(kernel, FiniteKernel) and any(
        getattr(type(kernel), name) is not getattr(FiniteKernel, name) for name in OVERRIDES
    )


@in_float64
def structure(kernel: FiniteKernel) -> Reading:
    """The cheaper forms of a kernel on a finite space are its matrices, at every state that can be reached."""
    times, (xs, zs) = times_of(kernel), listed(kernel)
    readings = []
    for name in ("equilibrium", "reference"):
        own, plain = getattr(kernel, name)(), getattr(FiniteKernel, name)(kernel)
        places = xs if name == "reference" else zs
        readings.append(_equal(jax.vmap(own.log_prob)(places), jax.vmap(plain.log_prob)(places), name))
    for seed, (first, last) in enumerate(PAIRS):
        s, t, params = times[first], times[last], random_params(kernel, seed)
        reached = jax.vmap(lambda x, t=t: jax.vmap(kernel.marginal(x, t).log_prob)(zs))(xs) > -1e20
        forms: dict[str, tuple[State, State, Callable[..., AbstractDistribution]]] = {
            "marginal": (xs, zs, lambda form, x, t=t: form(x, t)),
            "transition": (zs, zs, lambda form, z, s=s, t=t: form(z, s, t)),
            "decode": (zs, xs, lambda form, z, t=t, params=params: form(params, z, t)),
            "reverse": (zs, zs, lambda form, z, s=s, t=t, params=params: form(params, z, s, t)),
        }
        for name, (froms, tos, call) in forms.items():
            own = table(lambda a, call=call, name=name: call(getattr(kernel, name), a), froms, tos)
            plain = table(lambda a, call=call, name=name: call(_matrix_form(kernel, name), a), froms, tos)
            readings.append(_equal(own, plain, name))
        for number in range(len(xs)):
            x = at(xs, number)
            own = table(lambda z, x=x, s=s, t=t: kernel.posterior(x, z, s, t), zs, zs)
            plain = table(lambda z, x=x, s=s, t=t: FiniteKernel.posterior(kernel, x, z, s, t), zs, zs)
            readings.append(_equal(own[reached[number]], plain[reached[number]], "posterior"))
    return worst(readings)


def _matrix_form(kernel: FiniteKernel, name: str) -> Callable[..., AbstractDistribution]:
    return getattr(FiniteKernel, name).__get__(kernel)


def _equal(own: jax.Array, plain: jax.Array, where: str) -> Reading:
    return Reading(mismatch(own, plain), 1e-9, "nats", where)
