"""Bits per character of 5 million characters against the budget of training, beside n-grams on the same windows.

    python -m pytest -m benchmark -s tests/benchmarks/test_text.py -k 15

The text is the source of Python's own library, its files in random order.
"""

import math
import sysconfig
import time
from pathlib import Path

import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs

pytestmark = pytest.mark.benchmark

LENGTH, CHARACTERS, WINDOWS = 128, 5_000_000, 200
UPDATES = {5: 450, 15: 1_450, 60: 6_000}  # about so many minutes on two cores


def corpus() -> str:
    folder = Path(sysconfig.get_path("stdlib"))
    files = sorted(path for path in folder.rglob("*.py") if "site-packages" not in path.parts)
    order = np.random.default_rng(0).permutation(len(files))
    return "\n".join(files[number].read_text("utf-8", "replace") for number in order)[:CHARACTERS]


@pytest.mark.parametrize("minutes", UPDATES)
def test_bits_per_character(minutes, tmp_path):
    path = tmp_path / "library.txt"
    path.write_text(corpus(), "utf-8")
    begin = time.perf_counter()
    run = qs.train(
        qs.load_recipe(
            "text",
            {
                "source.path": str(path), "source.length": LENGTH, "model.width": 128, "model.depth": 4,
                "training.optimiser": "muon", "training.rate": 1e-2, "training.warmup": 50, "training.batch": 32,
                "training.updates": UPDATES[minutes], "training.validate_every": UPDATES[minutes] // 2,
                "training.validation_events": 64, "training.observers": [],
            },
        )
    )  # fmt: skip
    spent = (time.perf_counter() - begin) / 60.0
    xs = run.source.split("test", WINDOWS).x
    bits = LENGTH * math.log(2.0)
    k = np.asarray(qs.ledger(run.diffusion, xs, key=jr.key(1), steps=1000).per_event) / bits
    print(f"{spent:.1f} minutes: K (T = 1000) {k.mean():.3f} +- {k.std() / WINDOWS**0.5:.3f} bits per character")
    ahead = {}
    for name, log_probs in run.source.baselines(xs).items():
        over = k - np.asarray(log_probs) / bits
        ahead[name] = over.mean()
        print(f"  {name} {np.mean(log_probs) / bits:.3f}, K less that {over.mean():+.3f} +- {over.std() / WINDOWS**0.5:.3f}")
    assert ahead["2-gram"] > 0.0
    assert minutes < 15 or ahead["3-gram"] > 0.0
