"""Columns of numbers: which numbers are atoms, what they are multiples of, where they are bounded, and how they are modelled.

The rules, in order; options overrule each of them.
- Atoms are numbers that repeat more often than a density allows: the most frequent ones, `MOST_ATOMS` at most, each at least
  `FEWEST` times and in `SHARE` of the numbers, and `EXCESS` times as often as any other number; and a sentinel, which is far from
  all others (`FAR` ranges of these) and repeats.
- A column without atoms whose numbers are few and whole is ordinal, or binary.
- A bound at 0 is recognised where no number is below, and a normal distribution would have numbers there.
- Numbers that are multiples of a step and repeat are counts in that step, where a mixture of normal distributions in bins has a
  higher probability of held-out numbers than the density of the numbers within their bounds, times the step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np

import quasistatic as qs
from quasistatic.kits.tables.bends import Bend, fit_bend
from quasistatic.kits.tables.columns import Column
from quasistatic.kits.tables.dates import DateForm, Form
from quasistatic.kits.tables.mixture import Flat, best_mixture
from quasistatic.kits.tables.options import ColumnOptions

FEWEST, SHARE, EXCESS = 10, 0.02, 5.0
FAR = 3.0
FEW = 20  # different whole numbers at most of a column that is ordinal
MANY = 4_096  # steps from the lowest to the highest, at most, of counts with a highest
MOST_ATOMS = 20
MOST_STEPS = 100_000  # of a lattice: a finer one is no different from a density
BEGUN = 20  # numbers of which most lattices are found too fine
LARGE = 100_000  # numbers of a column among which repeats are counted
LOOKED_AT = 20_000  # numbers of a column that a rule looks at
DEVIATIONS = 3.0  # of a normal distribution, within which a bound is felt
SIZES = (1, 2, 4, 8)
LARGEST = 1e150  # its square is still a float64


def refined(column: Column, numbers: np.ndarray, options: ColumnOptions) -> Column:
    """A column of numbers with its kind, atoms, bounds and steps, from all its numbers (M,). Raises DataError."""
    if not len(numbers):
        return column
    low, high = numbers.min(), numbers.max()
    if (size := max(-low, high)) > LARGEST:
        raise qs.DataError(f"column {column.name!r}: expected numbers up to {LARGEST:g}, got one of size {size:.3g}")
    wanted = options.kinds.get(column.name)
    if len(numbers) > LARGE:  # what repeats in a hundredth of the numbers does so in these; ends are looked at whole
        some = np.random.RandomState(0).randint(0, len(numbers), LARGE)
        seen = np.concatenate([numbers[some], numbers[numbers == low], numbers[numbers == high]])
    else:
        seen = numbers
    values, counts = np.unique(seen, return_counts=True)
    if len(numbers) > LARGE and (wanted == "ordinal" or are_states(values, column.form)):  # rare ones are states too
        values, counts = np.unique(numbers, return_counts=True)
    if len(values) == 1 or wanted == "ordinal" or (wanted is None and are_states(values, column.form)):
        return _of_states(column, values, "ordinal" if len(values) > 2 or wanted else "binary")
    atoms = _atoms(values, counts) if options.atoms == "auto" and wanted != "count" else np.empty(0)
    rest = numbers[~np.any([numbers == atom for atom in atoms], axis=0)] if len(atoms) else numbers
    if len(atoms):
        cells = column.form.write(atoms)  # type: ignore[union-attr]
        column = attrs.evolve(column, states=(*cells, *column.states), atoms=(*atoms.tolist(), *column.atoms))
    given = options.bounds.get(column.name)
    low, high = _bounds(column, rest, given)
    step = 0.0 if wanted == "real" else step_of(column, rest)
    some = rest
    if step or low is not None or high is not None:  # else nothing looks at them, and an order of many takes time
        # RandomState: its stream is frozen for all versions of numpy
        some = rest[np.random.RandomState(0).permutation(len(rest))[:LOOKED_AT]]
    bend = fit_bend(some, low, high)
    if not bend.keeps(np.array([rest.min(), rest.max()])):
        if given is not None:
            problem = "expected numbers of which none is 1e300 times as far from a bound as another"
            raise qs.DataError(f"source.bounds: column {column.name!r}: {problem}")
        low, bend = None, Bend()
    as_count = _as_count(column, rest, step, low, high)
    is_count = wanted == "count" or (step > 0 and _is_better_as_count(some, as_count, bend))
    if wanted == "count" and not step:
        raise qs.DataError(f"source.count: column {column.name!r} holds numbers that are not multiples of a step")
    return as_count if is_count else attrs.evolve(column, kind="real", bend=bend)


def are_states(values: np.ndarray, form: Form | None) -> bool:
    """Whether different numbers (M,) are so few that each is a state: two, or some that are whole."""
    is_whole = not isinstance(form, DateForm) and bool(np.all(values == np.round(values)))
    return len(values) == 2 or (is_whole and len(values) <= FEW)


def _of_states(column: Column, values: np.ndarray, kind: Any) -> Column:
    """A column whose numbers are states."""
    assert column.form is not None
    cells = column.form.write(values)
    kind = "categorical" if column.states else kind
    if len(values) == 1 and not column.states:
        kind = "constant"
    return Column(column.name, column.number, kind, (*cells, *column.states), column.missing, type=column.type)


def _atoms(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Those of the different values (M,), in increasing order, that are atoms."""
    order = np.argsort(-counts, kind="stable")[: MOST_ATOMS + 1]
    ranked = np.append(counts[order], 0)
    frequent = ranked[:-1] >= max(FEWEST, SHARE * counts.sum())
    apart = np.flatnonzero(frequent & (ranked[:-1] >= EXCESS * ranked[1:]))
    chosen = set(order[: apart[-1] + 1].tolist()) if len(apart) and apart[-1] < MOST_ATOMS else set()
    inner = np.array([k for k in range(len(values)) if k not in chosen])
    for end, beside in ((0, 1), (-1, -2)):
        if len(inner) > 3 and counts[inner[end]] > 1:
            rest = values[inner[1:] if end == 0 else inner[:-1]]
            if abs(values[inner[end]] - values[inner[beside]]) > FAR * float(rest[-1] - rest[0]):
                chosen.add(int(inner[end]))
    return values[sorted(chosen)] if len(values) - len(chosen) > 2 else np.empty(0)


