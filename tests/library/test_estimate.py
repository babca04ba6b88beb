"""Values for each symbol, where events have different numbers of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

import quasistatic as qs
from quasistatic._process.estimate import estimate


def test_a_value_for_each_symbol_is_that_of_all_symbols_with_the_error_of_a_ratio():
    rng = np.random.default_rng(0)
    found, errors = [], []
    for _ in range(400):
        counts = rng.integers(5, 40, 200)
        nats = 1.3 * counts + rng.normal(size=200) * np.sqrt(counts)
        value = estimate(nats, {"dim": 40, "symbol": counts}).to("bits/symbol")
        assert value.value == pytest.approx(nats.sum() / counts.sum() / math.log(2), rel=1e-12)
        found.append(value.value)
        errors.append(value.standard_error)
    assert np.std(found) == pytest.approx(np.mean(errors), rel=0.12)  # 400 repeats tell it to 3.5 %, one standard error
    # length varies more than the rest: the error of K of an event says nothing of this
    per_event = estimate(nats, {"dim": 40, "symbol": counts})
    assert value.standard_error < 0.5 * per_event.standard_error / math.log(2) / counts.mean()
    assert value.to("nats").standard_error == pytest.approx(per_event.standard_error)


def test_of_one_length_it_is_as_any_unit():
    nats = np.random.default_rng(1).normal(size=50)
    value, dims = (estimate(nats, {"dim": 8, "symbol": 8}).to(unit) for unit in ("bits/symbol", "bits/dim"))
    assert (value.value, value.standard_error) == pytest.approx((dims.value, dims.standard_error))
    with pytest.raises(KeyError):
        estimate(nats, {"dim": 8}).to("bits/symbol")


def test_a_sequence_is_measured_by_the_symbols_that_it_has():
    import jax

    event = qs.Categorical((6,), 3)
    kernel = qs.make("kernel", "absorbing", event, reference="uniform")
    side = qs.Fields({qs.PADDING: qs.Binary((6,))})
    model = qs.make("model", "dense", qs.Ports.of(kernel, side), key=jax.random.key(0), width=4, depth=1)
    diffusion = qs.Diffusion(kernel, model, 3, side=qs.Side.absent(side))
    lengths = np.array([6, 2, 4, 1])
    padding = (np.arange(6) >= lengths[:, None]).astype(np.float32)
    xs = np.where(padding > 0, 0, 2).astype(np.int32)
    ledger = qs.ledger(diffusion, xs, key=jax.random.key(1), side={qs.PADDING: padding}, steps=20)
    # zero params: every symbol costs log 3, whatever else there is
    assert ledger.per_event == pytest.approx(-lengths * math.log(3), rel=1e-5)
    assert ledger.bound.to("bits/symbol").value == pytest.approx(-math.log2(3), rel=1e-5)
    assert ledger.evaluations == 6  # one for each place, not one for each of 20 times
