"""Schedules: the log-odds of survival as a fixed monotone coordinate of time.

For a Gaussian kernel the log-odds are the log signal-to-noise ratio. Survival itself is never stored: in float32 it
loses the noise of early times. All ends are plain numbers, so nothing here is ever trained; a learned schedule is a
learned grid.
"""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

import attrs
import jax
import jax.numpy as jnp
import numpy as np

ScheduleName = Literal["erasure", "cosine", "log-linear", "linear", "reference"]


def _logit(p: float) -> float:
    return math.inf if p >= 1 else -math.inf if p <= 0 else math.log(p) - math.log1p(-p)


def log_survival(log_odds: jax.Array) -> jax.Array:
    """log of the surviving signal (the logarithm of alpha-bar)."""
    return -jnp.logaddexp(0.0, -log_odds)


def log_noise(log_odds: jax.Array) -> jax.Array:
    """log of one minus the survival."""
    return -jnp.logaddexp(0.0, log_odds)


@attrs.frozen
class AbstractSchedule(ABC):
    """Log-odds of survival on t in [0, 1].

    `first_noise` is 1 - survival at t = 0 (the paper's beta_1: it caps K), `last_survival` the survival at t = 1.
    With `first_noise` = 0 the chain of T steps starts at 1/T, otherwise at 0.
    """

    first_noise: float = attrs.field(default=0.0, validator=[attrs.validators.ge(0), attrs.validators.lt(1)])
    last_survival: float = attrs.field(default=0.0, validator=[attrs.validators.ge(0), attrs.validators.lt(1)])

    @abstractmethod
    def log_odds(self, t: jax.Array) -> jax.Array:
        """lambda(t), decreasing; +inf or -inf at an end without noise or without signal."""

    def times(self, steps: int) -> np.ndarray:
        """The natural chain of T = `steps` times, increasing; the last is 1."""
        if steps < 1:
            raise ValueError(f"times: expected at least 1 step, got {steps}")
        if self.first_noise == 0 or steps == 1:
            return np.arange(1, steps + 1) / steps
        return np.arange(steps) / (steps - 1)


@attrs.frozen
class Erasure(AbstractSchedule):
    """Survival falls linearly: each step erases the same share of the original signal (Sohl-Dickstein et al.

    2015, 2.4.1).
    """

    def log_odds(self, t: jax.Array) -> jax.Array:
        lost = self.first_noise + (1.0 - self.last_survival - self.first_noise) * t
        kept = self.last_survival + (1.0 - self.first_noise - self.last_survival) * (1.0 - t)
        return jnp.log(kept) - jnp.log(lost)


@attrs.frozen
class Cosine(AbstractSchedule):
    """Survival is a squared cosine, on the arc between the two ends (Nichol & Dhariwal 2021, without their offset)."""

    def log_odds(self, t: jax.Array) -> jax.Array:
        start = math.asin(math.sqrt(self.first_noise))
        back = math.asin(math.sqrt(self.last_survival))
        arc = math.pi / 2 - start - back
        return 2.0 * (jnp.log(jnp.sin(back + arc * (1.0 - t))) - jnp.log(jnp.sin(start + arc * t)))


@attrs.frozen
class LogLinear(AbstractSchedule):
    """Log-odds fall linearly between two finite ends."""

    def __attrs_post_init__(self) -> None:
        if not (self.first_noise > 0 and self.last_survival > 0):
            raise ValueError(
                "schedule 'log-linear' needs first_noise > 0 and last_survival > 0, "
                f"got {self.first_noise} and {self.last_survival}"
            )

    def log_odds(self, t: jax.Array) -> jax.Array:
        start, end = _logit(1.0 - self.first_noise), _logit(self.last_survival)
        return start + (end - start) * t


@attrs.frozen
class Linear(AbstractSchedule):
    """The share of noise d / (a + d) grows linearly: a = 1 - t and d = t on the straight path, if both ends are 0.

    The first of T times has then a noise variance of 1 / T^2: below 1e-5 float32 loses a tenth of a nat per element and more, so
    that long chains need `first_noise`.

    Source: Lipman et al. 2023, Flow matching.
    """

    def log_odds(self, t: jax.Array) -> jax.Array:
        start = 1.0 / (1.0 + math.exp(0.5 * _logit(1.0 - self.first_noise))) if self.first_noise else 0.0
        end = 1.0 / (1.0 + math.exp(0.5 * _logit(self.last_survival))) if self.last_survival else 1.0
        noise = start + (end - start) * t
        signal = (1.0 - end) + (end - start) * (1.0 - t)  # 1 - noise, to all digits at the end
        return 2.0 * (jnp.log(signal) - jnp.log(noise))


@functools.cache
def _reference_table(steps: int) -> np.ndarray:
    """Log-odds after each of the T steps of the authors' published code, in float64."""
    base = 1.0 / np.linspace(steps, 2.0, steps)
    floor = np.full(steps, 1e-6)
    floor[0] += 1e-3
    beta = floor + base * (1.0 - floor - 1e-5)
    log_kept = np.cumsum(np.log1p(-beta))
    return log_kept - np.log(-np.expm1(log_kept))


@attrs.frozen
class Reference(AbstractSchedule):
    """The schedule of the 2015 reference code, made for `steps` steps and linear in log-odds between them.

    Its first step ends at t = 0 and its last at t = 1; its ends are those of its table.
    """

    steps: int = attrs.field(default=1000, validator=attrs.validators.ge(2))

    def log_odds(self, t: jax.Array) -> jax.Array:
        table = jnp.asarray(_reference_table(self.steps), jnp.result_type(float))
        return jnp.interp(t, jnp.linspace(0.0, 1.0, self.steps), table)


def make_schedule(
    name: ScheduleName, first_noise: float = 0.0, last_survival: float = 0.0, reference_steps: int = 1000
) -> AbstractSchedule:
    """A schedule by name; kernels call it with their own options.

    Raises ValueError where the ends do not fit the schedule.
    """
    if name == "reference":
        log_odds = _reference_table(reference_steps)
        return Reference(float(1.0 / (1.0 + np.exp(log_odds[0]))), float(1.0 / (1.0 + np.exp(-log_odds[-1]))), reference_steps)
    by_ends: dict[str, Callable[[float, float], AbstractSchedule]] = {
        "erasure": Erasure,
        "cosine": Cosine,
        "log-linear": LogLinear,
        "linear": Linear,
    }
    return by_ends[name](first_noise, last_survival)
