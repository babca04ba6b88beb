"""Steps of a run's chain moved to where all dissipate the same, and what that is worth."""

from __future__ import annotations

import math
from typing import Any

import attrs
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic import thermodynamics as td
from quasistatic_plugins.thermodynamics.observatory import Line

REPEATS = 16  # draws of every step of an event
PATHS = 8  # forward paths of an event
OBJECTIVES: tuple[td.Objective, ...] = ("bound", "ancestral")


@attrs.frozen(eq=False)
class Improvement:
    """Times (T,) of the natural chain and of the best one that was found, and lines that compare them on test events."""

    before: np.ndarray
    after: np.ndarray
    rounds: int
    lines: tuple[Line, ...]


def improve(
    run: qs.Run, *, steps: int | None, objective: td.Objective, events: int = 512, rounds: int = 6, seed: int = 0
) -> Improvement:
    """Move the inner times of the chain of T = `steps`, by validation events; the first and the last time stay.

    The first time of discrete events moves too. Raises InputError for a chain that has no inner time.
    """
    diffusion, data = run.diffusion, run.source.split("validation", events)
    key_steps, key_paths, key_test = jr.split(jr.key(seed), 3)
    start = np.asarray(diffusion.times(steps), np.float64)
    shared: dict[str, Any] = {"side": data.side}

    def dissipated(knots: np.ndarray) -> td.Dissipation:
        # the same noise for all grids
        return td.dissipation(
            diffusion, data.x, key=key_steps, steps=_times(knots, start), objective=objective, repeats=REPEATS, **shared
        )

    def measure(knots: np.ndarray) -> tuple[float, np.ndarray]:
        found = dissipated(knots)
        if objective == "ancestral":
            return found.total.value, found.mean
        weights = td.forward_weights(diffusion, data.x, key=key_paths, paths=PATHS, steps=_times(knots, start), **shared)
        return -float(weights.totals.mean()), found.mean

    knots = td.knots_of(diffusion, start)
    if len(knots) < 3:
        raise qs.InputError(f"schedule: a chain of {len(start)} steps has no time that could move; expected more --steps")
    found = td.optimise_grid(measure, knots, rounds)
    best = min(found, key=lambda each: each.cost_nats)
    after = np.asarray(_times(best.knots, start))
    unevenness = [
        Line(f"unevenness_{when}", f"largest / smallest step: {label}", each.unevenness, math.nan, "", "chain", "validation events")
        for when, label, each in (("before", "natural chain", found[0]), ("after", "this grid", best))
    ]
    return Improvement(start, after, len(found) - 1, (*_compared(run, start, after, events, key_test), *unevenness))


def _times(knots: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Without the 0 that stands for data."""
    return knots[len(knots) - len(start) :]


def _compared(run: qs.Run, before: np.ndarray, after: np.ndarray, events: int, key: Any) -> tuple[Line, ...]:
    """K, and what the steps dissipate under both objectives, of both chains on the same test events and noise."""
    diffusion, data, event = run.diffusion, run.source.split("test", events), run.source.event
    keys, shared = jr.split(key, 3), {"side": data.side}

    def values(times: np.ndarray) -> dict[str, np.ndarray]:
        weights = td.forward_weights(diffusion, data.x, key=keys[0], paths=PATHS, steps=times, **shared)
        found = {"bound": weights.totals.mean(axis=1)}
        for number, objective in enumerate(OBJECTIVES, start=1):
            more: dict[str, Any] = {"objective": objective, "repeats": REPEATS, **shared}
            lost = td.dissipation(diffusion, data.x, key=keys[number], steps=times, **more)
            found[f"dissipated_{objective}"] = lost.per_event.sum(axis=1)
        return found

    old, new = values(before), values(after)
    labels = {
        "bound": f"K (T = {len(before)})",
        "dissipated_bound": "dissipated in the steps, bound",
        "dissipated_ancestral": "dissipated in the steps, ancestral",
    }
    lines = []
    for name, label in labels.items():
        for when, shown, per_event in (
            ("before", "natural chain", old[name]),
            ("after", "this grid", new[name]),
            ("change", "change", new[name] - old[name]),
        ):
            error = float(per_event.std(ddof=1)) / math.sqrt(len(per_event))
            mean = qs.Estimate(float(per_event.mean()), error, "nats", events=len(per_event), size=event.size).customary()
            samples = f"{len(per_event)} test events"
            lines.append(Line(f"{name}_{when}", f"{label}: {shown}", mean.value, mean.standard_error, mean.unit, mean.per, samples))
    return tuple(lines)
