"""What a function does with its random keys, read off its jaxpr.

A key has one use: it is split once, or drawn from once, or folded with numbers that differ. A fold can equal a part of a split, so
the two never mix. Every element of every array of keys has an identity, and each use of an identity is noted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.extend import core

Use = tuple[str, Any]
Uses = Counter[tuple[int, Use]]
# primitives that hand on the same keys in another arrangement, evaluated on identities instead
ARRANGE: dict[str, Callable[..., np.ndarray]] = {
    "slice": lambda ids, *, start_indices, limit_indices, strides: ids[
        tuple(slice(*cut) for cut in zip(start_indices, limit_indices, strides or [1] * ids.ndim, strict=True))
    ],
    "squeeze": lambda ids, *, dimensions: np.squeeze(ids, tuple(dimensions)),
    "reshape": lambda ids, *, new_sizes, **_: ids.reshape(new_sizes),
    "transpose": lambda ids, *, permutation: ids.transpose(permutation),
    "rev": lambda ids, *, dimensions: np.flip(ids, dimensions),
    "copy": lambda ids, **_: ids,
}


def key_faults(function: Callable[..., Any], *inputs: Any) -> list[str]:
    """One line for every key of `function(*inputs)` that is used in more than one way."""
    return _traced(function, *inputs).faults()


def is_random(function: Callable[[jax.Array], Any]) -> bool:
    """Whether a function of a key uses it."""
    return bool(_traced(function, jr.key(0)).uses)


def _traced(function: Callable[..., Any], *inputs: Any) -> _Trace:
    jaxpr = jax.make_jaxpr(function)(*inputs).jaxpr
    trace = _Trace()
    trace.run(jaxpr, [trace.new(var.aval) if _is_key(var) else None for var in jaxpr.invars])
    return trace


def _is_key(var: Any) -> bool:
    return jnp.issubdtype(var.aval.dtype, jax.dtypes.prng_key) if hasattr(var.aval, "dtype") else False


class _Trace:
    """Identities given out so far, and their uses."""

    def __init__(self) -> None:
        self.count = 0
        self.uses: Uses = Counter()

    def new(self, aval: Any) -> np.ndarray:
        size = int(np.prod(aval.shape, dtype=int))
        self.count += size
        return np.arange(self.count - size, self.count).reshape(aval.shape)

    def note(self, ids: np.ndarray, use: Use) -> None:
        for identity in ids.ravel():
            self.uses[int(identity), use] += 1

    def faults(self) -> list[str]:
        """What is wrong, without repetition."""
        by_key: dict[int, Uses] = {}
        for (identity, use), times in self.uses.items():
            by_key.setdefault(identity, Counter())[identity, use] += times
        return sorted({fault for uses in by_key.values() for fault in _faults_of(uses)})

    def run(self, jaxpr: Any, inputs: list[np.ndarray | None]) -> list[np.ndarray | None]:
        """Follow the keys through a jaxpr; the identities of its outputs, None for what is no key."""
        known: dict[Any, np.ndarray | None] = dict(zip(jaxpr.invars, inputs, strict=True))
        for equation in jaxpr.eqns:
            given = [None if isinstance(var, core.Literal) else known.get(var) for var in equation.invars]
            outputs = self.step(equation, given)
            known.update(zip(equation.outvars, outputs, strict=True))
        return [None if isinstance(var, core.Literal) else known.get(var) for var in jaxpr.outvars]

    def step(self, equation: Any, given: list[np.ndarray | None]) -> list[np.ndarray | None]:
        name, settings = equation.primitive.name, equation.params
        fresh = [self.new(var.aval) if _is_key(var) else None for var in equation.outvars]
        if all(ids is None for ids in given):
            return fresh
        ids = next(each for each in given if each is not None)
        call = _family_call(equation)
        if call is not None:
            if name in ("jit", "pjit"):
                self.note(ids, ("drawn from", call))
            else:  # one call, spread over several equations
                self.uses |= Counter({(int(identity), ("drawn from", call)): 1 for identity in ids.ravel()})
            return fresh
        if name == "random_split":
            self.note(ids, ("split", ""))
        elif name == "random_bits":
            self.note(ids, ("drawn from", ""))
        elif name == "random_fold_in":
            number = equation.invars[1]
            self.note(ids, ("folded", str(np.asarray(number.val)) if isinstance(number, core.Literal) else number))
        elif name in ARRANGE:
            return [ARRANGE[name](ids, **settings)]
        elif name == "broadcast_in_dim":
            return [_broadcast(ids, settings["shape"], settings["broadcast_dimensions"])]
        elif name == "concatenate":
            return [np.concatenate([each for each in given if each is not None], settings["dimension"])]
        elif name == "cond":
            return self.branches(settings["branches"], given[1:])
        elif name == "scan":
            return self.scan(equation, given)
        elif name == "while":
            return self.loop(settings, given)
        else:
            inner = settings.get("jaxpr") or settings.get("call_jaxpr") or settings.get("fun_jaxpr")
            if inner is not None:
                inner = getattr(inner, "jaxpr", inner)
                return self.run(inner, given[-len(inner.invars) :])
        return fresh

    def branches(self, branches: Any, given: list[np.ndarray | None]) -> list[np.ndarray | None]:
        """Only one branch happens: each use counts once, however many branches have it."""
        before, most = self.uses, Counter[tuple[int, Use]]()
        for branch in branches:
            self.uses = Counter()
            outputs = self.run(branch.jaxpr, given)
            most |= self.uses
        self.uses = before + most
        return outputs

    def scan(self, equation: Any, given: list[np.ndarray | None]) -> list[np.ndarray | None]:
        """One turn stands for all; keys from outside the loop are used again at every turn."""
        body = equation.params["jaxpr"].jaxpr
        # versions of jax keep the counts in different places: what has one axis more outside is a row at every turn
        carried = len(body.invars) - _longer(equation.invars, body.invars)
        fixed = carried - (len(body.outvars) - _longer(equation.outvars, body.outvars))
        rows = [None if ids is None or not len(ids) else ids[0] for ids in given[carried:]]
        self.again(body, given[:fixed], given[fixed:carried] + rows, equation.params["length"])
        return [self.new(var.aval) if _is_key(var) else None for var in equation.outvars]

    def loop(self, settings: Any, given: list[np.ndarray | None]) -> list[np.ndarray | None]:
        skip, fixed = settings["cond_nconsts"], settings["body_nconsts"]
        body = settings["body_jaxpr"].jaxpr
        return self.again(body, given[skip : skip + fixed], given[skip + fixed :], 2)

    def again(
        self, body: Any, fixed: list[np.ndarray | None], turning: list[np.ndarray | None], length: int
    ) -> list[np.ndarray | None]:
        before = self.uses
        self.uses = Counter()
        outputs = self.run(body, fixed + turning)
        outside = {int(identity) for ids in fixed if ids is not None for identity in ids.ravel()}
        for (identity, use), times in self.uses.items():
            repeats = length > 1 and identity in outside and use[0] != "folded"
            before[identity, use] += 2 * times if repeats else times
        self.uses = before
        return outputs


def _longer(outside: Any, inside: Any) -> int:
    """How many variables have one axis more outside of a loop than inside."""
    return sum(outer.aval.ndim > inner.aval.ndim for outer, inner in zip(outside, inside, strict=True))


def _faults_of(uses: Uses) -> list[str]:
    """What is wrong with the uses of one key."""
    verbs = sorted({verb for _, (verb, _) in uses})
    if len(verbs) > 1:
        return [f"a key is {' and '.join(verbs)}"]
    if verbs == ["folded"]:
        return [f"a key is folded {times} times with {number}" for (_, (_, number)), times in uses.items() if times > 1]
    total = sum(uses.values())
    return [f"a key is {verbs[0]} {total} times"] if total > 1 else []


def _family_call(equation: Any) -> str | None:
    """Where one of jax's own families was called, if this equation is inside it, else None.

    Some families hand one key to two methods and keep one result (binomial): that is one draw.
    """
    frames = list(equation.source_info.traceback.frames)
    inside = [number for number, frame in enumerate(frames) if "jax/_src/random" in frame.file_name]
    if not inside or frames[inside[-1]].function_name in ("split", "fold_in", "bits"):
        return None
    return " ".join(f"{frame.file_name}:{frame.line_num}" for frame in frames[inside[-1] + 1 :][:1])


def _broadcast(ids: np.ndarray, shape: tuple[int, ...], dimensions: tuple[int, ...]) -> np.ndarray:
    expanded = np.ones(len(shape), int)
    for size, dimension in zip(ids.shape, dimensions, strict=True):
        expanded[dimension] = size
    return np.broadcast_to(ids.reshape(expanded), shape)
