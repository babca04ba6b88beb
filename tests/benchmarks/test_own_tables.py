"""What the recipe for own data reaches on eight tables, beside simple models on the same test events: three seeds each.

    python -m pytest -m benchmark -s tests/benchmarks/test_own_tables.py

prints a line for each run, in nats per event of the data's own units.
"""

import statistics
import time

import numpy as np
import pytest

import quasistatic as qs

pytestmark = pytest.mark.benchmark


def tables():
    datasets = pytest.importorskip("sklearn.datasets")
    rng, count = np.random.default_rng(0), 2000
    angle = 2 * np.pi * rng.random(count)
    seven = rng.normal(size=(count, 7)) @ (np.eye(7) + 0.4 * rng.normal(size=(7, 7)))
    seven[:, 0], seven[:, 1], seven[:, 2] = np.exp(0.5 * seven[:, 0]), seven[:, 1] ** 2, seven[:, 2] + 3 * (rng.random(count) < 0.5)
    side = rng.random((count, 1)) < 0.5
    return {
        "wine": datasets.load_wine().data,
        "breast cancer": datasets.load_breast_cancer().data,
        "diabetes": datasets.load_diabetes().data,
        "iris": datasets.load_iris().data,
        "two peaks": np.where(side, rng.normal(-3.0, 0.5, (count, 1)), rng.normal(3.0, 0.5, (count, 1))),
        "ring": np.stack([np.cos(angle), np.sin(angle)], axis=1) * (1.0 + 0.1 * rng.normal(size=(count, 1))),
        "seven scales": seven * 10.0 ** np.arange(-3, 4),
        "heavy tails": rng.standard_t(3, size=(count, 3)) @ [[1.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0.0, 0.0, 1.0]],
    }


def test_no_simple_model_is_far_better(tmp_path):
    by_column = {}
    for name, values in tables().items():
        path = tmp_path / f"{name}.npy"
        np.save(path, values)
        for seed in range(3):
            begin = time.process_time()
            overrides = {"source.path": str(path), "source.split_seed": seed, "seed": seed, "training.observers": []}
            run = qs.train(qs.load_recipe("array", overrides))
            found = run.evaluate(steps=1000)
            seconds = time.process_time() - begin
            simple = run.source.baselines(run.source.split("test").x)
            best = max(simple, key=lambda model, simple=simple: simple[model].mean())
            over = found.mean_of(found.ledger.per_event - simple[best])
            by_column[name, seed] = over.value / values.shape[1]
            print(
                f"{name:>13}, seed {seed}: K (T = 1000) {found.user_bound.value:8.3f}, minus {best}: "
                f"{over.value:+.3f} +- {over.standard_error:.3f}, for each column {by_column[name, seed]:+.3f}; "
                f"best at update {run.best.update}; {seconds:.0f} CPU seconds",
                flush=True,
            )
    print(f"median for each column {statistics.median(by_column.values()):+.3f}, least {min(by_column.values()):+.3f}")
    assert min(by_column.values()) >= -0.05
    assert statistics.median(by_column.values()) > 0
