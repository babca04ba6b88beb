"""What order costs: floating-point operations, joules where a meter exists, and the least that physics asks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import Key, State, Time

BOLTZMANN = 1.380649e-23  # joules per kelvin
POWERCAP = Path("/sys/class/powercap")


def chain_flops(diffusion: Diffusion, steps: int | None = None) -> float | None:
    """Floating-point operations of one event through a chain of T = `steps`, by XLA's count; None where it has none.

    The program of one step is counted and multiplied by T: what a loop repeats XLA counts once. Fusions and library calls of an
    accelerator may be missing from its count.
    """

    def step(arrays: Diffusion, z: State, s: Time, t: Time, key: Key) -> State:
        given = eqx.combine(arrays, static)
        return given.reverse(given.params(z, t), z, s, t).sample(key)

    arrays, static = eqx.partition(diffusion, eqx.is_array)
    z = diffusion.kernel.equilibrium().sample(jr.key(0))
    times = jnp.asarray([0.5, 1.0])
    cost = jax.jit(step).lower(arrays, z, times[0], times[1], jr.key(0)).compile().cost_analysis()
    counted = dict(cost or {}).get("flops", 0.0)
    return float(counted) * len(diffusion.times(steps)) if counted > 0 else None


@attrs.define
class EnergyMeter:
    """Joules that the processors' packages have used since it was opened, by the counters of Linux (powercap).

    Counters wrap, after minutes under load: `read` must be called more often than that. They are the machine's, not this
    program's: take an idle reading off.
    """

    _last: dict[Path, int]
    _range: dict[Path, int]
    _microjoules: int = 0

    @classmethod
    def open(cls, root: Path = POWERCAP) -> Self | None:
        """None, never zero, where there is no counter, or none that may be read."""
        last, ranges = {}, {}
        for zone in sorted(root.glob("*:[0-9]*")):
            if zone.name.count(":") != 1:
                continue  # part of another
            try:
                last[zone], ranges[zone] = _number(zone / "energy_uj"), _number(zone / "max_energy_range_uj")
            except (OSError, ValueError):
                continue
        return cls(last, ranges) if last else None

    def read(self) -> float:
        """Joules since it was opened."""
        for zone, before in self._last.items():
            now = _number(zone / "energy_uj")
            self._microjoules += (now - before) % (self._range[zone] + 1)
            self._last[zone] = now
        return 1e-6 * self._microjoules


def _number(path: Path) -> int:
    return int(path.read_text())


def learning_dissipation(fresh_bounds_nats: Sequence[float] | np.ndarray, events: int, final_nats: float) -> float:
    """Nats lost while learning: the sum over updates of `events` times what K of a fresh batch lacks to the final K.

    `fresh_bounds_nats` (updates,) is K of each batch before the network has seen it: the excess code length of prequential
    coding (Dawid 1984), for one pass over the data.
    """
    return float(events * (final_nats - np.asarray(fresh_bounds_nats, np.float64)).sum())


def landauer_joules(nats: float, kelvin: float = 300.0) -> float:
    """The least energy that erases this much information, kT per nat (Landauer 1961)."""
    return nats * BOLTZMANN * kelvin
