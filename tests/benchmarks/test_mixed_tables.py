"""What the recipe for tables reaches beside simple models: on the table that ships, and on one that is made of hidden numbers.

python -m pytest -m benchmark -s tests/benchmarks/test_mixed_tables.py
"""

import csv

import numpy as np
import pytest

import quasistatic as qs

pytestmark = pytest.mark.benchmark

ROWS, MISSING = 2000, 0.05
HEADER = ("income", "age", "height", "weight", "children", "job", "town", "smokes")


def people():
    """Three reals, two counts, two categories and a bit, all of them told by two hidden numbers and by each other."""
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(ROWS, 2)).T
    job = np.argmax(np.stack([one, -one, 0.5 * two], axis=1) + 0.5 * rng.gumbel(size=(ROWS, 3)), axis=1)
    age = np.clip(np.round(45 + 12 * two + 4 * job + 5 * rng.normal(size=ROWS)), 18, 90).astype(int)
    income = np.exp(10 + 0.4 * one + 0.3 * (job == 2) + 0.01 * (age - 45) + 0.2 * rng.normal(size=ROWS))
    height = 7 * rng.normal(size=ROWS) + 170 + 6 * (one > 0)
    weight = 0.9 * (height - 100) + 0.15 * (age - 45) + 5 * rng.normal(size=ROWS)
    children = rng.poisson(np.exp(-0.5 + 0.03 * (age - 45) - 0.3 * (job == 1)))
    smokes = rng.random(ROWS) < 1 / (1 + np.exp(-(two - job + 0.5)))
    town = np.array(["Aix", "Bonn", "Cork", "Derby", "Essen"])[np.clip((2 + one + 0.7 * rng.normal(size=ROWS)).astype(int), 0, 4)]
    columns = (
        *([f"{value:.{digits}f}" for value in values] for values, digits in ((income, 2), (age, 0), (height, 1), (weight, 1))),
        children.astype(str), np.array(["clerk", "nurse", "smith"])[job], town, np.where(smokes, "yes", "no"),
    )  # fmt: skip
    for row in zip(*columns, strict=True):
        yield ["" if rng.random() < MISSING else cell for cell in row]


@pytest.mark.parametrize("made", [False, True], ids=["diabetes", "people"])
def test_a_run_is_ahead_of_simple_models(made, tmp_path):
    path = ""
    if made:
        path = str(tmp_path / "people.csv")
        with open(path, "w", newline="") as file:
            csv.writer(file).writerows([HEADER, *people()])
    run = qs.train(qs.load_recipe("table", {"source.path": path, "training.observers": []}))
    found = run.evaluate(steps=400)
    print(f"K (T = 400) {found.user_bound.to('bits')}")
    for name, log_probs in run.source.baselines(run.source.split("test").x).items():
        over = found.mean_of(found.ledger.per_event - log_probs).to("bits")
        print(f"  {name}: K less that {over}")
        # of the table that is made, a mixture knows more: docs/results.md
        assert over.value > (0.5 if name == "independent columns" else -0.5 if made else 0.0)
