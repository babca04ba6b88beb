"""log p of a run beyond K: right where the truth is known, by either way, and refused where it cannot be had."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import quasistatic as qs

RNG = np.random.default_rng(0)
SMALL = {
    "model.width": 16, "model.depth": 1, "trajectory.steps": 60, "training.updates": 1, "training.batch": 32,
    "training.validate_every": 1, "training.observers": [], "evaluation.events": 64, "source.scale": "one",
}  # fmt: skip


def normal(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Events, and the log densities of those that are evaluated: one normal distribution with correlations of a half."""
    covariance = np.full((size, size), 0.5) + 0.5 * np.eye(size)
    xs = RNG.multivariate_normal(np.zeros(size), covariance, 5000)
    away = np.einsum("ni,ij,nj->n", xs, np.linalg.inv(covariance), xs)
    return xs, -0.5 * (away + np.linalg.slogdet(2.0 * np.pi * covariance)[1])


def mixture() -> tuple[np.ndarray, np.ndarray]:
    side = RNG.integers(2, size=5000)
    xs = RNG.normal(size=(5000, 2)) * 0.5 + np.where(side[:, None], 1.0, -1.0)
    parts = [-0.5 * (((xs - m) / 0.5) ** 2).sum(axis=1) - np.log(2.0 * np.pi * 0.25) - np.log(2.0) for m in (1.0, -1.0)]
    return xs, np.logaddexp(*parts)


def fitted(xs: np.ndarray) -> qs.Run:
    """A run whose kernel has measured a mixture of normal distributions, which a network that is not trained leaves as it is."""
    return qs.train(qs.load_recipe("array", {**SMALL, "kernel.reference": "mixture"}), xs)


@pytest.mark.parametrize("make", [lambda: normal(2), lambda: normal(4), mixture], ids=["normal, 2", "normal, 4", "mixture"])
def test_both_ways_are_right_where_the_truth_is_known(make: Any) -> None:
    """Within errors; the fit of the reference, to thousands of events, is off by a hundredth of a nat."""
    xs, truth = make()
    run = fitted(xs[:4000])
    new, known = xs[4000:4200], truth[4000:4200]
    flow, weighted = run.log_prob(new), run.log_prob(new, method="weighted", paths=64)
    assert flow.log_scale is not None
    known = known + flow.log_scale  # to model units
    bound = run.bound(new, steps=400).per_event
    assert abs(np.mean(flow.per_event - known)) < 0.02 and np.std(flow.per_event - known) < 0.2
    assert "probability flow" in flow.model and not flow.is_bound and "chain of T = 60" in weighted.model and weighted.is_bound
    away = weighted.per_event - known
    assert np.mean(away) == pytest.approx(0.0, abs=0.03)
    assert np.mean(bound) < np.mean(weighted.per_event) + 3.0 * np.std(bound - weighted.per_event) / 200**0.5
    assert weighted.own is not None and weighted.own[0].mean() <= weighted.own[1].mean() + 0.02


def test_beyond_sixteen_elements_the_divergence_has_an_error() -> None:
    xs, truth = normal(20)
    found = fitted(xs[:4000]).log_prob(xs[4000:4040], steps=50)
    assert "8 sign vectors" in found.model and (found.errors > 0.0).all()
    assert found.log_scale is not None
    away = found.per_event - found.log_scale - truth[4000:4040]
    assert np.mean(np.abs(away) < 2.5 * found.errors + 0.3) > 0.9


@pytest.mark.parametrize(
    ("option", "message"),
    [({"kernel.first_noise": 0.0}, "no noise at t = 0"), ({"kernel.last_survival": 0.0}, "no data left at t = 1")],
)
def test_a_schedule_with_an_open_end_is_refused(option: dict[str, Any], message: str) -> None:
    run = qs.train(
        qs.load_recipe("array", {**SMALL, "trajectory.steps": 8, "kernel.schedule": "linear", **option}), normal(2)[0][:200]
    )
    with pytest.raises(qs.InputError, match=message):
        run.log_prob(np.zeros((2, 2)))


def test_what_has_no_flow_is_refused() -> None:
    bits = qs.train(qs.load_recipe("heartbeat", {"training.updates": 1, "training.observers": [], "model.width": 4}))
    data = bits.source.split("test", 4)
    with pytest.raises(qs.InputError, match="the flow is for Gaussian noise"):
        bits.log_prob(data)
    assert (bits.log_prob(data, method="weighted", paths=4, steps=8).per_event < 0).all()
    with pytest.raises(qs.InputError, match="expected one of flow, weighted"):
        bits.log_prob(data, method="exact")  # type: ignore[arg-type]


def test_the_command_names_the_model(tmp_path: Path, cli: Any) -> None:
    np.save(tmp_path / "plane.npy", normal(2)[0][:300])
    options = {**SMALL, "trajectory.steps": 8, "source.path": str(tmp_path / "plane.npy")}
    qs.train(qs.load_recipe("array", options), out=tmp_path / "run")
    shown = cli("evaluate", tmp_path / "run", "--likelihood", "flow", "--per-event", tmp_path / "out.csv")
    assert shown.exit_code == 0, shown.output
    assert "log p is of the probability flow of the network, 100 steps of order 4, exact divergence" in shown.stdout
    assert "log_p_nats" in (tmp_path / "out.csv").read_text().splitlines()[0]
    known = json.loads(cli("evaluate", tmp_path / "run", "--likelihood", "weighted", "--paths", 8, "--json").stdout)["likelihood"]
    assert known["is_bound"] and set(known["values"]) >= {"log p at least", "of events of the model, at most"}
    refused = cli("evaluate", tmp_path / "run", "--paths", 8)
    assert refused.exit_code == 2 and "--paths is for --likelihood weighted" in refused.stderr
