"""Two angles of a molecule, in radians: a mixture of wrapped normals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic_angles.molecule import AnglesOptions
from quasistatic_angles.wrapped_normal import Angle
from quasistatic_angles.wrapped_normal.kernel import WrappedNormal, log_wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Angles(qs.AbstractGeneratedSource, qs.sources.AbstractTruth, qs.sources.AbstractDrawing):
    """Bumps of deviation 0.3 at the usual angles of helices, strands and left-handed turns: each angle depends on the other."""

    event = Angle((2,))
    bumps = np.array([[-1.1, -0.75], [-2.1, 2.36], [1.0, 0.8]], np.float32)
    weights = np.array([0.5, 0.4, 0.1], np.float32)
    variance = np.float32(0.09)

    def __init__(self, options: AnglesOptions):
        super().__init__(options.seed, options.validation_events, options.test_events)

    def draw(self, row: None, *, key: jax.Array) -> tuple[jax.Array, None]:
        key_bump, key_noise = jr.split(key)
        bump = jnp.sum(qs.numerics.uniform((), key=key_bump) >= np.cumsum(self.weights)[:-1])
        return WrappedNormal(jnp.asarray(self.bumps)[bump], self.variance).sample(key_noise), None

    def log_prob(self, xs: np.ndarray) -> np.ndarray:
        each = log_wrapped(jnp.asarray(xs)[:, None] - self.bumps, self.variance).sum(axis=-1)
        return np.asarray(jax.nn.logsumexp(each + np.log(self.weights), axis=-1))

    def render(self, xs: np.ndarray, axes: Axes) -> None:
        axes.scatter(*np.degrees(xs).T, s=4, linewidths=0)
        axes.set(xlim=(-180, 180), ylim=(-180, 180), aspect="equal", xlabel="first angle, degrees", ylabel="second")
