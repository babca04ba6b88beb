"""Pictures of a diffusion, on matplotlib figures that belong to nobody: no global state of matplotlib is read or changed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from quasistatic import trajectory
from quasistatic._diffusion import Diffusion
from quasistatic._distribution import Key
from quasistatic._ledger import Ledger, Unit
from quasistatic._sampler import AbstractSampler
from quasistatic._source import AbstractSource

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, ACCENT, TRUTH = "#31456a", "#d1603d", "#3d8361"


def encode(figure: Figure, form: str = "png") -> bytes:
    """The figure as a 'png', 'svg' or 'pdf' file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, dpi=140)
    return buffer.getvalue()


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)


def samples(source: AbstractSource, xs: np.ndarray) -> Figure:
    """Events in model units, as their source draws them."""
    figure = _figure(5, 5)
    source.render(xs, figure.add_subplot())
    return figure


def trajectories(
    source: AbstractSource, diffusion: Diffusion, sampler: AbstractSampler, xs: np.ndarray, key: Key, given: np.ndarray | None
) -> Figure:
    """Above, data on their way to noise at six times; below, the learned way back at the same times, from right to left.

    After figure 1 of Sohl-Dickstein et al. 2015.
    """
    times = diffusion.times()
    chosen = np.unique(np.linspace(0, len(times) - 1, 6).round().astype(int))
    key_out, key_back = jr.split(key)
    out = _paths(lambda x, k, y: trajectory.forward(diffusion.kernel, x, times, k), xs, key_out, None, chosen)
    back = _paths(lambda x, k, y: trajectory.reverse(sampler, diffusion, times, k, y), xs, key_back, given, chosen)
    figure = _figure(2.0 * (len(chosen) + 1), 4.4)
    grid = figure.subplots(2, len(chosen) + 1, squeeze=False)
    for row, (first, states, title) in zip(grid, ((out[0], out[1], "data"), (back[0], back[1], "samples")), strict=True):
        for axes, states_at in zip(row, (first, *np.moveaxis(states, 1, 0)), strict=True):
            source.render(states_at, axes)
            axes.set_xticks([])
            axes.set_yticks([])
        row[0].set_title(title, fontsize=9, color=INK)
        for axes, index in zip(row[1:], chosen, strict=True):
            axes.set_title(f"t = {float(times[index]):.2f}", fontsize=9)
    for axes in np.ravel(grid):
        if source.event.size == 2 and source.event.support == "real":
            axes.set(xlim=(-3, 3), ylim=(-3, 3))
    figure.supylabel("learned way back          destruction", fontsize=9)
    return figure


def _paths(
    walk, xs: np.ndarray, key: Key, given: np.ndarray | None, chosen: np.ndarray  # type: ignore[no-untyped-def]
) -> tuple[np.ndarray, np.ndarray]:
    """Ends (N, *event) and the states (N, times, *event) at the chosen times of a path per event."""

    @eqx.filter_jit
    def all_paths(xs: jax.Array, keys: Key, given: jax.Array | None) -> tuple[jax.Array, jax.Array]:
        def one(x: jax.Array, k: Key, y: jax.Array | None) -> tuple[jax.Array, jax.Array]:
            path = walk(x, k, y)
            return path.x, path.zs[chosen]

        return jax.vmap(one)(xs, keys, given)

    x, zs = all_paths(xs, jr.split(key, len(xs)), given)
    return np.asarray(x), np.asarray(zs)


def drift(diffusion: Diffusion, xs: np.ndarray) -> Figure:
    """The mean reverse step E[z_s | z_t] - z_t of 2-D real data, at four times, over the data at that time."""
    times = diffusion.times()
    chosen = np.linspace(1, len(times) - 1, 4).round().astype(int)
    ticks = np.linspace(-2.5, 2.5, 18)
    points = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2).astype(np.float32)
    figure = _figure(10, 2.8)
    for axes, index in zip(figure.subplots(1, 4), chosen, strict=True):
        s, t = times[index - 1], times[index]

        def move(z: jax.Array, s: jax.Array = s, t: jax.Array = t) -> jax.Array:
            return diffusion.kernel.reverse(diffusion.params(z, t), z, s, t).mean() - z

        arrows = np.asarray(jax.vmap(move)(points))
        cloud = jax.vmap(lambda x, k, t=t: diffusion.kernel.marginal(x, t).sample(k))(xs, jr.split(jr.key(0), len(xs)))
        axes.scatter(*np.asarray(cloud).T, s=1, color="#c8cedb", linewidths=0)
        axes.quiver(*points.T, *arrows.T, color=INK, width=0.006)
        axes.set(xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[], aspect="equal")
        axes.set_title(f"t = {float(t):.2f} to {float(s):.2f}", fontsize=9)
    return figure


def bound_history(
    steps: Sequence[int], bounds_nats: Sequence[float], errors_nats: Sequence[float], truth_nats: float | None, unit: Unit = "bits"
) -> Figure:
    """K of the validation split over training, beside the truth where it is known."""
    scale = {"nats": 1.0, "bits": float(np.log(2))}[unit]
    figure = _figure(6, 3)
    axes = figure.add_subplot()
    axes.errorbar(steps, np.divide(bounds_nats, scale), np.divide(errors_nats, scale), color=INK, marker="o", ms=3, lw=1.2)
    if truth_nats is not None:
        axes.axhline(truth_nats / scale, color=TRUTH, lw=1)
        axes.annotate("truth", (1, truth_nats / scale), xycoords=("axes fraction", "data"), ha="right", va="bottom", color=TRUTH)
    axes.set_xlabel("updates")
    axes.set_ylabel(f"K, {unit} per event")
    _plain(axes)
    return figure


def ledger_per_step(ledger: Ledger, unit: Unit = "bits") -> Figure:
    """The terms of -K over time: the first step's at its time, each step's at the time it starts from, what is left at t = 1."""
    scale = {"nats": 1.0, "bits": float(np.log(2))}[unit]
    means = ledger.terms.mean(axis=0) / scale
    figure = _figure(6, 3)
    axes = figure.add_subplot()
    if ledger.steps > 1:
        axes.plot(ledger.times[1:], means[1:-1], color=INK, lw=1.2, marker="o" if ledger.steps < 60 else None, ms=2.5)
    axes.set_xlabel("t")
    axes.set_ylabel(f"-K of a step, {unit}")
    axes.set_title(
        f"first step {means[0]:.3f}   {ledger.steps - 1} steps {means[1:-1].sum():.3f}   left at t = 1 {means[-1]:.3f}   ({unit})",
        fontsize=9,
        color=ACCENT,
    )
    _plain(axes)
    return figure
