"""Events in blocks: as many together as keep what one call of the network holds in the caches."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import Key, State
from quasistatic._process.progress import counted
from quasistatic._process.tree import Layout, count_of, take
from quasistatic.errors import DataError

# bytes of the widest value of a batch: two cores' second caches; an accelerator needs more to be busy
CACHE = {"cpu": 4 * 2**20}
ELSEWHERE = 256 * 2**20
MOST = 2**16
WIDTHS = (32, 256)  # of blocks of events that cost little


def event_blocks(count: int, largest: int) -> list[np.ndarray]:
    """Row numbers in blocks of one size, as few as can be; the last is filled up with rows that are computed again."""
    return _blocks(count, math.ceil(count / math.ceil(count / largest)))


def shared_blocks(count: int, largest: int) -> list[np.ndarray]:
    """The same, of one of two sizes where many events fit in one, so that splits of different sizes are one program.

    To compile another takes as long as many blocks.
    """
    few, many = WIDTHS
    return _blocks(count, few if count <= few**2 else many) if largest >= few**2 else event_blocks(count, largest)


def _blocks(count: int, width: int) -> list[np.ndarray]:
    return [np.arange(start, start + width) % count for start in range(0, count, width)]


def refuse_traced(what: str, inside: str, *trees: Any) -> None:
    """Raises TypeError where `what` is called inside jit, vmap or grad: `inside` is what to call there."""
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(trees)):
        raise TypeError(f"{what} computes many events in blocks and cannot be called inside jit, vmap or grad; call {inside} there")


def in_blocks(
    what: str,
    measure: Callable[[State, State | None, jax.Array], jax.Array],
    diffusion: Diffusion,
    xs: State,
    side: State | None,
    repeats: int = 1,
    largest: int | None = None,
) -> np.ndarray:
    """measure(events, their side information, numbers) of all events `xs` (N, ...), each `repeats` times in a row: float64.

    Blocks have `largest` rows at most and all one shape, so they are one program. `what` names the work for a listener.
    Raises ValueError for no repeats, TypeError inside jit, vmap or grad, and what `checked_events` raises.
    """
    refuse_traced(what, "qs.ledger_terms, or what qs.trajectory gives of one path,", diffusion, xs, side)
    if repeats < 1:
        raise ValueError(f"{what}: expected at least one of each event, got {repeats}")
    xs, side = checked_events(diffusion, xs, side)
    count, parts = count_of(xs) * repeats, []
    for rows in counted(what, event_blocks(count, largest or events_together(diffusion)), count):
        block, side_block = rows_of((xs, side), rows // repeats)
        parts.append(np.asarray(measure(block, side_block, jnp.asarray(rows)), np.float64))
    return np.concatenate(parts)[:count]


def checked_events(diffusion: Diffusion, xs: State, side: State | None) -> tuple[State, State | None]:
    """Events (N, ...) that the kernel can read, and as many pieces of side information. Raises DataError for others."""
    xs = diffusion.kernel.event.check(xs, as_data=False)
    if side is None:
        return xs, None
    check_side(diffusion, side, count_of(xs))
    return xs, side


def check_side(diffusion: Diffusion, side: State, count: int) -> None:
    """Raises DataError for other side information than `count` pieces of what the diffusion was made for."""
    found = Layout.of(jax.tree.map(np.asarray, side))
    wanted = Layout.of(take(side, 0) if diffusion.side is None else diffusion.side.value)
    if found.structure != wanted.structure or found.shapes != tuple((count, *shape) for shape in wanted.shapes):
        expected = jax.tree.unflatten(wanted.structure, [(count, *shape) for shape in wanted.shapes])
        raise DataError(f"side: expected arrays of shapes {expected}, got {jax.tree.unflatten(found.structure, found.shapes)}")


def rows_of(tree: Any, rows: np.ndarray) -> Any:
    """These rows of all leaves, on the device."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf[rows]), tree)


def events_together(diffusion: Diffusion) -> int:
    """A power of two, from the widest value that the network and the kernel make of one event."""
    arrays, static = eqx.partition(diffusion, eqx.is_array)
    leaves, structure = jax.tree.flatten(static)
    return _together(structure, tuple(leaves), Layout.of(arrays), jax.default_backend(), jnp.result_type(float).name)


@functools.lru_cache(maxsize=64)
def _together(structure: Any, leaves: tuple[Any, ...], arrays: Layout, backend: str, _float: str) -> int:
    room = CACHE.get(backend, ELSEWHERE) // max(1, _widest(jax.tree.unflatten(structure, leaves), arrays.tree))
    return 2 ** int(math.log2(min(max(room, 1), MOST)))


def _widest(static: Diffusion, arrays: Any) -> int:
    """Bytes, of one event, of the largest value on the way from a noisy state to its params; nothing is computed."""

    def state(arrays: Any, key: Key) -> State:
        return eqx.combine(arrays, static).kernel.equilibrium().sample(key)

    def params(arrays: Any, z: State) -> State:
        return eqx.combine(arrays, static).params(z, jnp.ones(()))

    def sizes(count: int) -> list[int]:
        batch = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((count, *leaf.shape), leaf.dtype), z)
        return list(_bytes(jax.make_jaxpr(jax.vmap(params, (None, 0)))(arrays, batch).jaxpr))

    z = jax.eval_shape(state, arrays, jax.random.key(0))
    # weights do not grow with the number of events: what does is found by the difference
    return max((more - less for less, more in zip(sizes(2), sizes(3), strict=True)), default=1)


def _bytes(jaxpr: Any) -> Iterator[int]:
    """The sizes of all values that a program makes, those of its inner programs too."""
    for equation in jaxpr.eqns:
        inner = [value for value in equation.params.values() if hasattr(value, "eqns") or hasattr(value, "jaxpr")]
        for each in inner:
            yield from _bytes(getattr(each, "jaxpr", each))
        for out in equation.outvars:
            kind = out.aval.dtype
            size = 4 if jnp.issubdtype(kind, jax.dtypes.extended) else np.dtype(kind).itemsize
            yield math.prod(out.aval.shape) * size
