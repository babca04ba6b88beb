"""Classes that are learned without labels: a hidden category that a network reads, fitted by EM.

In turn the network learns with classes drawn by their probabilities, and these follow from K given each class: what is maximised
is a bound on log sum_c p(c) p(x given c). So K with learned classes can stand beside K without, and choose how many there are.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import attrs
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic.kits.classes.grouping import grouped
from quasistatic.kits.classes.hidden import ClassSide, HiddenClasses
from quasistatic.kits.classes.unknown import Alternatives, alternatives

STEPS, REPEATS = 20, 2  # of the chain whose K gives the class, at most, and its draws
ROUNDS, SHARE = 1, 0.125  # of EM after the first one, which is as long as the run, and of its updates in each


@attrs.frozen(eq=False)
class ClassModel:
    """A `diffusion` that reads a class, one of k, as side information; classes have `log_shares` (k,)."""

    diffusion: qs.Diffusion
    beside: ClassSide
    log_shares: np.ndarray

    @property
    def count(self) -> int:
        """k."""
        return len(self.log_shares)

    def of(self, events: qs.Data, *, seed: int = 0) -> np.ndarray:
        """log p(class given x) of N events in nats, (N, k), by K on a short chain: of each by itself alone, to the bit.

        Those of an event too far from the training data are not finite.
        """
        key, steps = jr.key(seed), min(STEPS, self.diffusion.grid.steps)
        joint = []
        for side, log_share in zip(self.sides(events), self.log_shares, strict=True):
            terms = qs.answers.terms_with_own_noise(self.diffusion, events.x, key=key, steps=steps, side=side, repeats=REPEATS)
            # one after another: in what order numpy sums may depend on how many events there are
            joint.append(log_share - functools.reduce(np.add, np.moveaxis(terms, 2, 0)))
        return Alternatives(np.stack(joint, axis=-1)).log_posteriors

    def bounds(self, events: qs.Data, *, seed: int = 0, steps: Any = None, repeats: int = 2) -> np.ndarray:
        """K of N events in nats, (N,), their class not given: `Alternatives.per_event`, on a chain of `steps`."""
        sides, key = self.sides(events), jr.key(seed)
        given: Any = {"key": key, "steps": steps, "repeats": repeats}
        return alternatives(self.diffusion, events.x, sides, self.log_shares, **given).per_event

    def sides(self, events: qs.Data) -> list[Any]:
        """The side information of N events with each class in turn."""
        numbers = np.arange(self.count, dtype=np.int32)
        return [self.beside.with_class(events.side, np.full(len(events), number)) for number in numbers]


@attrs.frozen(eq=False)
class LearnedClasses(ClassModel):
    """Of N training events: `start` are the groups that learning began with, `groups` their classes in the end, (N,) both."""

    start: np.ndarray
    groups: np.ndarray


def fit_classes(run: qs.Run, data: qs.Data, numbers: np.ndarray, count: int, *, updates: int, seed: int = 0) -> ClassModel:
    """A network like the run's, trained for so many `updates` on events that have the classes `numbers` (N,), of `count`.

    A tenth of the events is held out for validation. Raises InputError for fewer than two classes.
    """
    _refuse_few(count)
    beside = ClassSide(run.source.side, count)
    known = qs.Data(data.x, beside.with_class(data.side, np.asarray(numbers, np.int32)))
    shares = np.bincount(numbers, minlength=count) + 1.0
    return ClassModel(_trained(run, _fresh(run, beside, seed), known, updates, seed), beside, np.log(shares / shares.sum()))


def learn_classes(
    run: qs.Run, count: int, *, method: str = "spectral", seed: int = 0, report: Callable[[str], None] = lambda line: None
) -> LearnedClasses:
    """`count` classes of the training events of a run, for a network like its own, trained for about as long.

    `method` makes the first groups, of features: see `grouped`. `report` takes a line after each round. Raises InputError for fewer
    than two classes, or for a run whose training events are not stored one by one.
    """
    _refuse_few(count)
    beside = ClassSide(run.source.side, count)
    splits = [run.source.split("train"), run.source.split("validation")]
    HiddenClasses(run.source, *(np.ones((len(data), count)) for data in splits))  # what it refuses, it refuses before the work
    values = np.concatenate([run.features(data, seed=seed).values for data in splits if len(data)])
    start = grouped(values, count, method, seed)
    posteriors = np.eye(count)[start]
    found, updates = None, run.task.options.updates
    for number in range(ROUNDS + 1):
        source = HiddenClasses(run.source, *np.split(posteriors, [len(splits[0])]))
        diffusion = _fresh(run, beside, seed) if found is None else found.diffusion
        trained = _trained(run, diffusion, source, max(1, round(SHARE * updates)) if number else updates, seed + number)
        shares = posteriors[: len(splits[0])].mean(axis=0) + 1.0 / len(splits[0])
        found = LearnedClasses(trained, beside, np.log(shares / shares.sum()), start[: len(splits[0])], start)
        before = posteriors.argmax(axis=1)
        posteriors = np.exp(np.concatenate([found.of(data, seed=seed) for data in splits if len(data)]))
        moved = float(np.mean(before != posteriors.argmax(axis=1)))
        report(f"round {number + 1} of {ROUNDS + 1}: {moved:.1%} of the events changed their class")
    assert found is not None
    return attrs.evolve(found, groups=posteriors[: len(splits[0])].argmax(axis=1))


def _refuse_few(count: int) -> None:
    if count < 2:
        raise qs.InputError(f"classes: expected at least 2, got {count}")


def _fresh(run: qs.Run, beside: ClassSide, seed: int) -> qs.Diffusion:
    """A diffusion like the run's, untrained, that reads the class too."""
    old, choice, side = run.diffusion, run.recipe.choices["model"], beside.event
    model = choice.component.load()(choice.options, qs.Ports.of(old.kernel, side), key=jr.key(seed))
    return qs.Diffusion(old.kernel, model, old.grid, old.first_step, qs.Side.absent(side))


def _trained(run: qs.Run, diffusion: qs.Diffusion, data: Any, updates: int, seed: int) -> qs.Diffusion:
    options = {name: getattr(run.task.options, name) for name in attrs.fields_dict(qs.TrainingOptions)}
    every = min(updates, options["validate_every"])
    return qs.fit(diffusion, data, run.task.objective, seed=seed, **{**options, "updates": updates, "validate_every": every})