def _bounds(column: Column, rest: np.ndarray, given: Any) -> tuple[float | None, float | None]:
    """The bounds of the numbers that are not atoms. Raises DataError for numbers that are not within those that are given."""
    if given is None:
        is_date = isinstance(column.form, DateForm)
        near = not is_date and rest.min() > 0 and rest.mean() - DEVIATIONS * rest.std() < 0
        return (0.0 if near else None), None
    low, high = parse_bounds(column.name, given)
    for bound, sign in ((low, ">"), (high, "<")):
        out = rest[rest <= bound] if bound is not None and sign == ">" else rest[rest >= bound] if bound is not None else rest[:0]
        if len(out):
            raise qs.DataError(
                f"source.bounds: column {column.name!r}: expected numbers {sign} {bound:g}, got {out[0]:g} "
                f"({len(out)} of {len(rest)}; a number that repeats on a bound is a state of its own)"
            )
    return low, high


def parse_bounds(name: str, given: Any) -> tuple[float | None, float | None]:
    """The lower and the upper bound. Raises DataError for text that is no number."""
    if isinstance(given, Sequence) and not isinstance(given, str) and len(given) == 2 and given[0] < given[1]:
        return float(given[0]), float(given[1])
    if isinstance(given, str):
        word = given.replace(" ", "")
        if word in ("positive", "none"):
            return (0.0 if word == "positive" else None), None
        try:
            if word[:1] == ">":
                return float(word[1:].lstrip("=")), None
            if word[:1] == "<":
                return None, float(word[1:].lstrip("="))
        except ValueError:
            pass
    raise qs.DataError(f'source.bounds.{name}: expected "positive", "> 3", "< 100", [low, high] or "none", got {given!r:.80}')


