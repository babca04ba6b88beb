"""The law of observers."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from quasistatic._event import Event
from quasistatic._ledger import Ledger
from quasistatic._observe import AbstractObserver, RunInfo
from quasistatic._source import GeneratedSource
from quasistatic.testing._bench import Backwards, Fading
from quasistatic.testing._law import Reading, faults
from quasistatic.testing._setting import Setting


class _Noise(GeneratedSource):
    """Unit-normal events."""

    event = Event((2,))

    def __init__(self) -> None:
        super().__init__(0, 8, 8)

    def draw(self, row: Any, key: jax.Array) -> tuple[jax.Array, None]:
        return jax.random.normal(key, (2,)), None


def told(observer: AbstractObserver, setting: Setting) -> Reading:
    """An observer is told of a whole run, and of one that failed at once, raises nothing and changes nothing it is shown."""
    diffusion = setting.wrong(Fading(), 3)
    terms = np.array([[1.0, 0.5, 0.2, 0.1], [0.9, 0.4, 0.1, 0.1]])
    shown = terms.copy()
    ledger = Ledger(np.asarray(diffusion.times()), terms, 3, 2)
    info = RunInfo({"seed": 0}, "2 real", 3, 12, 0, 20, _Noise(), Backwards())
    observer.start(info)
    observer.progress(10, {"loss_nats": 1.5})
    observer.validation(10, ledger, diffusion)
    observer.progress(20, {"loss_nats": 1.2})
    observer.finish(20, "done")
    observer.start(info)
    observer.finish(0, "failed")
    return faults([] if np.array_equal(terms, shown) else ["the ledger was changed"])
