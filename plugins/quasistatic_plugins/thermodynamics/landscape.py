"""The energy landscape of a run: whether its field has an energy, that energy, and modes that merge as noise rises."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic.thermodynamics.landscape import MergeTree, asymmetry, denoiser_of, flow_log_prob, merge_tree
from quasistatic.thermodynamics.order import log_snr
from quasistatic_plugins.thermodynamics.drawing import dendrogram
from quasistatic_plugins.thermodynamics.lines import Line, mean_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

look = qs.pictures

LADDER = 1.08  # from one level of noise to the next
WIDEST = 3.0  # deviation of the noise in model units, where data have one
TURNING = 0.1  # asymmetry of the learned field, above which it has no energy
LEVELS = 5  # times at which the field is looked at
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 3.0)  # of a deviation
SIDE = 48  # points of a picture's grid along one axis
REACH = 2.5  # of that grid, in model units


@attrs.frozen(eq=False)
class Landscape:
    """Modes tracked through `sigmas` (M,); of events in the plane the energy in nats on a grid (SIDE, SIDE), at the first time."""

    lines: tuple[Line, ...]
    sigmas: np.ndarray
    tree: MergeTree
    energy: np.ndarray | None


def survey(run: qs.Run, *, events: int = 64, smallest: float = 0.3, seed: int = 0) -> Landscape:
    """Look at a run from `events` test events, and track modes from noise of the deviation `smallest`, in model units, on.

    Raises InputError where noise is not Gaussian, or where side information differs between events.
    """
    data = run.source.split("test", events)
    if not jax.tree.all(jax.tree.map(lambda leaf: bool((leaf == leaf[:1]).all()), data.side)):
        raise qs.InputError(
            "landscape: expected events with the same side information: every value of it has a landscape of its own"
        )
    diffusion = run.diffusion.given(jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), data.side))
    times = np.asarray(diffusion.times(), np.float64)
    try:
        widest = float(np.exp(-0.5 * log_snr(diffusion.kernel, times[-1:])[0]))
    except TypeError as error:
        raise qs.InputError(f"landscape: {error}") from None
    key_field, key_flow = jr.split(jr.key(seed))
    levels = math.log(min(WIDEST, widest) / smallest) / math.log(LADDER)
    sigmas = smallest * LADDER ** np.arange(max(2, math.ceil(levels)))
    tree = merge_tree(denoiser_of(diffusion), np.reshape(data.x, (len(data), -1)), sigmas)
    lines = (
        *_field(diffusion, data, times, key_field),
        *_energy(run, diffusion, data, float(times[0]), key_flow),
        *_merges(tree, len(data), smallest),
    )
    return Landscape(lines, sigmas, tree, _plane(diffusion, float(times[0]), key_flow))


def _field(diffusion: qs.Diffusion, data: qs.Data, times: np.ndarray, key: jax.Array) -> Iterator[Line]:
    """At a few times, how far the learned field is from the gradient of an energy."""
    for number in np.unique(np.linspace(0, len(times) - 1, LEVELS).round().astype(int)):
        key_noise, key_probe = jr.split(jr.fold_in(key, int(number)))
        t = jnp.asarray(times[number], jnp.result_type(float))
        noisy = jax.vmap(lambda x, key, t=t: diffusion.kernel.marginal(x, t).sample(key))
        zs = noisy(jnp.asarray(data.x), jr.split(key_noise, len(data)))  # type: ignore[no-untyped-call]  # a lambda
        value = float(asymmetry(diffusion, zs, t, key=key_probe))
        label = f"asymmetry of the field at t = {times[number]:.2f}{', no energy' if value > TURNING else ''}"
        yield Line(f"asymmetry_{number}", label, value, math.nan, "", "field", f"{len(data)} test events")


def _energy(run: qs.Run, diffusion: qs.Diffusion, data: qs.Data, time: float, key: jax.Array) -> Iterator[Line]:
    """log p of slightly noisy events under the flow."""
    if not isinstance(diffusion.kernel, qs.AbstractFlowing):
        return
    key_noise, key_probe = jr.split(key)
    keys, t = jr.split(key_noise, len(data)), jnp.asarray(time, jnp.result_type(float))
    zs = jax.vmap(lambda x, key: diffusion.kernel.marginal(x, t).sample(key))(jnp.asarray(data.x), keys)
    found = flow_log_prob(diffusion, zs, key=key_probe, time=time)
    label = f"log p at t = {time:.2g}, by the probability flow"
    yield mean_line(run.source.event, "flow_log_prob", label, found, f"{len(found)} test events")


def _merges(tree: MergeTree, count: int, smallest: float) -> Iterator[Line]:
    ascents = f"ascents from {count} test events"
    yield Line("modes", f"modes in noise of deviation {smallest:g}", float(len(tree.modes)), math.nan, "", "data set", ascents)
    for number, (sigma, first, second) in enumerate(tree.merges):
        yield Line(f"merge_{number}", f"modes {first} and {second} merge at deviation", sigma, math.nan, "", "data set", ascents)


def _plane(diffusion: qs.Diffusion, time: float, key: jax.Array) -> np.ndarray | None:
    """-log p on a grid over the plane, by the flow; None for other events."""
    if diffusion.kernel.event.size != 2 or not isinstance(diffusion.kernel, qs.AbstractFlowing):
        return None
    axis = np.linspace(-REACH, REACH, SIDE)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    found = flow_log_prob(diffusion, jnp.asarray(points, jnp.result_type(float)), key=key, time=time)
    return -found.reshape(SIDE, SIDE)


def panels(found: Landscape, unit: str) -> Figure:
    """The merge tree, and for events in the plane the energy with the modes in it."""
    scale = math.log(2.0) if unit == "bits" else 1.0
    figure = look.new_figure(look.WIDTH if found.energy is not None else 0.5 * look.WIDTH, 4.2)
    panels = figure.subplots(1, 1 if found.energy is None else 2, squeeze=False)[0]
    _dendrogram(panels[-1], found)
    if found.energy is not None:
        axis = np.linspace(-REACH, REACH, SIDE)
        above = (found.energy - found.energy.min()) / scale
        image = panels[0].contourf(axis, axis, above, levels=np.linspace(0.0, 16.0, 17), cmap="Blues_r", extend="max")
        bar = figure.colorbar(image, ax=panels[0], shrink=0.8)
        bar.set_label(f"energy above the lowest, {unit}", fontsize=look.NORMAL, color=look.TEXT)
        bar.ax.tick_params(labelsize=look.SMALL, labelcolor=look.TEXT)
        panels[0].scatter(*found.tree.modes.T, s=16, color=look.LEARNED, zorder=3)
        panels[0].set(aspect="equal", xlim=(-REACH, REACH), ylim=(-REACH, REACH))
        panels[0].set_title("energy, and modes in little noise", fontsize=look.NORMAL, color=look.TEXT)
        look.quiet(panels[0])
    return figure


def _dendrogram(axes: Axes, found: Landscape) -> None:
    """The height of a merge is the deviation of the noise."""
    tree = found.tree
    order = dendrogram(axes, tree.merges, len(tree.modes), float(found.sigmas[0]), float(found.sigmas[-1]))
    axes.set_yscale("log")
    ticks = [tick for tick in TICKS if found.sigmas[0] <= tick <= found.sigmas[-1]]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set(xticks=range(len(order)), xticklabels=[f"{tree.weights[number]:.0%}" for number in order])
    axes.set_xlabel("modes, with the share of events below them", fontsize=look.NORMAL, color=look.TEXT)
    axes.set_ylabel("deviation of the noise, model units", fontsize=look.NORMAL, color=look.TEXT)
    axes.set_title("modes merge as noise rises", fontsize=look.NORMAL, color=look.TEXT)
    look.quiet(axes)
