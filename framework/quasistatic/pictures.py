"""Pictures of a diffusion, on matplotlib figures of their own: the global state of matplotlib stays as it is."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from quasistatic import trajectory
from quasistatic._diffusion import Diffusion
from quasistatic._distribution import Key
from quasistatic._ledger import Estimate, Ledger, Unit
from quasistatic._sampler import AbstractSampler
from quasistatic._source import AbstractSource

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# one colour per meaning, in every picture: data and measurement, the learned way back, the truth
DATA, LEARNED, TRUTH = "#2f5d8c", "#c2542d", "#3d7a57"
TEXT, FRAME, PALE = "#3a3f47", "#c9ced6", "#d3dae4"
COLUMNS = 6  # times shown of a chain
WIDTH = 10.5  # inches, of pictures with a column per time
SMALL, NORMAL = 7.5, 9.0  # points


def encode(figure: Figure, form: str = "png") -> bytes:
    """The figure as a 'png', 'svg' or 'pdf' file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, dpi=160)
    return buffer.getvalue()


def samples(source: AbstractSource, xs: np.ndarray) -> Figure:
    """Events (N, *event) in model units, as their source draws them."""
    figure = _figure(4.5, 4.5)
    axes = figure.add_subplot()
    _draw(source, xs, axes, LEARNED, _reach(xs))
    if axes.axison:
        _quiet(axes)
        axes.set_xlabel(axes.get_xlabel() or "model units", fontsize=NORMAL, color=TEXT)
        axes.set_ylabel(axes.get_ylabel(), fontsize=NORMAL, color=TEXT)
    return figure


class Walks(NamedTuple):
    """As many paths out as back, at the same few times (k,): `x` (N, *event) and `zs` (N, k, *event) of each."""

    times: np.ndarray
    out: trajectory.Path
    back: trajectory.Path
    earlier: np.ndarray  # the chain's time before each of `times`; nan before the first


def walk(
    diffusion: Diffusion, sampler: AbstractSampler, xs: np.ndarray, key: Key, given: np.ndarray | None = None
) -> Walks:
    """From data xs (N, *event) to noise, and from noise to as many samples; both with side information (N, given)."""
    times = diffusion.times()
    chosen = np.unique(np.linspace(0, len(times) - 1, COLUMNS).round().astype(int))
    key_out, key_back = jr.split(key)

    def out(x: jax.Array, key: Key, given: jax.Array | None) -> trajectory.Path:
        return trajectory.forward(diffusion.kernel, x, times[chosen], key)  # the same law as with all steps between

    def back(x: jax.Array, key: Key, given: jax.Array | None) -> trajectory.Path:
        path = trajectory.reverse(sampler, diffusion, times, key, given)
        return trajectory.Path(path.x, path.zs[chosen])

    def all_of(path: Callable[..., trajectory.Path], key: Key) -> trajectory.Path:
        found = eqx.filter_jit(jax.vmap(path))(jnp.asarray(xs), jr.split(key, len(xs)), given)
        return trajectory.Path(np.asarray(found.x), np.asarray(found.zs))

    before = np.concatenate([[np.nan], np.asarray(times)])
    return Walks(np.asarray(times[chosen]), all_of(out, key_out), all_of(back, key_back), before[chosen])


def trajectories(source: AbstractSource, walks: Walks, shown: int | None = None) -> Figure:
    """Above, data on their way to noise; below, the learned way back at the same times. `shown` events of each.

    After figure 1 of Sohl-Dickstein et al. 2015.
    """
    figure = _figure(WIDTH, 3.42)
    rows = figure.subplots(2, len(walks.times) + 1, squeeze=False)
    reach = _reach(walks.out.x)
    for row, path, colour in zip(rows, (walks.out, walks.back), (DATA, LEARNED), strict=True):
        for axes, events in zip(row, (path.x, *np.moveaxis(path.zs, 1, 0)), strict=True):
            _draw(source, events[:shown], axes, colour, reach)
            axes.set_axis_on()
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_color(FRAME)
    for axes, time in zip(rows[0, 1:], walks.times, strict=True):
        axes.set_title(f"t = {time:.2g}", fontsize=NORMAL, color=TEXT)
    rows[0, 0].set_title("data \N{RIGHTWARDS ARROW}", fontsize=NORMAL, color=DATA, fontweight="bold")
    rows[1, 0].set_title("samples \N{LEFTWARDS ARROW}", fontsize=NORMAL, color=LEARNED, fontweight="bold")
    return figure


