"""Independent symbols, redrawn evenly: the matrix of a step, from which `qs.FiniteKernel` makes the rest."""

from __future__ import annotations

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import quasistatic as qs
from quasistatic_plugins.uniform import UniformOptions


class UniformKernel(qs.FiniteKernel):
    """q(z_t given z_s) keeps a symbol with the survival of the step, and else draws one of all n evenly."""

    options: UniformOptions = eqx.field(static=True)
    event: qs.Categorical = eqx.field(static=True)
    is_exact_at_zero: ClassVar[bool] = True

    @property
    def schedule(self) -> qs.AbstractSchedule:
        options = self.options
        return qs.make_schedule(options.schedule, options.first_noise, options.last_survival)

    @property
    def max_prior_nats(self) -> float:
        """The chance of a symbol's own state is raised from 1/n by what survives."""
        return math.log1p(self.schedule.last_survival * (self.event.categories - 1))

    def times(self, steps: int) -> np.ndarray:
        return self.schedule.times(steps)

    def log_matrix(self, s: jax.Array | None, t: jax.Array) -> jax.Array:
        log_kept = qs.log_survival(self.schedule.log_odds(t))
        if s is not None:
            log_kept = log_kept - qs.log_survival(self.schedule.log_odds(s))
        n = self.event.categories
        log_redrawn = jnp.log(-jnp.expm1(jnp.minimum(log_kept, -1e-30))) - math.log(n)
        return jnp.where(jnp.eye(n) > 0, jnp.logaddexp(log_kept, log_redrawn), log_redrawn)

    def log_equilibrium(self) -> jax.Array:
        return jnp.full(self.event.categories, -math.log(self.event.categories))

    def log_reference(self) -> jax.Array:
        return self.log_equilibrium()
