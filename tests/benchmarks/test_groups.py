"""Digits without labels: groups, and a linear probe on features, beside pixels.

    python -m pytest -m benchmark -s tests/benchmarks/test_groups.py

trains `digits-grey` once, some minutes. Labels judge alone: mutual information over entropy, the mean of three seeds; and the
accuracy of a logistic regression that is fitted to features of training and validation images, on test images.
"""

from __future__ import annotations

import numpy as np
import pytest

import quasistatic as qs
from quasistatic.kits.classes import grouped, mutual_information
from quasistatic.kits.classes.grouping import METHODS
from quasistatic_plugins.groups.events import events_of

pytestmark = pytest.mark.benchmark


@pytest.fixture(scope="module")
def run():
    return qs.train(qs.load_recipe("digits-grey", {"training.observers": []}))


@pytest.mark.filterwarnings("ignore")
def test_groups_and_probe_of_features(run):
    data = events_of(run, None)
    labels, is_test = data.tags["label"], data.tags["split"] == "test"
    vectors = {"pixels": np.reshape(data.x, (len(labels), -1)).astype(float)}
    vectors |= {by: run.features(data, by=by).values for by in ("mean", "hidden")}
    found, probes = {}, {}
    for name, values in vectors.items():
        for method in METHODS:
            of_seeds = [mutual_information(grouped(values, 10, method, seed), labels) for seed in range(3)]
            found[name, method] = np.mean(of_seeds)
        probes[name] = probe(values, labels, is_test)
        print(name, *(f"{method} {found[name, method]:.3f}" for method in METHODS), f"probe {probes[name]:.4f}")
    assert max(found["mean", "spectral"], found["hidden", "ward"]) >= 0.88
    assert probes["hidden"] >= 0.975


def probe(values, labels, is_test):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    return model.fit(values[~is_test], labels[~is_test]).score(values[is_test], labels[is_test])
