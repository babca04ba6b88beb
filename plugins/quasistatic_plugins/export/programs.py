"""Sampler and bound as programs of StableHLO, their inputs and outputs, and the weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from safetensors.numpy import save

import quasistatic as qs

SAMPLER, BOUND, WEIGHTS, ABOUT = "sampler.stablehlo", "bound.stablehlo", "weights.safetensors", "export.json"
COMPARED = 8  # events that the loaded programs draw and measure
FAR = 1e-3  # a relative difference that rounding does not make

Calls = dict[str, tuple[Callable[..., Any], tuple[Any, ...]]]  # a function and its arguments, by the file that holds it


@attrs.frozen(eq=False)
class Exported:
    """The files of an export by name, what they are as JSON values, and how well they agree with the run, in words."""

    files: dict[str, bytes]
    about: dict[str, Any]
    agreement: str


def export_run(run: qs.Run, platforms: Sequence[str], name: str | None, steps: int | None) -> Exported:
    """The programs of a run: events of a key and their numbers, and K of events, in model units.

    Weights are constants of the programs. Raises InputError where flatbuffers, which jax writes them with, is not installed, and
    QuasistaticError where a program that is loaded again does not do what the run does.
    """
    try:
        import flatbuffers  # noqa: F401  # jax needs it to write and to read programs
    except ImportError as error:
        raise qs.InputError('export: jax writes programs with flatbuffers: pip install "quasistatic[export]"') from error
    diffusion = run.diffusion
    sampler = run.sampler if name is None else qs.make("sampler", name)
    sampler.check(diffusion)
    times, chain = sampler.times(diffusion, steps), np.asarray(diffusion.times(steps))
    data = _judging(run)
    examples = _arrays(data.x, COMPARED), None if data.side is None else _arrays(data.side, COMPARED)

    def draw(key: jax.Array, numbers: jax.Array, side: Any = None) -> Any:
        def one(number: jax.Array, of_one: Any) -> Any:
            keyed = jr.fold_in(jr.wrap_key_data(key), number)
            return qs.trajectory.reverse(sampler, diffusion.given(of_one), times, key=keyed, keep=False).x

        return jax.vmap(one)(numbers, side)

    def bound(key: jax.Array, numbers: jax.Array, xs: Any, side: Any = None) -> jax.Array:
        def one(number: jax.Array, x: Any, of_one: Any) -> jax.Array:
            keyed = jr.fold_in(jr.wrap_key_data(key), number)
            return qs.log_prob_bound(diffusion.given(of_one), x, key=keyed, steps=chain)

        return jax.vmap(one)(numbers, xs, side)

    key, numbers = jr.key_data(jr.key(0)), jnp.arange(COMPARED, dtype=jnp.int32)
    more = () if examples[1] is None else (examples[1],)
    calls: Calls = {SAMPLER: (draw, (key, numbers, *more)), BOUND: (bound, (key, numbers, examples[0], *more))}
    files = {file: _program(function, arguments, platforms) for file, (function, arguments) in calls.items()}
    agreement = _agreement(files, calls)
    files[WEIGHTS] = save(weights(diffusion))
    about = {
        "run": run.recipe.name,
        "event": run.source.event.describe(),
        "platforms": list(platforms),
        "steps": {"sampler": len(times), "bound": len(chain)},
        "sampler": type(sampler).__name__,
        "key": "uint32, as jax.random.key_data gives it",
        "numbers": "int32 (batch,): the event of a number is a function of key and number alone",
        "inputs": {file: _shapes(arguments) for file, (_, arguments) in calls.items()},
        "outputs": {file: _shapes(jax.eval_shape(function, *arguments)) for file, (function, arguments) in calls.items()},
        "units": _units(run.source),
        "bound": "K in nats of each event, of densities in model units: one draw, whose mean over keys is at most log p(x)",
        "versions": {each: metadata.version(each) for each in ("quasistatic", "jax", "jaxlib", "flatbuffers")},
    }
    return Exported(files, about, agreement)


def _judging(run: qs.Run) -> qs.Data:
    """Some held-out events, or those of training where none were held out."""
    for split in ("test", "validation", "train"):
        if len(data := run.source.split(split, COMPARED)):
            return data
    raise qs.InputError("export: the source of the run holds no events")


def _arrays(tree: Any, count: int) -> Any:
    """So many rows of all leaves, repeated as needed, as they reach a program."""
    return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)[np.arange(count) % len(leaf)]), tree)


def _program(function: Callable[..., Any], arguments: tuple[Any, ...], platforms: Sequence[str]) -> bytes:
    """The function for any number of events, which is the leading axis of all arguments but the key."""
    from jax import export

    (batch,) = export.symbolic_shape("batch")
    key, *rest = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), arguments)
    many = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((batch, *leaf.shape[1:]), leaf.dtype), rest)
    return bytes(export.export(jax.jit(function), platforms=tuple(platforms))(key, *many).serialize())


def _agreement(files: dict[str, bytes], calls: Calls) -> str:
    """How far what the loaded programs give is from what the run gives. Raises QuasistaticError where that is no rounding."""
    from jax import export

    found = []
    for file, (function, arguments) in calls.items():
        loaded = export.deserialize(bytearray(files[file]))
        if jax.default_backend() not in loaded.platforms:
            found.append(f"{file} was not tried, as it is not for this device")
            continue
        pairs = zip(jax.tree.leaves(loaded.call(*arguments)), jax.tree.leaves(jax.jit(function)(*arguments)), strict=True)
        off = max(_apart(*pair) for pair in pairs)
        if not off < FAR:
            raise qs.errors.QuasistaticError(
                f"export: {file}, loaded again, is off by {off:.2g} of its values; nothing was written"
            )
        found.append(f"{file} agrees with the run within {off:.1g} of its values")
    return "; ".join(found)


def _apart(one: jax.Array, other: jax.Array) -> float:
    ours, theirs = np.asarray(one, np.float64), np.asarray(other, np.float64)
    return float(np.abs(ours - theirs).max() / max(1.0, np.abs(theirs).max()))


def weights(diffusion: qs.Diffusion) -> dict[str, np.ndarray]:
    """All arrays of a diffusion, by their place in it."""
    leaves = jax.tree_util.tree_leaves_with_path(eqx.filter(diffusion, eqx.is_array))
    return {jax.tree_util.keystr(path).lstrip("."): np.ascontiguousarray(leaf) for path, leaf in leaves}


def _shapes(tree: Any) -> list[dict[str, Any]]:
    """Name, shape and type of all leaves; but for a key, the leading axis is the batch."""
    found = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        is_key = leaf.shape == (2,) and leaf.dtype == jnp.uint32
        shape = list(leaf.shape) if is_key else ["batch", *leaf.shape[1:]]
        found.append({"path": jax.tree_util.keystr(path), "shape": shape, "dtype": leaf.dtype.name})
    return found


def _units(source: qs.AbstractSource) -> Any:
    """How model units become the user's, where that is a scale and a shift."""
    units, has_own = source.units, qs.sources.capability(source, qs.sources.AbstractOwnUnits) is not None
    if has_own or not isinstance(units, qs.Units):
        return "model units; quasistatic sample gives those of the data"
    scale, shift = (np.asarray(each).tolist() for each in (units.scale, units.shift))
    return {"user": "scale * model + shift", "scale": scale, "shift": shift}
