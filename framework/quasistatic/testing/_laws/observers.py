"""The law of observers."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from quasistatic._data.source import AbstractGeneratedSource
from quasistatic._process.event import Real
from quasistatic._process.ledger import Ledger
from quasistatic._process.sampler import Ancestral
from quasistatic._training.observer import AbstractObserver, RunInfo
from quasistatic.testing._law import law
from quasistatic.testing._reading import Reading, faults
from quasistatic.testing._setting import Setting
from quasistatic.testing._tools.bench import Fading


class _Noise(AbstractGeneratedSource):
    """Unit-normal events."""

    event = Real((2,))

    def __init__(self) -> None:
        super().__init__(0, 8, 8)

    def draw(self, row: Any, *, key: jax.Array) -> tuple[jax.Array, None]:
        return jax.random.normal(key, (2,)), None


@law(
    "observer",
    "contract",
    "An observer is notified of a whole run, and of one that failed at once, raises nothing and changes nothing it is shown.",
    once=True,
    unseen="What it writes, and whether that can be read.",
)
def observer_contract(observer: AbstractObserver, setting: Setting) -> Reading:
    diffusion = setting.diffusion_with_random_network(Fading(), 3)
    terms = np.array([[1.0, 0.5, 0.2, 0.1], [0.9, 0.4, 0.1, 0.1]])
    shown = terms.copy()
    ledger = Ledger(np.asarray(diffusion.times()), {"": terms}, 3, {"dim": 2})
    info = RunInfo({"seed": 0}, "2 real", 3, 12, 0, 20, _Noise(), Ancestral())
    observer.start(info)
    observer.progress(10, {"loss_nats": 1.5})
    observer.validation(10, ledger, diffusion)
    observer.progress(20, {"loss_nats": 1.2})
    observer.finish(20, "done")
    observer.start(info)
    observer.finish(0, "failed")
    return faults([] if np.array_equal(terms, shown) else ["the ledger was changed"])
