"""All that is measured of one run, with units, samples, errors and doubts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import attrs
import jax
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic.thermodynamics.order import crossing
from quasistatic.thermodynamics.steps import EntropyBounds, entropy_bounds
from quasistatic.thermodynamics.work import (
    MAX_VARIANCE,
    Dissipation,
    LogAverage,
    LogWeights,
    crooks,
    cumulant_estimate,
    dissipation,
    forward_weights,
    importance_weighted,
    jarzynski,
    model_weights,
    paired_crooks,
    sandwich_bound,
)
from quasistatic_plugins.thermodynamics.classes import Classes, class_survey, classes_lines
from quasistatic_plugins.thermodynamics.cost import chain_flops
from quasistatic_plugins.thermodynamics.lines import Line, mean_line

MOST_DOUBTFUL = 0.05  # share of events whose average may be doubtful, if the mean over all events is to be printed
LARGE = 32  # elements of an event, above which a call of the network is dear


@attrs.frozen
class Draws:
    """Of each test event: forward paths, events of the model for the theorems, and draws of every step for its dissipation.

    Of the entropy a quarter as many. Few weights of a large event count among any number of paths that one can wait for.
    """

    paths: int
    pairs: int
    repeats: int

    @classmethod
    def of(cls, size: int) -> Draws:
        return cls(8, 2, 4) if size > LARGE else cls(128, 16, 16)


@attrs.frozen(eq=False)
class Observatory:
    """What was measured on test events of a run, at T = `steps`: lines for people, and what pictures are drawn of.

    `classes` is None where events have no labels. `terms` (T + 1,) are the mean terms of K. `forward` and `backward` are
    log-weights, in nats, of the model's own events: of forward paths (N, paths), and (N,) of the path that each came by.
    """

    lines: tuple[Line, ...]
    notes: tuple[str, ...]
    terms: np.ndarray
    dissipation: Dissipation
    entropy: EntropyBounds
    forward: np.ndarray
    backward: np.ndarray
    classes: Classes | None

    @property
    def steps(self) -> int:
        """T."""
        return len(self.terms) - 1

    @property
    def information(self) -> np.ndarray:
        """What a state at each of the knots has of the event beyond what is left at t = 1, in nats."""
        return restored(self.terms, self.dissipation)


@attrs.frozen(eq=False)
class Sampled:
    """Log-weights of test events, (N, paths, T + 1), beside their log-likelihoods (N,) under the null model and the truth."""

    source: qs.AbstractSource
    xs: Any
    weights: LogWeights
    null: np.ndarray | None
    truth: np.ndarray | None

    @property
    def bound(self) -> np.ndarray:
        """K of each event: along one path the terms' errors nearly cancel, so it has a small fraction of a ledger's."""
        return self.weights.totals.mean(axis=1)

    @property
    def about(self) -> str:
        count, paths = self.weights.totals.shape
        return f"{count} test events, {paths} forward paths each"

    def line(self, name: str, label: str, per_event: np.ndarray, samples: str | None = None, doubt: str | None = None) -> Line:
        """The mean of values in nats per event."""
        return mean_line(self.source.event, name, label, per_event, samples or self.about, doubt)

    def share(self, name: str, label: str, won: np.ndarray, free: np.ndarray) -> Line:
        """The mean of `won` over the mean of `free`, both (N,)."""
        value = float(won.mean() / free.mean())
        error = float((won - value * free).std(ddof=1)) / math.sqrt(len(won)) / abs(float(free.mean()))
        return Line(name, label, value, error, "", "data set", self.about)


@attrs.frozen(eq=False)
class Pairs:
    """Events of the model, and log-weights (N,) of a forward path from each and of the path that it came by."""

    xs: Any
    forward: np.ndarray
    backward: np.ndarray

    def __len__(self) -> int:
        return len(self.backward)


def _pairs(diffusion: qs.Diffusion, data: qs.Data, pairs: int, key: jax.Array, steps: int | None) -> Pairs:
    """More than there are test events, as the theorems need many, and one path each is cheap."""
    count, (key_back, key_forth) = pairs * len(data), jr.split(key)
    side = _take(data.side, np.arange(count) % len(data))
    xs, came_by = model_weights(diffusion, count, key=key_back, steps=steps, side=side)
    forward = forward_weights(diffusion, xs, key=key_forth, steps=steps, side=side)
    return Pairs(xs, forward.totals[:, 0], came_by.totals[:, 0])


def _take(tree: Any, index: Any) -> Any:
    """These events of a tree; None, of no side information, stays None."""
    return jax.tree.map(lambda leaf: leaf[index], tree)


def restored(terms: np.ndarray, found: Dissipation) -> np.ndarray:
    """Information (M + 1,) in nats at each knot, above that at the last: the terms (T + 1,) of -K less what is dissipated."""
    count = len(found.knots) - 1
    gained = -terms[len(terms) - 1 - count : len(terms) - 1] - found.mean
    return np.append(np.cumsum(gained[::-1])[::-1], 0.0)


def observe(run: qs.Run, *, steps: int | None = None, events: int = 256, paths: int | None = None, seed: int = 0) -> Observatory:
    """Measure a run on `events` test events and as many of its own, each with `paths` forward paths, on a chain of T = `steps`.

    The number of paths is by default that of `Draws`.
    """
    draws = Draws.of(run.source.event.size)
    paths = paths or draws.paths
    diffusion, data = run.diffusion, run.source.split("test", events)
    keys = jr.split(jr.key(seed), 6)
    shared: dict[str, Any] = {"steps": steps, "side": data.side}
    reference, truth = diffusion.kernel.reference(), qs.sources.capability(run.source, qs.sources.AbstractTruth)
    sampled = Sampled(
        run.source,
        data.x,
        forward_weights(diffusion, data.x, key=keys[0], paths=paths, **shared),
        None if reference is None else np.asarray(jax.vmap(reference.log_prob)(data.x), np.float64),
        None if truth is None else truth.log_prob(data.x),
    )
    pairs = _pairs(diffusion, data, draws.pairs, keys[1], steps)
    own = _take(pairs.xs, slice(len(data)))
    # the bounds from both sides are close with fewer paths
    forward = forward_weights(diffusion, own, key=keys[2], paths=max(2, paths // 4), **shared).totals
    dissipated = dissipation(diffusion, data.x, key=keys[3], repeats=draws.repeats, **shared)
    entropy = entropy_bounds(diffusion, data.x, key=keys[4], repeats=draws.repeats // 4, **shared)
    classes = class_survey(run, steps, events, keys[5])
    lines = (
        *_bound(sampled),
        *_recovered(sampled, diffusion.for_chain(steps).is_amortised),
        *_with_truth(sampled),
        *_in_steps(sampled, dissipated),
        *_timeline(sampled, dissipated),
        *classes_lines(classes),
        *_own(sampled, forward, pairs),
        *_joint(sampled, pairs),
        *_costs(diffusion, sampled),
    )
    notes = tuple(_notes(run.source.event, diffusion, entropy, lines))
    terms, backward = sampled.weights.terms.mean(axis=(0, 1)), pairs.backward[: len(data)]
    return Observatory(lines, notes, terms, dissipated, entropy, forward, backward, classes)


def _bound(sampled: Sampled) -> Iterator[Line]:
    first, *steps, last = np.moveaxis(sampled.weights.terms.mean(axis=1), 1, 0)
    yield sampled.line("bound", f"K (T = {len(steps) + 1})", sampled.bound)
    yield sampled.line("first", "  -K: first step", -first)
    if steps:
        yield sampled.line("steps", f"  -K: {len(steps)} steps back", -np.sum(steps, axis=0))
    yield sampled.line("prior", "  -K: left at t = 1", -last)


def _recovered(sampled: Sampled, is_sure: bool) -> Iterator[Line]:
    """log p from the same paths, and how far that can be trusted; where they are sure, every path of an event has its log p."""
    totals = sampled.weights.totals
    lower, averages = importance_weighted(totals), [jarzynski(row) for row in totals]
    yield sampled.line("importance_weighted", f"log p at least, by {totals.shape[1]} paths", lower)
    yield sampled.line("jarzynski", "log p, by Jarzynski's equality", lower, doubt=None if is_sure else _doubts(averages))
    cumulants = cumulant_estimate(totals)
    yield sampled.line("cumulants", "log p, by two cumulants", cumulants, doubt=_spread(totals) or _below(cumulants, lower))
    tails = sorted(average.pareto_k for average in averages)
    tail, few = tails[int(0.95 * (len(tails) - 1))], "too few paths have a tail to look at"
    ess = float(np.median([average.ess for average in averages]))
    yield Line("ess", "  effective sample size, median", ess, math.nan, "paths", "event", sampled.about)
    doubt = few if tail == math.inf else None
    yield Line("pareto_k", "  Pareto k, 95 % are below", tail, math.nan, "", "event", sampled.about, doubt)


def _doubts(averages: list[LogAverage]) -> str | None:
    """Why the mean of many averages is not to be trusted."""
    doubts = [average.doubt for average in averages if average.doubt is not None]
    if len(doubts) <= MOST_DOUBTFUL * len(averages):
        return None
    kinds = {"size": "too few effective paths", "tail": "heavy tails", "at least": "too few paths for the spread of log-weights"}
    (kind, count), *_ = Counter(
        next((kinds[word] for word in kinds if word in doubt), "no number") for doubt in doubts
    ).most_common()
    return f"{len(doubts)} of {len(averages)} events are doubtful, {count} of them by {kind}; more --paths may help"


def _spread(weights: np.ndarray) -> str | None:
    variance = float(np.median(weights.var(axis=1, ddof=1)))
    if variance < MAX_VARIANCE:
        return None
    return f"the variance of the log-weight is {variance:.2g} nats^2, above {MAX_VARIANCE}: more cumulants would count"


def _below(cumulants: np.ndarray, lower: np.ndarray) -> str | None:
    """Why an estimate is wrong that is below what the same paths say log p is at least."""
    short = float((lower - cumulants).mean())
    return f"it is {short:.2g} nats below what log p is at least, by the same paths: more cumulants count" if short > 0.0 else None


def _with_truth(sampled: Sampled) -> Iterator[Line]:
    """What needs the null model, or the true density of the data: entropy production, its two parts, and the efficiency.

    Without the truth they are bounded for events of a countable set, whose entropy is at least 0.
    """
    bound, null, truth = sampled.bound, sampled.null, sampled.truth
    if null is not None:
        yield sampled.line("gain", "work extracted, K - null model", bound - null)
    if truth is None:
        if all(field.is_discrete for field in sampled.source.event.parts().values()):
            yield sampled.line("production_most", "total entropy production at most, as H(X) >= 0", -bound)
            if null is not None:
                yield sampled.line("free_energy_most", "free energy at most, as H(X) >= 0", -null)
                yield sampled.share("efficiency_least", "efficiency at least, work extracted / free energy", bound - null, -null)
        return
    lower = importance_weighted(sampled.weights.totals)
    yield sampled.line("entropy", "entropy of the data, H(X)", -truth)
    yield sampled.line("production", "total entropy production, -H(X) - K", truth - bound)
    yield sampled.line("production_in_paths", "  of paths: log p - K, at least", lower - bound)
    yield sampled.line("production_of_model", "  of the model: KL(data || model), at most", truth - lower)
    if null is not None:
        yield sampled.line("free_energy", "free energy, KL(data || null model)", truth - null)
        yield sampled.share("efficiency", "efficiency, work extracted / free energy", bound - null, truth - null)


def _in_steps(sampled: Sampled, found: Dissipation) -> Iterator[Line]:
    count = len(found.knots) - 1
    if not count:
        return
    total, samples = found.per_event.sum(axis=1), f"{len(found.per_event)} test events"
    yield sampled.line("dissipated_in_steps", f"dissipated in {count} steps, by halving them", total, samples)
    measured = sampled.weights.terms.mean(axis=1)[:, -1 - count : -1].sum(axis=1)
    yield sampled.line("restored_in_steps", "information restored in these steps", -measured - total, sampled.about)


def _timeline(sampled: Sampled, found: Dissipation) -> Iterator[Line]:
    """When the event appears: the times of half the information, and of as much as tells the training events apart."""
    known, rows = restored(sampled.weights.terms.mean(axis=(0, 1)), found), sampled.source.stored()
    half = crossing(-found.knots, known, 0.5 * known[0]) if len(known) > 1 else math.nan
    if not math.isnan(half):
        yield Line("half_time", "half of this information is there at t", -half, math.nan, "", "data set", sampled.about)
    if rows is None or len(known) == 1:
        return
    alike = crossing(-found.knots, known, math.log(len(rows)))
    label = f"enough to identify {len(rows)} training events below t"
    doubt = "there is not as much information" if math.isnan(alike) else None
    yield Line("memory_time", label, -alike, math.nan, "", "data set", sampled.about, doubt)


def _own(sampled: Sampled, forward: np.ndarray, pairs: Pairs) -> Iterator[Line]:
    """Bounds from both sides for events of the model, with log-weights (N, paths) of forward paths, and the detailed theorem."""
    lower, upper = importance_weighted(forward), sandwich_bound(pairs.backward[: len(forward)], forward[:, 1:])
    both = f"{len(forward)} events of the model, {forward.shape[1]} forward paths each"
    yield sampled.line("own_lower", "its own events: log p at least", lower, both)
    yield sampled.line("own_upper", "its own events: log p at most", upper, both)
    yield sampled.line("own_width", "  width of this sandwich", upper - lower, both)
    line, samples = paired_crooks(pairs.forward, pairs.backward), f"{len(pairs)} events of the model"
    yield Line("crooks_slope", "Crooks slope, 1 by theory", line.slope, line.slope_error, "", "nat", samples, line.doubt)


def _joint(sampled: Sampled, pairs: Pairs) -> Iterator[Line]:
    """The theorems for data and paths together, which need the true density: E exp(-entropy production) = 1 - lambda."""
    truth = qs.sources.capability(sampled.source, qs.sources.AbstractTruth)
    if truth is None or sampled.truth is None:
        return
    forward, log_q = sampled.weights.totals[:, 0] - sampled.truth, truth.log_prob(pairs.xs)
    possible = np.isfinite(log_q)
    share, count = 1.0 - float(possible.mean()), len(possible)
    samples = f"{len(forward)} test events, {count} of the model"
    if not possible.all():
        error = math.sqrt(share * (1.0 - share) / count)
        yield Line("impossible", "events of the model that data cannot be", share, error, "", "event", samples)
    average = jarzynski(forward)
    mean = math.exp(average.value_nats)
    error, label = mean * average.standard_error_nats, f"E exp(-entropy production), {1.0 - share:.3g} by theory"
    yield Line("integral_theorem", label, mean, error, "", "path", samples, average.doubt)
    if possible.sum() > 1:
        line = crooks(forward, pairs.backward[possible] - log_q[possible])
        yield Line("joint_slope", "joint Crooks slope, 1 by theory", line.slope, line.slope_error, "", "nat", samples, line.doubt)


def _costs(diffusion: qs.Diffusion, sampled: Sampled) -> Iterator[Line]:
    """What a sample costs, and the order that is bought with it."""
    operations = chain_flops(diffusion, len(sampled.weights.times))
    if operations is None:
        return
    yield Line("flops", "floating-point operations of a sample", operations, math.nan, "FLOP", "event", "XLA's count of a step")
    if sampled.null is not None:
        gain = sampled.bound - sampled.null
        error = float(gain.std(ddof=1)) / math.sqrt(len(gain))
        value, scale = float(gain.mean()), 1e9 / operations
        label = "work extracted per 10^9 operations"
        yield Line("gain_per_gflop", label, scale * value, scale * error, "nats", "GFLOP", sampled.about)


def _notes(event: qs.AbstractEvent, diffusion: qs.Diffusion, entropy: EntropyBounds, lines: tuple[Line, ...]) -> Iterator[str]:
    if not all(field.is_discrete for field in event.parts().values()):
        yield "densities are in model units: in those of the data K, log p and entropies are other numbers, differences the same"
    count = entropy.alarms.size
    if entropy.alarms.any():
        where = ", ".join(f"{time:.3g}" for time in entropy.times[1:][entropy.alarms])
        yield f"fault: the learned steps from t = {where} have less entropy than any can; is it normalised, has it seen noise?"
    elif count:
        yield f"no learned step of {count} has less entropy than the data allow"
    for line in lines:
        if line.name.endswith("_slope") and line.doubt is None and abs(line.value - 1.0) > 5.0 * line.standard_error:
            yield f"fault: the {line.label} is {line.value:.3f}; what is drawn and the densities do not belong together"
    unsure = int(entropy.is_paper_upper_unsure.sum())
    if diffusion.kernel.is_stationary and unsure:
        yield f"the upper entropy bound of the 2015 paper may fail for {unsure} of {count} steps; the corrected one holds"
