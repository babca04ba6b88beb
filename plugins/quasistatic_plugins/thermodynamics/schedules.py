"""Steps of a run's chain moved to where all cost the same, and what that is worth."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import attrs
import jax
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic.thermodynamics.steps import flow_errors, optimise_grid, thermodynamic_length
from quasistatic.thermodynamics.work import dissipation, forward_weights, knots_of
from quasistatic_plugins.thermodynamics.lines import Line, mean_line

Objective = Literal["bound", "ancestral", "ode", "entropic"]
COSTS: dict[Literal["bound", "ancestral", "ode"], str] = {
    "bound": "dissipated in the steps",
    "ancestral": "samples against half steps",
    "ode": "flow against half steps",
}
REPEATS = 16  # draws of every step of an event
PATHS = 8  # forward paths of an event


@attrs.frozen(eq=False)
class Improvement:
    """Times (T,) of the natural chain and of the best one that was found, and lines that compare them on test events.

    `costs_before` and `costs_after` (M,) are what each step dissipates, in nats per validation event.
    """

    before: np.ndarray
    after: np.ndarray
    costs_before: np.ndarray
    costs_after: np.ndarray
    rounds: int
    lines: tuple[Line, ...]


def improve(
    run: qs.Run, *, steps: int | None, objective: Objective, events: int = 512, rounds: int = 6, seed: int = 0
) -> Improvement:
    """Move the inner times of the chain of T = `steps`, by validation events; the first and the last time stay.

    'entropic' evens out the information that steps restore, all others what steps cost. The first time of discrete events moves
    too, but for 'ode'. Raises InputError for a chain without a time that could move, and for 'ode' and a kernel without a flow.
    """
    diffusion, data = run.diffusion, run.source.split("validation", events)
    if objective == "ode" and not isinstance(diffusion.kernel, qs.AbstractFlowing):
        raise qs.InputError("schedule: the objective 'ode' needs a kernel with a flow, on real numbers; 'bound' fits any")
    key_steps, key_paths, key_test = jr.split(jr.key(seed), 3)
    start = np.asarray(diffusion.times(steps), np.float64)
    knots = start if objective == "ode" else knots_of(diffusion, start)
    if len(knots) < 3:
        raise qs.InputError(f"schedule: a chain of {len(start)} steps has no time that could move; expected more --steps")

    def chain(knots: np.ndarray) -> np.ndarray:
        return knots[len(knots) - len(start) :]  # without the 0 that stands for data

    def measure(knots: np.ndarray) -> tuple[float, np.ndarray]:
        # the same noise for all grids
        if objective == "entropic":
            restored = information(diffusion, data, chain(knots), key_steps)
            return float(restored.max() / restored.min()), restored**2  # lengths are roots of costs
        costs = step_costs(diffusion, data, chain(knots), objective, key_steps)
        if not np.all(np.isfinite(costs)):
            raise qs.InputError(f"schedule: steps of this run have no finite cost under the objective {objective!r}; take another")
        if objective == "ode":
            spread = np.sqrt((costs**2).mean(axis=0))
            return float(spread.sum()), spread
        if objective == "ancestral":
            return float(costs.mean(axis=0).sum()), costs.mean(axis=0)
        return -float(bounds(diffusion, data, chain(knots), key_paths).mean()), costs.mean(axis=0)

    found = optimise_grid(measure, knots, rounds)
    best = min(found, key=lambda each: each.cost_nats)
    lines = [*_compared(run, start, chain(best.knots), events, key_test)]
    for when, label, each in (("before", "natural chain", found[0]), ("after", "this grid", best)):
        name, samples = f"unevenness_{when}", f"{len(data)} validation events"
        uneven = math.sqrt(each.unevenness) if objective == "entropic" else each.unevenness
        lines.append(Line(name, f"largest / smallest step: {label}", uneven, math.nan, "", "chain", samples))
    lost = [step_costs(diffusion, data, chain(each.knots), "bound", key_steps).mean(axis=0) for each in (found[0], best)]
    return Improvement(start, chain(best.knots), lost[0], lost[1], len(found) - 1, tuple(lines))


def step_costs(
    diffusion: qs.Diffusion, data: qs.Data, times: np.ndarray, objective: Literal["bound", "ancestral", "ode"], key: jax.Array
) -> np.ndarray:
    """What every step costs each event, (N, M): in nats, and for 'ode' in model units."""
    if objective == "ode":
        return flow_errors(diffusion, data.x, key=key, steps=times, side=data.side)
    lost = dissipation(diffusion, data.x, key=key, steps=times, side=data.side, objective=objective, repeats=REPEATS)
    return lost.per_event


def information(diffusion: qs.Diffusion, data: qs.Data, times: np.ndarray, key: jax.Array) -> np.ndarray:
    """What every step restores, (M,), in nats: its term of -K less what it dissipates; a thousandth of the mean at least."""
    lost = dissipation(diffusion, data.x, key=key, steps=times, side=data.side, repeats=REPEATS).mean
    terms = qs.ledger(diffusion, data.x, key=key, steps=times, side=data.side, repeats=PATHS).terms.mean(axis=0)
    found = terms[len(terms) - 1 - len(lost) : -1] - lost
    return np.maximum(found, 1e-3 * found.mean())


def bounds(diffusion: qs.Diffusion, data: qs.Data, times: np.ndarray, key: jax.Array) -> np.ndarray:
    """K of each event, (N,)."""
    found = forward_weights(diffusion, data.x, key=key, paths=PATHS, steps=times, side=data.side)
    return found.totals.mean(axis=1)


def _compared(run: qs.Run, before: np.ndarray, after: np.ndarray, events: int, key: jax.Array) -> Iterator[Line]:
    """K, and the cost of all steps under every objective, of both chains on the same test events and noise."""
    diffusion, data, event = run.diffusion, run.source.split("test", events), run.source.event
    natural = "learned chain" if diffusion.grid.is_learned else "natural chain"
    old, new = (bounds(diffusion, data, times, key) for times in (before, after))
    yield from _change(event, "bound", natural, f"K (T = {len(before)})", old, new)
    for number, (objective, label) in enumerate(COSTS.items()):
        if objective == "ode" and not isinstance(diffusion.kernel, qs.AbstractFlowing):
            continue
        keyed = jr.fold_in(key, number)
        old, new = (step_costs(diffusion, data, times, objective, keyed) for times in (before, after))
        of = None if objective == "ode" else event
        yield from _change(of, f"cost_{objective}", natural, label, old.sum(axis=1), new.sum(axis=1))
        if objective == "bound":
            yield _least(event, new)


def _least(event: qs.AbstractEvent, costs: np.ndarray) -> Line:
    """L^2 / N from costs (N, M) of steps, in nats: no error, as it is not linear in them."""
    steps = costs.shape[1]
    nats = np.full(len(costs), thermodynamic_length(costs.mean(axis=0)) ** 2 / steps)
    line = mean_line(event, "cost_bound_least", f"{COSTS['bound']}: least, L^2 / {steps}", nats, f"{len(costs)} test events")
    return attrs.evolve(line, standard_error=math.nan)


def _change(
    event: qs.AbstractEvent | None, name: str, natural: str, label: str, old: np.ndarray, new: np.ndarray
) -> Iterator[Line]:
    """Both values and their difference, event by event; without an event they are lengths in model units."""
    for when, shown, values in (("before", natural, old), ("after", "this grid", new), ("change", "change", new - old)):
        about = (f"{name}_{when}", f"{label}: {shown}")
        samples = f"{len(values)} test events"
        if event is not None:
            yield mean_line(event, *about, values, samples)
        else:
            error = float(values.std(ddof=1)) / math.sqrt(len(values))
            yield Line(*about, float(values.mean()), error, "model units", "event", samples)
