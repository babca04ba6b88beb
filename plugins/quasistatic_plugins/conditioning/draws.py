"""Draws from p(x) r(x) / Z for many events, and what is known of them."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic.kits import pictures
from quasistatic_plugins.conditioning import PaperOptions, ParticlesOptions
from quasistatic_plugins.conditioning.how import How
from quasistatic_plugins.conditioning.paper import Paper
from quasistatic_plugins.conditioning.particles import Particles

FEW = 3  # particles
IN_UNITS = " in the units of the data"
LABELS = {
    "rms_error_of_the_mean_draw_hidden_elements": ("rms error of the mean draw, hidden elements", IN_UNITS),
    "rms_error_of_the_mean_draw_all_elements": ("rms error of the mean draw, all elements", IN_UNITS),
    "rms_error_of_what_was_seen": ("rms error of what was seen", IN_UNITS),
    "log_evidence_nats_per_event": ("log evidence, in model units", " nats per event"),
    "log_evidence_is_low_by": ("  it is low by, at least and on average", " nats per event"),
    "least_effective_share_of_particles": ("least effective share of particles", ""),
}
SIDES = {"left": "::,:w/2", "right": "::,w/2:", "top": ":h/2,::", "bottom": "h/2:,::", "center": "h/4:3h/4,w/4:3w/4"}


@attrs.frozen(eq=False)
class Draws:
    """Draws (N, draws, *event) in model units, of events `x` (N, *event) that are known, or None, seen as `seen`.

    `log_evidence` (N,) is log Z in nats, where the method knows it, and `least_ess` (N,) the smallest effective sample size on the
    way and at the end, as a share of the `particles`. Where this is less than FEW particles log Z is not known, but too low: not a
    number.
    """

    draws: np.ndarray
    x: np.ndarray | None = None
    seen: np.ndarray | None = None
    log_evidence: np.ndarray | None = None
    least_ess: np.ndarray | None = None
    particles: int | None = None

    @property
    def few(self) -> int:
        """Of how many events too few particles carried all the weight."""
        return 0 if self.log_evidence is None else int(np.isnan(self.log_evidence).sum())

    @property
    def bias(self) -> float | None:
        """By how much log Z is too low on average, in nats: half the variance of the mean weight where it is largest.

        The logarithm of an unbiased mean of P weights is low by (1 / share - 1) / 2P, for an effective share of them.
        """
        if self.least_ess is None or self.particles is None:
            return None
        return float(np.mean(1.0 / self.least_ess - 1.0)) / (2.0 * self.particles)

    def arrays(self, source: qs.AbstractSource) -> dict[str, np.ndarray]:
        """All of it in the units of the data."""
        count, many, *shape = self.draws.shape
        flat = qs.sources.to_user(source, self.draws.reshape(count * many, *shape))
        found: dict[str, Any] = {"draws": np.asarray(flat).reshape(count, many, *shape)}
        found |= {name: qs.sources.to_user(source, each) for name, each in (("x", self.x), ("seen", self.seen)) if each is not None}
        known = {"log_evidence_nats": self.log_evidence, "least_effective_share": self.least_ess}
        return found | {name: each for name, each in known.items() if each is not None}

    def values(self, source: qs.AbstractSource, where: str, hidden: np.ndarray | None) -> dict[str, float | None]:
        """The root mean square error at the elements in question, of the draws' mean and of what was seen there; log Z.

        Standard errors over the events stand beside them, None of a single one.
        """
        found = self.arrays(source)
        values: dict[str, float | None] = {}
        if self.x is not None:
            chosen = np.ones(self.x.shape[1:], bool) if hidden is None else hidden
            away = (found["draws"].mean(axis=1) - found["x"])[:, chosen]
            values |= _rms(f"rms_error_of_the_mean_draw_{where}_elements", away)
            if hidden is None:
                values |= _rms("rms_error_of_what_was_seen", (found["seen"] - found["x"])[:, chosen])
        known = None if self.log_evidence is None or self.few else self.log_evidence
        values |= _mean("log_evidence_nats_per_event", known)
        values["log_evidence_is_low_by"] = None if known is None else self.bias
        values["least_effective_share_of_particles"] = None if self.least_ess is None else float(self.least_ess.min())
        return values


def _mean(name: str, values: np.ndarray | None) -> dict[str, float | None]:
    """The mean of values (N,) and its standard error."""
    if values is None:
        return {name: None, f"{name}_standard_error": None}
    error = float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else None
    return {name: float(values.mean()), f"{name}_standard_error": error}


def _rms(name: str, away: np.ndarray) -> dict[str, float | None]:
    """The root of the mean square of errors (N, elements), and its standard error, by that of the square."""
    square, error = _mean(name, np.mean(away**2, axis=1)).values()
    root = math.sqrt(square or 0.0)
    return {name: root, f"{name}_standard_error": None if error is None or root == 0.0 else 0.5 * error / root}


def inpainted(run: qs.Run, events: qs.Data, hidden: np.ndarray, how: How) -> Draws:
    """Events (N, *event) with their hidden elements drawn anew."""
    xs, event = events.x, run.diffusion.kernel.event
    known = qs.sources.Limits.known(event, xs, np.broadcast_to(~hidden, xs.shape))
    found = _drawn(run, known.potential(event), events.side, len(xs), how)
    return attrs.evolve(found, x=xs, seen=np.where(hidden, np.nan, xs))


def denoised(run: qs.Run, events: qs.Data, noise: float, noisy: bool, how: How) -> Draws:
    """What events (N, *event) were before noise, which is added here unless they are `noisy`.

    Raises InputError for data that are neither numbers nor bits.
    """
    event, xs, key = run.source.event, events.x, jr.fold_in(jr.key(how.seed), 1)
    if isinstance(event, qs.Binary):
        flips = jr.bernoulli(key, jnp.float32(noise), xs.shape)
        seen = xs if noisy else np.asarray(jnp.where(flips, 1.0 - xs, xs))
        potential: qs.AbstractPotential = qs.Flipped(jnp.asarray(seen), jnp.full(len(xs), noise))
    elif isinstance(event, qs.Real | qs.Levels):
        deviation = jnp.broadcast_to(noise / jnp.asarray(_scale(run.source)), xs.shape[1:])
        seen = xs if noisy else np.asarray(xs + deviation * jr.normal(key, xs.shape, jnp.float32))
        potential = qs.Observed(jnp.asarray(seen), jnp.broadcast_to(deviation**2, xs.shape))
    else:
        raise qs.InputError(f"denoise takes numbers or bits, the events of this run are {event.describe()}")
    found = _drawn(run, potential, events.side, len(xs), how)
    return attrs.evolve(found, x=None if noisy else xs, seen=seen)


def under(run: qs.Run, potential: qs.AbstractPotential, number: int, how: How) -> Draws:
    """`number` draws with one potential, each from a system of its own; side information is that of test events."""
    stack = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (number, *jnp.shape(leaf))), potential)
    side = None if run.source.side is None else run.source.split("test", number).side
    return _drawn(run, stack, side, number, how)


def _drawn(run: qs.Run, potentials: qs.AbstractPotential, side: Any, count: int, how: How) -> Draws:
    """Draws for a stack of potentials with their side information. Raises InputError where the run's kernel cannot take them."""
    key, diffusion = jr.fold_in(jr.key(how.seed), 2), run.diffusion
    try:
        if how.method != "exact":
            repeated, sides = jax.tree.map(lambda leaf: jnp.repeat(leaf, how.draws, axis=0), (potentials, side))
            sampler = qs.Ancestral() if how.method == "bridged" else Paper(PaperOptions(how.method == "paper-ramp"))
            walk: dict[str, Any] = {"steps": how.steps, "side": sides, "potential": repeated}
            xs = qs.sample(diffusion, count * how.draws, key=key, sampler=sampler, **walk)
            return Draws(xs.reshape(count, how.draws, *xs.shape[1:]))
        return _exact(diffusion, potentials, side, count, how, key)
    except TypeError as error:
        raise qs.InputError(f"{how.folder}: {error}") from error


