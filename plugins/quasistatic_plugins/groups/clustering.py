"""Classes of a run's events, how many there should be, and how far they can be trusted."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import attrs
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic.kits import classes

LABEL = "label"  # the tag of labelled events


@attrs.frozen(eq=False)
class Judged:
    """K in nats of the same M held-out events, (M,): without classes, and with learned ones that are not given."""

    without: np.ndarray
    learned: np.ndarray

    @property
    def gain(self) -> tuple[float, float]:
        """What classes add to K per event, and its standard error, nan of one event."""
        return mean_of(self.learned - self.without)


@attrs.frozen(eq=False)
class Clustering:
    """Classes of a run, `found`, with the group of each event of `data`, (N,), and its probabilities (N, k).

    `judged` has K for each number of classes that was tried. `stability` is the agreement of each pair of seeds, none of one seed;
    `agreement` that with labels, where events have some, by names of what was grouped.
    """

    found: classes.LearnedClasses
    data: qs.Data
    groups: np.ndarray
    probabilities: np.ndarray
    judged: dict[int, Judged]
    stability: tuple[float, ...]
    agreement: dict[str, float]


def cluster(
    run: qs.Run,
    data: qs.Data,
    counts: Sequence[int],
    *,
    method: str,
    seeds: int,
    seed: int,
    repeats: int = 2,
    report: Callable[[str], None] = lambda line: None,
) -> Clustering:
    """Learn each number of classes, and keep the one of the highest validation K.

    Raises InputError for a run without validation events, which that takes, or as `classes.learn_classes`.
    """
    validation = run.source.split("validation", run.recipe.evaluation.events)
    if not len(validation):
        raise qs.InputError("cluster: K of validation events says what classes are worth, and this run has none")
    diffusion, steps = run.diffusion if run.held_out is None else run.held_out, run.recipe.trajectory.steps
    without = qs.ledger(diffusion, validation.x, key=jr.key(seed), steps=steps, side=validation.side, repeats=repeats).per_event
    learned, judged = {}, {}
    for count in dict.fromkeys(counts):
        report(f"{count} classes")
        learned[count] = classes.learn_classes(run, count, method=method, seed=seed, report=report)
        within = learned[count].bounds(validation, seed=seed, steps=steps, repeats=repeats)
        judged[count] = Judged(without, within)
    best = max(judged, key=lambda count: float(judged[count].learned.mean()))
    found = learned[best]
    others = [classes.learn_classes(run, best, method=method, seed=seed + more, report=report) for more in range(1, seeds)]
    pairs = itertools.combinations([each.groups for each in (found, *others)], 2)
    stability = tuple(classes.mutual_information(*pair) for pair in pairs)
    train, log_posteriors = run.source.split("train"), found.of(data, seed=seed)
    near = np.isfinite(log_posteriors).all(axis=1)
    kept, posteriors = (data if near.all() else qs.answers.far_outside(data, near)), np.exp(log_posteriors[near])
    groups = posteriors.argmax(axis=1)
    named = {"groups": (kept, groups), "training events": (train, found.groups), "first groups of these": (train, found.start)}
    agreement = {
        name: classes.mutual_information(each.tags[LABEL], own) for name, (each, own) in named.items() if LABEL in each.tags
    }
    return Clustering(found, kept, groups, posteriors, judged, stability, agreement)


def mean_of(values: np.ndarray) -> tuple[float, float]:
    """The mean with its standard error, nan of one event."""
    return float(values.mean()), float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else float("nan")
