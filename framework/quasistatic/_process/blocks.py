"""How many events are computed together: as many as keep what one call of the network holds in the caches."""

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

# bytes of the widest value of a batch: two cores' second caches; an accelerator needs more to be busy
CACHE = {"cpu": 4 * 2**20}
ELSEWHERE = 256 * 2**20
MOST = 2**16


def events_together(diffusion: Diffusion) -> int:
    """A power of two, from the widest value that the network and the kernel make of one event."""
    leaves, structure = jax.tree.flatten(diffusion)
    kinds = tuple((leaf.shape, str(leaf.dtype)) if eqx.is_array(leaf) else leaf for leaf in leaves)
    return _together(structure, kinds, jax.default_backend(), jnp.result_type(float).name)


@functools.lru_cache(maxsize=64)
def _together(structure: Any, kinds: tuple[Any, ...], backend: str, _float: str) -> int:
    leaves = [
        jnp.zeros(*kind) if isinstance(kind, tuple) and len(kind) == 2 and isinstance(kind[0], tuple) else kind for kind in kinds
    ]
    diffusion = jax.tree.unflatten(structure, leaves)
    room = CACHE.get(backend, ELSEWHERE) // max(1, _widest(diffusion))
    return 2 ** int(math.log2(min(max(room, 1), MOST)))


def _widest(diffusion: Diffusion) -> int:
    """Bytes, of one event, of the largest value on the way from a noisy state to its params."""

    def call(z: Any) -> Any:
        return diffusion.params(z, jnp.ones(()))

    z = jax.eval_shape(lambda key: diffusion.kernel.equilibrium().sample(key), jax.random.key(0))
    # weights do not grow with the number of events: what does is told by the difference
    two, three = (list(_bytes(_traced(call, z, count))) for count in (2, 3))
    return max((more - less for less, more in zip(two, three, strict=True)), default=1)


def _traced(call: Callable[[Any], Any], z: Any, count: int) -> Any:
    batch = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((count, *leaf.shape), leaf.dtype), z)
    return jax.make_jaxpr(jax.vmap(call))(batch).jaxpr


def _bytes(jaxpr: Any) -> Iterator[int]:
    """The sizes of all values that a program makes, those of its inner programs too."""
    for equation in jaxpr.eqns:
        inner = [value for value in equation.params.values() if hasattr(value, "eqns") or hasattr(value, "jaxpr")]
        for each in inner:
            yield from _bytes(getattr(each, "jaxpr", each))
        for out in equation.outvars:
            kind = out.aval.dtype
            size = 4 if jax.dtypes.issubdtype(kind, jax.dtypes.extended) else np.dtype(kind).itemsize
            yield math.prod(out.aval.shape) * size