def step_of(column: Column, numbers: np.ndarray) -> float:
    """What all numbers (M,) are multiples of, as they are written; 0 where that is nothing."""
    resolution = column.form.resolution if column.form is not None else None
    if resolution is None:
        return 0.0
    ends = np.array([numbers.min(), numbers.max()]) / resolution
    if np.abs(ends).max() > 2.0**53:
        return 0.0
    first, last = np.round(ends).astype(np.int64)

    def of(numbers: np.ndarray) -> int:
        return int(np.gcd.reduce(np.round(numbers / resolution).astype(np.int64) - first))

    largest = of(numbers[:BEGUN])  # the step of all divides that of some
    if largest and (last - first) / largest > MOST_STEPS:
        return 0.0
    step = of(numbers)
    return step * resolution if step and (last - first) / step <= MOST_STEPS else 0.0


def _as_count(column: Column, rest: np.ndarray, step: float, low: float | None, high: float | None) -> Column:
    """Multiples of the step: whole numbers from the lowest to the highest where these are few, others as far again beyond both,
    but within the bounds.
    """
    if not step:
        return column
    first, last = float(rest.min()), float(rest.max())
    steps = round((last - first) / step)
    if not (steps < MANY and step.is_integer()):
        down = steps if low is None else min(steps, math.ceil((first - low) / step - 1e-9) - 1)
        up = steps if high is None else min(steps, math.ceil((high - last) / step - 1e-9) - 1)
        assert column.form is not None  # as columns of numbers have; the ends are numbers that are written
        first, last = column.form.rounded(np.array([first - down * step, last + up * step])).tolist()
    kind: Any = "date" if isinstance(column.form, DateForm) else "count"
    return attrs.evolve(column, kind=kind, step=step, low=first, high=last)


def _is_better_as_count(rest: np.ndarray, column: Column, bend: Bend) -> bool:
    """Whether held-out numbers have a higher probability in bins than a density within the bounds, times the step, gives them."""
    values = rest
    if len(np.unique(values)) > 0.8 * len(values) or len(values) < 10:
        return False
    held = max(1, len(values) // 5)
    score = {}
    for name, line, width in (("count", values, column.step), ("real", bend.to_line(values), 0.0)):
        mean, deviation = float(line.mean()), float(line.std()) or 1.0
        ends = np.array([[column.low], [column.high]]) if width else np.array([[-np.inf], [np.inf]])
        scaled, width, ends = (line - mean) / deviation, width / deviation, (ends - mean) / deviation
        train, test = (_different(part, width, ends) for part in (scaled[held:], scaled[:held]))
        score[name] = test.mean(best_mixture(train, test, SIZES).log_prob(test))
        if not width:
            score[name] += float(bend.log_slope(values[:held]).mean()) + math.log(column.step / deviation)
    return score["count"] >= score["real"]


def _different(numbers: np.ndarray, width: float, ends: np.ndarray) -> Flat:
    """Rows of one number that repeats: each different one (N,) once, with its count."""
    values, counts = np.unique(numbers, return_counts=True)
    return Flat(values[:, None], np.array([width]), ends, np.empty((len(values), 0), int), (), counts)


def about(columns: Sequence[Column], shares: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Sentences about atoms, with the share of the cells of each, and about sentinels."""
    found = []
    for column in columns:
        atoms = [state for state, atom in zip(column.states, column.atoms, strict=False) if not math.isnan(atom)]
        if column.is_number and atoms:
            shown = ", ".join(f"{atom} in {100 * shares[column.name].get(atom, 0.0):.0f} % of the rows" for atom in atoms)
            found.append(f"{column.name}: {shown}, as {'a state' if len(atoms) == 1 else 'states'} of its own (source.atoms)")
    return found
