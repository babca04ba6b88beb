"""docs/checked-against-others.md: every row is computed, and the page has the worst difference of each."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from checked import clones, gaussian, symbols

PAGE = Path(__file__).parents[2] / "docs" / "checked-against-others.md"
EVEN, UNEVEN = [1, 1, 1, 1], [41, 31, 21, 7]
ROUNDING = 1e-9  # below, a difference is one of rounding, which the machine and the version of jax decide on

# by the first cell of their row
EXACT: dict[str, Callable[[], float]] = {
    "DDPM: posterior of a step": gaussian.ho_posterior,
    "VDM: terms of the bound": gaussian.kingma_terms,
    "MDLM: loss of a step": symbols.sahoo_loss,
    "SEDD: score entropy": symbols.lou_loss,
    "JC69": lambda: symbols.evolution("jc69", EVEN, 1.0),
    "K80": lambda: max(symbols.evolution("k80", EVEN, kappa) for kappa in (0.5, 3.0)),
    "HKY85": lambda: max(symbols.evolution("hky85", UNEVEN, kappa) for kappa in (0.4, 3.0)),
    "forward algorithm": symbols.forward_algorithm,
}
DRAWN: dict[str, Callable[[], clones.Difference]] = {
    "classes, d = 256": lambda: clones.by_classes(256, 20_000),
    "classes, d = 1,024": lambda: clones.by_classes(1024, 5_000),
    "clones, d = 256": lambda: clones.by_clones(256, 2_000),
    "clones, d = 1,024": lambda: clones.by_clones(1024, 1_000),
}


def shown() -> dict[str, list[float]]:
    """The numbers in the last cell of every row of the page."""
    rows = (re.split(r" *\| *", line.strip("| ")) for line in PAGE.read_text().splitlines() if line.startswith("| "))
    return {cells[0]: [float(each) for each in re.findall(r"\d[\d.e-]*", cells[-1])] for cells in rows if len(cells) == 4}


def test_every_row_is_computed() -> None:
    assert {name for name, numbers in shown().items() if numbers} == {*EXACT, *DRAWN}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("row", EXACT)
def test_a_formula_is_that_of_its_publication(row: str) -> None:
    found, (number,) = EXACT[row](), shown()[row]
    assert found < ROUNDING
    assert found < 10.0 * number and number < 10.0 * max(found, 1e-16)


@pytest.mark.parametrize("row", DRAWN)
def test_clones_part_when_they_should(row: str) -> None:
    found, numbers = DRAWN[row](), shown()[row]
    assert found.errors < 4.0
    assert list(found) == pytest.approx(numbers, rel=0.1)


def test_the_curves_are_those_of_the_exact_answer() -> None:
    assert clones.quadrature() < 6e-5
