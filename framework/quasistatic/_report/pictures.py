"""Pictures of a diffusion."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from matplotlib.collections import PathCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from quasistatic._data.draw import colours as colours
from quasistatic._data.draw import draw_field as draw_field
from quasistatic._data.draw import draw_in_user_units as draw_in_user_units
from quasistatic._data.draw import draw_part as draw_part
from quasistatic._data.draw import tiles as tiles
from quasistatic._data.draw import worth_drawing
from quasistatic._data.source import AbstractSource
from quasistatic._process import trajectory
from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import AbstractWithMean, Key, State
from quasistatic._process.estimate import Estimate, Unit
from quasistatic._process.estimate import customary_unit as customary_unit
from quasistatic._process.event import AbstractField
from quasistatic._process.haste import compiled, is_brief
from quasistatic._process.ledger import Ledger
from quasistatic._process.sampler import AbstractSampler, Ancestral
from quasistatic._process.tree import count_of, take
from quasistatic._report.figure import DATA as DATA
from quasistatic._report.figure import FRAME as FRAME
from quasistatic._report.figure import LEARNED as LEARNED
from quasistatic._report.figure import NORMAL as NORMAL
from quasistatic._report.figure import PALE as PALE
from quasistatic._report.figure import SMALL as SMALL
from quasistatic._report.figure import TEXT as TEXT
from quasistatic._report.figure import TRUTH as TRUTH
from quasistatic._report.figure import WIDTH as WIDTH
from quasistatic._report.figure import as_picture as as_picture
from quasistatic._report.figure import encode as encode
from quasistatic._report.figure import new_figure as new_figure
from quasistatic._report.figure import quiet as quiet
from quasistatic._report.film import Filmed as Filmed
from quasistatic._report.film import cells as cells
from quasistatic._report.film import drawn_range as drawn_range
from quasistatic._report.film import spread as spread
from quasistatic._report.page import HtmlTable as HtmlTable
from quasistatic._report.page import Picture as Picture
from quasistatic._report.page import page as page
from quasistatic._report.reporting import AbstractOverview as AbstractOverview
from quasistatic._report.reporting import AbstractReporting as AbstractReporting
from quasistatic._report.reporting import Reported as Reported
from quasistatic._training.store import Measured

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 6  # times shown of a chain


def samples(source: AbstractSource, xs: State) -> Figure:
    """Events (N, ...) given in model units, as their source draws them, part by part, on axes that hold them."""
    parts = source.event.parts()
    figure = new_figure(4.5 * len(parts), 4.5)
    for axes, (name, field) in zip(figure.subplots(1, len(parts), squeeze=False)[0], parts.items(), strict=True):
        shown = xs if len(parts) == 1 else take(xs, slice(worth_drawing(field)))
        _draw(source, shown, name, axes, LEARNED)
        if not (axes.images and _is_bounded(field)):
            _hold([axes], [axes])
        if axes.axison:
            quiet(axes)
            label = axes.get_xlabel() or name or "units of the data"
            axes.set_xlabel(label, fontsize=NORMAL, color=TEXT)
            axes.set_ylabel(axes.get_ylabel(), fontsize=NORMAL, color=TEXT)
        elif name:
            axes.set_title(axes.get_title() or name, fontsize=NORMAL, color=TEXT)
    return figure


class Walks(NamedTuple):
    """As many paths out as back, at the same few times (k,): `x` (N, ...) and `zs` (N, k, ...) of each."""

    times: np.ndarray
    out: trajectory.Path
    back: trajectory.Path
    earlier: np.ndarray  # the chain's time before each of `times`; nan before the first


def walk(diffusion: Diffusion, xs: State, *, key: Key, sampler: AbstractSampler | None = None, side: State | None = None) -> Walks:
    """From data xs (N, ...) to noise, and from noise to as many samples; both with side information (N, ...)."""
    sampler = Ancestral() if sampler is None else sampler
    times, count = np.asarray(diffusion.times()), count_of(xs)
    kept = spread(len(times), COLUMNS)
    chosen, filmed = np.array(kept), Filmed(sampler, kept, len(times))
    in_haste = is_brief(diffusion, count * len(times) * sampler.states)
    xs, (keys_out, keys_back) = jax.tree.map(jnp.asarray, xs), (jr.split(each, count) for each in jr.split(key))
    there = _paths_out(in_haste, diffusion, times[chosen], xs, keys_out, side)
    again = _paths_back(in_haste, filmed, diffusion, times, keys_back, side)
    before = np.concatenate([[np.nan], times])[chosen]
    out, back = (trajectory.Path(*jax.tree.map(np.asarray, each)) for each in (there, again))
    return Walks(times[chosen], out, back, before)


@compiled
def _paths_out(
    diffusion: Diffusion, times: jax.Array, xs: State, keys: jax.Array, side: State | None
) -> tuple[State, State | None]:
    """Data (N, ...), and their noisy states at these few times: the same distribution as with all steps between."""

    def out(x: State, key: Key, side_one: State | None) -> tuple[State, State | None]:
        path = trajectory.forward(diffusion.given(side_one).kernel, x, times, key=key)
        return path.x, path.zs

    return jax.vmap(out)(xs, keys, side)


@compiled
def _paths_back(
    sampler: Filmed, diffusion: Diffusion, times: jax.Array, keys: jax.Array, side: State | None
) -> tuple[State, State | None]:
    """Samples (N, ...), and the noisy states that they were at the times that are filmed."""

    def back(key: Key, side_one: State | None) -> tuple[State, State | None]:
        # not all T states: of pictures they would fill the memory
        return trajectory.reverse(sampler, diffusion.given(side_one), times, key=key, keep=False).x

    return jax.vmap(back)(keys, side)


def trajectories(source: AbstractSource, walks: Walks) -> Figure:
    """Above, data on their way to noise; below, the learned way back at the same times; some events of each.

    An event of several parts has both rows for every part. After figure 1 of Sohl-Dickstein et al. 2015.
    """
    parts = source.event.parts()
    figure = new_figure(WIDTH, 3.42 * len(parts))
    rows = figure.subplots(2 * len(parts), len(walks.times) + 1, squeeze=False)
    for number, (name, field) in enumerate(parts.items()):
        two = rows[2 * number : 2 * number + 2]
        for row, path, colour in zip(two, (walks.out, walks.back), (DATA, LEARNED), strict=True):
            states = (path.x, *(jax.tree.map(lambda zs, k=k: zs[:, k], path.zs) for k in range(len(walks.times))))
            for axes, events in zip(row, states, strict=True):
                _draw(source, take(events, slice(worth_drawing(field))), name, axes, colour)
                called = axes.get_title() or ("" if axes.get_ylabel() else axes.get_xlabel()) or name
                axes.set_axis_on()
                axes.set(xticks=[], yticks=[], xlabel="", ylabel="", title="")
                axes.spines[:].set_color(FRAME)
        if not _is_bounded(field):
            _hold(two.ravel(), two[0])
        if name:
            two[0, 0].set_ylabel(called, fontsize=NORMAL, color=TEXT)
    for axes, time in zip(rows[0, 1:], walks.times, strict=True):
        axes.set_title(f"t = {time:.2g}", fontsize=NORMAL, color=TEXT)
    rows[0, 0].set_title("data \N{RIGHTWARDS ARROW}", fontsize=NORMAL, color=DATA, fontweight="bold")
    rows[1, 0].set_title("samples \N{LEFTWARDS ARROW}", fontsize=NORMAL, color=LEARNED, fontweight="bold")
    return figure


def drift(diffusion: Diffusion, walks: Walks) -> Figure:
    """The mean step back E[z_s | z_t] - z_t of 2-D real data without side information, over the data at that time.

    Arrows are scaled in each panel, which states the length of the longest, and dark where there are data at that time.
    """
    reach = _reach(walks.out.x)
    ticks = np.linspace(-0.9 * reach, 0.9 * reach, 15)
    spacing = ticks[1] - ticks[0]
    points = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    figure = new_figure(WIDTH, 1.95)
    # as wide as the panels of `trajectories`, below whose columns they stand
    row = figure.subplots(1, len(walks.times) + 1, squeeze=False)[0]
    row[0].set_axis_off()
    z_s, z_t = "z\N{LATIN SUBSCRIPT SMALL LETTER S}", "z\N{LATIN SUBSCRIPT SMALL LETTER T}"
    label = f"mean step back\nE[ {z_s} | {z_t} ] \N{MINUS SIGN} {z_t}"
    row[0].text(0.96, 0.5, label, ha="right", va="center", fontsize=NORMAL, color=LEARNED)
    clouds = np.moveaxis(np.asarray(walks.out.zs), 1, 0)
    for axes, t, s, cloud in zip(row[1:], walks.times, walks.earlier, clouds, strict=True):
        before = None if np.isnan(s) else jnp.asarray(s)
        arrows = np.asarray(_mean_step(diffusion, jnp.asarray(points, cloud.dtype), jnp.asarray(t), before))
        near = np.array([np.min(np.sum((cloud - point) ** 2, axis=1)) for point in points]) < spacing**2
        length = np.maximum(np.sqrt(np.sum(arrows**2, axis=1)), 1e-30)
        longest = float(length[near].max()) if near.any() else float(length.max())
        # far from the data the network was never trained; a long guess there must not dwarf the rest
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
    history: Sequence[Measured],
    truth_nats: float | None = None,
    unit: Unit = "bits",
    losses: Sequence[tuple[int, float]] = (),
) -> Figure:
    """K after so many updates, with a band of two standard errors, beside the truth where it is known.

    `losses` are updates and the loss of training in nats there, drawn with the sign of K. Early values far below the rest
    are cut off; what is not finite, or could not be drawn, is left out.
    """
    history = [one for one in history if abs(one.bound_nats) < 1e30]
    figure = new_figure(6.5, 3.2)
    axes = figure.add_subplot()
    if not history:
        axes.text(0.5, 0.5, "no K is finite", ha="center", color=TEXT)
        return figure
    steps = [one.update for one in history]
    values = np.array([one.bound_nats for one in history]) / _nats(unit)
    errors = np.nan_to_num([one.standard_error_nats for one in history], posinf=0.0).clip(0, 1e30) / _nats(unit)
    low, high = values - 2 * errors, values + 2 * errors
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
    if losses:
        updates, lost = np.array(losses).T
        axes.plot(updates, -lost / _nats(unit), color=LEARNED, linewidth=0.9, alpha=0.7, zorder=0, label="training, minus the loss")
        axes.plot([], [], color=DATA, marker="o", markersize=3, label="validation, K")
        axes.legend(fontsize=SMALL, frameon=False, labelcolor=TEXT, loc="lower right")
        top = max(top, float(np.quantile(-lost / _nats(unit), 0.98)))
    reach = (top - bottom) or 1.0
    axes.set_xlim(0, 1.02 * max(*steps, 1))
    axes.set_ylim(bottom - 0.05 * reach, top + 0.12 * reach)
    axes.set_xlabel("updates", fontsize=NORMAL, color=TEXT)
    axes.set_ylabel(f"K (T = {history[-1].trajectory_steps}), {unit} per event", fontsize=NORMAL, color=TEXT)
    quiet(axes)
    return figure


def ledger_per_step(ledger: Ledger, unit: Unit = "bits") -> Figure:
    """The terms of -K: on the left the three that make it up, on the right every step's over time, both per event.

    A step's term stands at the time t that it starts from; the band is two standard errors wide on each side.
    """
    figure = new_figure(8.0, 3.2)
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
    quiet(left)
    quiet(right)
    return figure


def _split(axes: Axes, parts: Sequence[tuple[str, Estimate, str]]) -> None:
    """Bars one below the other, each with its value."""
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
        back = diffusion.decode(params, z, t) if s is None else diffusion.reverse(params, z, s, t)
        assert isinstance(back, AbstractWithMean)
        return back.mean() - z

    return jax.vmap(move)(points)


def _draw(source: AbstractSource, xs: State, part: str, axes: Axes, colour: str) -> None:
    """One part of events as the source draws it, in our colour."""
    axes.set_prop_cycle(color=[colour])
    draw_part(source, xs, part, axes)
    for patch in axes.patches:
        patch.set_facecolor(colour)
    for image in axes.images:
        if image.get_cmap().name == "gray_r":
            red, green, blue, alpha = image.get_cmap().get_bad().tolist()
            ink = LinearSegmentedColormap.from_list("ink", ["white", colour])
            image.set_cmap(ink.with_extremes(bad=(red, green, blue, alpha)))
    for points in axes.collections:
        if isinstance(points, PathCollection):
            points.set_sizes([min(4.0, 2000.0 / count_of(xs))])


def _hold(panels: Iterable[Axes], shown: Sequence[Axes]) -> None:
    """One scale for all panels, on which everything lies that is drawn in `shown`, but for what is far from the rest of it.

    It is read off what was drawn: only the source knows in which units it draws.
    """
    images = [np.ma.compressed(np.ma.masked_invalid(np.asarray(image.get_array()))) for axes in shown for image in axes.images]
    points = [each for axes in shown for each in axes.collections if isinstance(each, PathCollection)]
    clouds = np.concatenate([np.asarray(each.get_offsets()) for each in points]) if points else None
    bars = [edge for axes in shown for bar in axes.patches if isinstance(bar, Rectangle) for edge in bar.get_corners()[:, 0]]
    for axes in panels:
        for image in axes.images:
            image.set_clim(*_range(np.concatenate(images), 0.0))
        if clouds is not None:
            axes.set_xlim(*_range(clouds[:, 0]))
            axes.set_ylim(*_range(clouds[:, 1]))
        elif bars:
            axes.set_xlim(*_range(np.array(bars)))


def _is_bounded(field: AbstractField) -> bool:
    """Whether its lowest and highest value are known, so that greys have a scale without samples."""
    return field.is_discrete or getattr(field, "low", None) is not None


def _range(values: np.ndarray, room: float = 0.05) -> tuple[float, float]:
    """From the lowest to the highest, but not farther from nearly all of them than these are wide."""
    near, far = (float(end) for end in np.quantile(values, [0.005, 0.995]))
    width = far - near
    low, high = max(float(values.min()), near - width), min(float(values.max()), far + width)
    room = room * (high - low) or 0.5 * (low == high)
    return low - room, high + room


def _reach(xs: np.ndarray) -> float:
    """How far to look in model units: unit noise, and all but the farthest data."""
    return max(3.0, 1.1 * float(np.quantile(np.abs(xs), 0.995)))


def _nats(unit: Unit) -> float:
    return Estimate(0.0, 1.0, unit).to("nats").standard_error