def drift(diffusion: Diffusion, walks: Walks) -> Figure:
    """The mean step back E[z_s | z_t] - z_t of 2-D real data without side information, over the data at that time.

    Arrows are scaled in each panel, where the longest one's length is said, and dark where there are data at that time.
    """
    reach = _reach(walks.out.x)
    ticks = np.linspace(-0.9 * reach, 0.9 * reach, 15)
    spacing = ticks[1] - ticks[0]
    points = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    figure = _figure(WIDTH, 1.95)
    # as wide as the panels of `trajectories`, below whose columns they stand
    row = figure.subplots(1, len(walks.times) + 1, squeeze=False)[0]
    row[0].set_axis_off()
    label = "mean step back\nE[ z$_s$ | z$_t$ ] \N{MINUS SIGN} z$_t$"
    row[0].text(0.96, 0.5, label, ha="right", va="center", fontsize=NORMAL, color=LEARNED)
    clouds = np.moveaxis(walks.out.zs, 1, 0)
    for axes, t, s, cloud in zip(row[1:], walks.times, walks.earlier, clouds, strict=True):
        before = None if np.isnan(s) else jnp.asarray(s)
        arrows = np.asarray(_mean_step(diffusion, jnp.asarray(points, cloud.dtype), jnp.asarray(t), before))
        near = np.array([np.min(np.sum((cloud - point) ** 2, axis=1)) for point in points]) < spacing**2
        length = np.maximum(np.sqrt(np.sum(arrows**2, axis=1)), 1e-30)
        longest = float(length[near].max()) if near.any() else float(length.max())
        # far from the data the network was never asked; a long guess there must not dwarf the rest
        shown = arrows * np.minimum(1.0, longest / length)[:, None]
        axes.scatter(*cloud.T, s=1.5, color=PALE, linewidths=0)
        scale = dict(angles="xy", scale_units="xy", scale=longest / (1.7 * spacing), width=0.009)
        axes.quiver(*points.T, *shown.T, color=np.where(near, LEARNED, PALE), **scale)
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[], aspect="equal")
        axes.spines[:].set_color(FRAME)
        to = "data" if before is None else f"{s:.2g}"
        axes.set_title(f"{t:.2g} \N{RIGHTWARDS ARROW} {to}", fontsize=NORMAL, color=TEXT)
        axes.set_xlabel(f"longest {longest:.2g}", fontsize=SMALL, color=TEXT)
    return figure


def bound_history(
    steps: Sequence[int],
    bounds_nats: Sequence[float],
    errors_nats: Sequence[float],
    truth_nats: float | None = None,
    unit: Unit = "bits",
    chain: int | None = None,
) -> Figure:
    """K after so many updates, with a band of two standard errors, beside the truth where it is known.

    `chain` is the T at which K was measured. Early figures far below the rest are cut off.
    """
    values, errors = (np.asarray(column, float) / _nats(unit) for column in (bounds_nats, errors_nats))
    figure = _figure(6.5, 3.2)
    axes = figure.add_subplot()
    low, high = values - 2 * np.nan_to_num(errors), values + 2 * np.nan_to_num(errors)
    axes.fill_between(steps, low, high, color=DATA, alpha=0.15, linewidth=0)
    axes.plot(steps, values, color=DATA, marker="o", markersize=3, linewidth=1.4)
    top, late = high.max(), low[len(low) // 3 :].min()
    bottom = max(low.min(), late - 0.3 * (top - late))
    if truth_nats is not None:
        truth = truth_nats / _nats(unit)
        top = max(top, truth)
        axes.axhline(truth, color=TRUTH, linewidth=1.2)
        across = axes.get_yaxis_transform()
        axes.text(1, truth, "truth", transform=across, color=TRUTH, fontsize=NORMAL, ha="right", va="bottom")
    axes.set_xlim(0, 1.02 * max(steps))
    axes.set_ylim(bottom - 0.05 * (top - bottom), top + 0.12 * (top - bottom))
    axes.set_xlabel("updates", fontsize=NORMAL, color=TEXT)
    at = "" if chain is None else f" (T = {chain})"
    axes.set_ylabel(f"K{at}, {unit} per event", fontsize=NORMAL, color=TEXT)
    _quiet(axes)
    return figure


def ledger_per_step(ledger: Ledger, unit: Unit = "bits") -> Figure:
    """The terms of -K: on the left the three that make it up, on the right every step's over time, both per event.

    A step's term stands at the time t that it starts from; the band is two standard errors wide on each side.
    """
    figure = _figure(8.0, 3.2)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.7))
    total = ledger.bound.to(unit)
    parts = [
        ("first step", ledger.first.to(unit), LEARNED),
        (f"{ledger.steps - 1} steps", ledger.total_gap.to(unit), DATA),
        ("left at t = 1", ledger.prior.to(unit), TRUTH),
        (f"\N{MINUS SIGN}K (T = {ledger.steps})", Estimate(-total.value, total.standard_error, unit), TEXT),
    ]
    _split(left, parts)
    left.set_xlabel(f"{unit} per event", fontsize=NORMAL, color=TEXT)
    if ledger.steps > 1:
        gaps = [gap.to(unit) for gap in ledger.gaps]
        means = np.array([gap.value for gap in gaps])
        spread = 2 * np.nan_to_num([gap.standard_error for gap in gaps])
        times = ledger.times[1:]
        right.fill_between(times, means - spread, means + spread, color=DATA, alpha=0.15, linewidth=0)
        right.plot(times, means, color=DATA, linewidth=1.4, marker="o" if ledger.steps <= 100 else None, markersize=2.5)
    right.axhline(0.0, color=FRAME, linewidth=0.8, zorder=0)
    marks = [(ledger.times[0], "first step", LEARNED, "left"), (1.0, "left at t = 1", TRUTH, "right")]
    for time, label, colour, side in marks:
        right.axvline(time, color=colour, linewidth=1.0, linestyle=(0, (4, 2)))
        shift = 0.01 if side == "left" else -0.01
        across = right.get_xaxis_transform()
        right.text(time + shift, 0.99, label, transform=across, color=colour, fontsize=SMALL, ha=side, va="top")
    low, high = right.get_ylim()
    right.set_ylim(low, high + 0.12 * (high - low))
    right.set_xlim(-0.03, 1.03)
    right.set_xlabel("time t", fontsize=NORMAL, color=TEXT)
    right.set_ylabel(f"{unit} per event and step", fontsize=NORMAL, color=TEXT)
    _quiet(left)
    _quiet(right)
    return figure


