"""Grids: the T increasing times of a chain, the last of which is 1."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from quasistatic._process.kernel import AbstractKernel

Steps = int | Sequence[float] | np.ndarray | None  # T; the times themselves; None: what is usual


def checked_times(times: Sequence[float] | np.ndarray, kernel: AbstractKernel | None = None) -> Float[Array, " T"]:
    """The T increasing times of a whole chain, (T,). Raises ValueError where these are no times, or not of this kernel.

    They are compared as they are used: what float64 distinguishes may be one time in float32.
    """
    given, kind = np.asarray(times, np.float64), np.dtype(jnp.result_type(float))
    values = given.astype(kind)
    is_chain = given.ndim == 1 and len(given) > 0 and given[-1] == 1 and given[0] >= 0
    if not is_chain or not np.all(np.diff(given) > 0):
        raise ValueError(f"times: expected increasing times in [0, 1] that end with 1, got {times!r}")
    if not np.all(np.diff(values) > 0):
        place = int(np.argmin(np.diff(values)))
        raise ValueError(f"times: expected times that {kind} tells apart, got {given[place]!r} and {given[place + 1]!r}")
    if kernel is not None and values[0] == 0 and kernel.times(2)[0] > 0:
        raise ValueError(f"times: expected a first time after 0 in {kind}, where this kernel adds no noise, got {given[0]!r}")
    return jnp.asarray(values)


class AbstractGrid(eqx.Module):
    """The times of a chain; `is_learned` says whether they are trained."""

    steps: eqx.AbstractVar[int]
    is_learned: eqx.AbstractClassVar[bool]

    @abstractmethod
    def times(self, kernel: AbstractKernel, steps: int | None = None) -> Float[Array, " T"]:
        """T increasing times (T,), by default T = `self.steps`; another T is the same schedule, finer or coarser."""


class FixedGrid(AbstractGrid):
    """The kernel's natural chain."""

    steps: int = eqx.field(static=True)
    is_learned: ClassVar[bool] = False

    def times(self, kernel: AbstractKernel, steps: int | None = None) -> Float[Array, " T"]:
        # numpy's: another T compiles no conversion
        return jnp.asarray(np.asarray(kernel.times(self.steps if steps is None else steps), jnp.result_type(float)))


class GivenGrid(AbstractGrid):
    """Times that were chosen; another T is interpolated between them."""

    knots: tuple[float, ...] = eqx.field(static=True)
    is_learned: ClassVar[bool] = False

    def __init__(self, kernel: AbstractKernel, times: Sequence[float] | np.ndarray):
        """Raises ValueError where `times` (T,) are no whole chain, or none for this kernel."""
        checked_times(times, kernel)
        self.knots = tuple(float(time) for time in times)

    @property
    def steps(self) -> int:
        """T, the number of times that are given."""
        return len(self.knots)

    def times(self, kernel: AbstractKernel, steps: int | None = None) -> Float[Array, " T"]:
        return _interpolated(jnp.asarray(self.knots, jnp.result_type(float)), steps)


def _interpolated(knots: Float[Array, " T"], steps: int | None) -> Float[Array, " T"]:
    """The same schedule, finer or coarser."""
    if steps is not None and steps < 1:
        raise ValueError(f"steps: expected at least 1, got {steps}")
    if steps is None or steps == len(knots):
        return knots
    if steps == 1:
        return jnp.ones(1)
    return jnp.interp(jnp.linspace(0.0, 1.0, steps), jnp.linspace(0.0, 1.0, len(knots)), knots)


class LearnedGrid(AbstractGrid):
    """A learned schedule: the times between two constant ends are trained with the network.

    `increments` are log-weights of the T - 1 distances between neighbours; they are the only leaf.
    """

    increments: Float[Array, " T-1"]
    steps: int = eqx.field(static=True)
    first: float = eqx.field(static=True)
    is_learned: ClassVar[bool] = True

    def __init__(self, kernel: AbstractKernel, steps: int):
        """Starts at the kernel's natural chain of T = `steps` >= 2 steps."""
        if steps < 2:
            raise ValueError(f"LearnedGrid: expected at least 2 steps, got {steps}")
        start = kernel.times(steps)
        self.increments = jnp.log(jnp.asarray(np.diff(start), jnp.result_type(float)))
        self.steps = steps
        self.first = float(start[0])

    def times(self, kernel: AbstractKernel, steps: int | None = None) -> Float[Array, " T"]:
        inner = jnp.cumsum(jax.nn.softmax(self.increments))[:-1]
        # the ends are constants: no gradient ever flows into a time without signal
        knots = jnp.concatenate([jnp.array([self.first]), self.first + (1.0 - self.first) * inner, jnp.ones(1)])
        return _interpolated(knots, steps)