def _exact(diffusion: qs.Diffusion, potentials: qs.AbstractPotential, sides: Any, count: int, how: How, key: jax.Array) -> Draws:
    sampler = Particles(ParticlesOptions(how.particles))
    draws, evidence, ess = [], [], []
    for number in range(count):
        # side information is repeated as needed, as `qs.sample` does
        potential, side = (
            jax.tree.map(lambda leaf, number=number: jnp.asarray(leaf[number % len(leaf)]), stack) for stack in (potentials, sides)
        )
        x, log_evidence, least = _one(sampler, diffusion, potential, side, jr.fold_in(key, number), how.steps, how.draws)
        draws.append(np.asarray(x))
        evidence.append(float(log_evidence))
        ess.append(float(least))
    least_ess = np.array(ess)
    known = np.where(least_ess * how.particles < FEW, np.nan, evidence)
    return Draws(np.stack(draws), log_evidence=known, least_ess=least_ess, particles=how.particles)


@eqx.filter_jit
def _one(
    sampler: Particles,
    diffusion: qs.Diffusion,
    potential: qs.AbstractPotential,
    side: Any,
    key: jax.Array,
    steps: int | None,
    draws: int,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Draws of one system, log Z, and the smallest effective sample size."""
    key_walk, key_choice = jr.split(key)
    wanted = diffusion.given(side).tilted(potential)
    found, share = qs.trajectory.posterior(sampler, wanted, wanted.times(steps), key=key_walk)
    return found.x[qs.trajectory.systematic(found.log_weights, draws, key=key_choice)], found.log_evidence, share


def _scale(source: qs.AbstractSource) -> Any:
    """How large one model unit is in the user's."""
    units = source.units
    return 1.0 if isinstance(units, Mapping) else units.scale


def hidden_elements(text: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Which elements of an event are hidden, as booleans of its shape.

    Raises InputError for what cannot be read, or hides nothing, or everything.
    """
    try:
        share = float(text)
    except ValueError:
        hidden = _picture(Path(text), shape) if Path(text).suffix else _rectangle(SIDES.get(text, text), text, shape)
    else:
        places = shape[:2] if len(shape) == 3 else shape
        chosen = np.random.RandomState(seed % 2**32).random_sample(places) < share
        hidden = np.broadcast_to(chosen.reshape(*places, *[1] * (len(shape) - len(places))), shape)
    if hidden.all() or not hidden.any():
        raise qs.InputError(f"--hide {text}: hides {'all' if hidden.all() else 'none'} of the elements of an event of {shape}")
    return hidden


def _rectangle(text: str, given: str, shape: tuple[int, ...]) -> np.ndarray:
    """'2:6,0:8': rows and columns from, and up to but without; w and h stand for width and height. Rows alone for a vector."""
    height, width = (shape[0], shape[1]) if len(shape) > 1 else (1, shape[0] if shape else 1)
    sizes, slices = {"h": height, "w": width}, []
    for part in text.split(","):
        bounds = part.split(":")
        if len(bounds) < 2 or not all(re.fullmatch(r"(\d*[hw]?(/\d+)?)?", bound) for bound in bounds):
            raise qs.InputError(
                f"--hide {given}: expected {', '.join(SIDES)}, rows and columns such as 2:6,0:8, a share such as 0.5, or a picture"
            )
        slices.append(slice(*(_place(bound, sizes) for bound in bounds[:2])))
    if len(shape) < 2:
        slices = slices[-1:]
    hidden = np.zeros(shape, bool)
    hidden[tuple(slices)] = True
    return hidden


def _place(text: str, sizes: Mapping[str, int]) -> int | None:
    if not text:
        return None
    times, size, share = re.fullmatch(r"(\d*)([hw]?)(?:/(\d+))?", text).groups()  # type: ignore[union-attr]
    return int(times or 1) * sizes.get(size, 1) // int(share or 1)


def _picture(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The bright pixels of a picture of the size of an event."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of much that pillow reads well
            (page,) = pictures.decode(qs.files.read_plain(path.expanduser(), follow=True), "first")
    except (OSError, ValueError) as error:
        why = qs.files.reason(error) if isinstance(error, OSError) else error
        raise qs.InputError(f"--hide {path}: cannot be read as a picture: {why}") from error
    height, width = page.levels.shape[:2]
    if (height, width) != shape[:2]:
        wanted = "x".join(map(str, shape[:2]))
        raise qs.InputError(f"--hide {path}: expected a picture of {wanted} pixels, got {height}x{width}")
    grey = pictures.in_view(page.levels[None], is_colour=False)[0]
    bright = grey > np.iinfo(grey.dtype).max // 2
    return np.broadcast_to(bright.reshape(*bright.shape, *[1] * (len(shape) - 2)), shape)