def _split(axes: Axes, parts: Sequence[tuple[str, Estimate, str]]) -> None:
    """Bars one below the other, each with its figure."""
    rows = np.arange(len(parts))[::-1]
    values = [part.value for _, part, _ in parts]
    axes.barh(rows, values, height=0.55, color=[colour for *_, colour in parts])
    axes.axvline(0.0, color=FRAME, linewidth=0.8)
    for row, value in zip(rows, values, strict=True):
        side, shift = ("left", 3) if value >= 0 else ("right", -3)
        place: dict[str, Any] = dict(xytext=(shift, 0), textcoords="offset points", ha=side, va="center")
        axes.annotate(f"{value:.3f}".replace("-", "\N{MINUS SIGN}"), (value, row), fontsize=SMALL, color=TEXT, **place)
    axes.set_yticks(rows, [label for label, *_ in parts])
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.32)


@eqx.filter_jit
def _mean_step(diffusion: Diffusion, points: jax.Array, t: jax.Array, s: jax.Array | None) -> jax.Array:
    """Mean move of each point (N, 2) from t to s, or to data for no s."""

    def move(z: jax.Array) -> jax.Array:
        params = diffusion.params(z, t)
        law = diffusion.decode(params, z, t) if s is None else diffusion.kernel.reverse(params, z, s, t)
        return law.mean() - z

    return jax.vmap(move)(points)


def _draw(source: AbstractSource, xs: np.ndarray, axes: Axes, colour: str, reach: float) -> None:
    """Events as the source draws them, in our colour; real ones on one scale for all panels of a picture."""
    axes.set_prop_cycle(color=[colour])
    source.render(xs, axes)
    for image in axes.images:
        if image.get_cmap().name == "gray_r":
            image.set_cmap(LinearSegmentedColormap.from_list("ink", ["white", colour]))
    if source.event.support != "real" or source.event.quantised:
        return
    if source.event.size <= 2:
        axes.set_xlim(-reach, reach)
    if source.event.size == 2:
        axes.set_ylim(-reach, reach)
        for points in axes.collections:
            if isinstance(points, PathCollection):
                points.set_sizes([min(4.0, 2000.0 / len(xs))])
    for image in axes.images:
        image.set_clim(-reach, reach)


def _reach(xs: np.ndarray) -> float:
    """How far to look in model units: unit noise, and all but the farthest data."""
    return max(3.0, 1.1 * float(np.quantile(np.abs(xs), 0.995)))


def _nats(unit: Unit) -> float:
    return Estimate(0.0, 1.0, unit).to("nats").standard_error


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _quiet(axes: Axes) -> None:
    """No more ink than needed."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FRAME)
    axes.tick_params(labelsize=SMALL, color=FRAME, labelcolor=TEXT)
