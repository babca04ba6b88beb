"""Which plugins are installed: entry points of the group `quasistatic`, whatever state their distributions are in."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from quasistatic._plugins.loading import Load, PluginStatus, Refused

GROUP = "quasistatic"
OURS = "quasistatic"  # the distribution that the built-in plugins come with
ENTRY_POINTS = "entry_points.txt"
BUILT_IN = "quasistatic_plugins"  # the package of the built-in plugins

_MODULE = re.compile(r"[\w.]+\s*(:\s*[\w.]+\s*)?(\[.*\]\s*)?")
# 'quasistatic>=1', 'Quasistatic[data] ; ...'; neither 'quasistatic' alone nor 'quasistatic-thinning>=1'
_RANGE = re.compile(r"quasistatic\s*[^\w\s.-]", re.IGNORECASE)


def module_point(module: str) -> Load:
    """How to load an importable module as a plugin; one of the working folder too, which is on the path only meanwhile."""
    point = _loader(metadata.EntryPoint(name=module, value=module, group=GROUP))

    def load() -> Any:
        added = os.getcwd()
        if added in sys.path:
            return point()
        sys.path.append(added)  # last, so that nothing there hides what is installed
        try:
            return point()
        finally:
            with contextlib.suppress(ValueError):
                sys.path.remove(added)

    return load


def installed() -> Iterator[tuple[PluginStatus, Load]]:
    """Every entry point of the group, with how to load it. What is on the path twice counts once, as in an import."""
    known: dict[Any, tuple[str, str, Refused | None]] = {}
    seen: set[tuple[str, str]] = set()
    damaged: list[tuple[PluginStatus, Load]] = []
    with _without_working_folder():
        try:
            points: Iterable[metadata.EntryPoint] = metadata.entry_points(group=GROUP)
        except Exception:  # one damaged file stops the scan of all
            points, damaged = _points_one_by_one()
    yield from damaged
    lies_beside = _lies_beside()
    for point in points:
        if point.dist not in known:
            known[point.dist] = _described(point.dist)  # parses the whole metadata: once for each distribution
        distribution, version, refusal = known[point.dist]
        is_built_in = distribution.lower() == OURS and point.module.partition(".")[0] == BUILT_IN and lies_beside
        if distribution.lower() == OURS and not is_built_in:  # whoever takes our name
            distribution = f"{distribution} at {_place_of(point.dist)}"
        if distribution and (point.name, distribution) in seen:
            continue
        seen.add((point.name, distribution))
        status = PluginStatus(point.name, point.value, distribution, version, is_built_in=is_built_in)
        yield status, _loader(point) if refusal is None else _refusing(refusal)


def _points_one_by_one() -> tuple[list[metadata.EntryPoint], list[tuple[PluginStatus, Load]]]:
    """The entry points of the distributions that can be read, and the distributions that cannot."""
    points: list[metadata.EntryPoint] = []
    damaged: list[tuple[PluginStatus, Load]] = []
    for distribution in metadata.distributions():
        try:
            points += distribution.entry_points.select(group=GROUP)
        except Exception:
            name, version, _ = _described(distribution)
            status = PluginStatus(name or "(nameless)", ENTRY_POINTS, name, version)
            damaged.append((status, _refusing(Refused(f"its {ENTRY_POINTS} cannot be read, and jax needs to read it too"))))
    return points, damaged


@contextlib.contextmanager
def _without_working_folder() -> Iterator[None]:
    """What lies in the working folder is no installed plugin, also where Python has put that folder on the path."""
    before, installed_in = list(sys.path), {os.path.realpath(path) for path in sysconfig.get_paths().values()}
    here = os.path.realpath(os.curdir)
    if here not in installed_in:
        sys.path[:] = [path for path in before if os.path.realpath(path or os.curdir) != here]
    try:
        yield
    finally:
        sys.path[:] = before


def _lies_beside() -> bool:
    """Whether the package of the built-in plugins is the one beside this very package, installed or in its own project."""
    root, found = Path(__file__).resolve().parents[2], importlib.util.find_spec(BUILT_IN)
    places = [Path(place).resolve() for place in found.submodule_search_locations or ()] if found else []
    return bool(places) and all(place in (root / BUILT_IN, root.parent / "plugins" / BUILT_IN) for place in places)


def _place_of(distribution: metadata.Distribution | None) -> str:
    return "an unknown place" if distribution is None else str(distribution.locate_file(""))


def _loader(point: metadata.EntryPoint) -> Load:
    return point.load if _MODULE.fullmatch(point.value) else _refusing(Refused(f"{point.value!r} names no module"))


def _refusing(refusal: Refused) -> Load:
    def load() -> Any:
        raise refusal

    return load


def _described(distribution: metadata.Distribution | None) -> tuple[str, str, Refused | None]:
    """Name and version of a distribution, empty where it does not say, and why its plugins cannot be taken."""
    if distribution is None:
        return "", "", None
    try:
        metadata = distribution.metadata
        name, version = (metadata[key] if key in metadata else "" for key in ("Name", "Version"))
        return name, version, None if name.lower() == OURS else _out_of_range(distribution.requires or ())
    except Exception:
        return "", "", Refused("its METADATA cannot be read")


def _out_of_range(requirements: Iterable[str]) -> Refused | None:
    """Whether a distribution asks for another version of quasistatic than this one."""
    ranges = [line for line in requirements if _RANGE.match(line)]
    if not ranges:
        return None
    from packaging.requirements import Requirement  # only ever needed for the plugins of others

    ours = metadata.version(OURS)
    for line in ranges:
        try:
            needed = Requirement(line)
            applies = needed.marker is None or needed.marker.evaluate({"extra": ""})
            if applies and not needed.specifier.contains(ours, prereleases=True):
                return Refused(f"it needs quasistatic {needed.specifier}, this is {ours}", "incompatible")
        except ValueError:  # what cannot be read needs nothing
            continue
    return None
