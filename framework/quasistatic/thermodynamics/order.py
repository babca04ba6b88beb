"""When order appears: information about the event at every noise level, its susceptibility, and its classes.

For Gaussian noise on real numbers the coordinate is the log signal-to-noise ratio ln u, in which kernels and schedules compare.
The classes of labelled events are for every kernel: z_t is classified by the kernel's own densities, which is the posterior of
a model that has memorised these events. No network is called.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process import trajectory
from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import Key, State, Time
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.sampler import AbstractSampler, Ancestral, Info
from quasistatic._process.tree import count_of
from quasistatic.thermodynamics._levels import log_levels, log_snr, log_snr_at, per_level
from quasistatic.thermodynamics._per_event import PerEvent

__all__ = [
    "ClassTimeline",
    "Profile",
    "class_information",
    "class_timeline",
    "clone_agreement",
    "crossing",
    "information_rate",
    "integrated",
    "log_snr",
    "peak",
    "speciation_ladder",
    "susceptibility",
    "u_turn",
]

PARTED = 0.75  # chance of an event's own class against another: midway between none and all


@attrs.frozen(eq=False)
class Profile(PerEvent):
    """A quantity of each event at M noise levels, (N, M), in nats; `log_snr` (M,) falls with `times` (M,)."""

    times: np.ndarray
    log_snr: np.ndarray


def information_rate(diffusion: Diffusion, xs: State, *, key: Key, times: np.ndarray, side: State | None = None) -> Profile:
    """dI(X; Z)/d ln u = u E|x - E[x given z]|^2 / 2 in nats per e-fold of u, by events `xs` (N, ...) (Guo, Shamai & Verdu 2005).

    Of a network it is an upper bound. With labels as `side` (N, ...) it is the rate for known classes, and the rate without less
    the rate with them is that of the information about the class. Raises TypeError for another than Gaussian noise.
    """
    return _profile(_rate, diffusion, xs, key, times, side)


def _rate(given: Diffusion, x: State, t: Time, key: Key) -> jax.Array:
    """u |x - E[x given z]|^2 / 2 of one event."""
    z = given.kernel.marginal(x, t).sample(key)
    return 0.5 * jnp.sum(jnp.exp(log_snr_at(given.kernel, t)) * (x - given.mean(z, t)) ** 2)


def susceptibility(diffusion: Diffusion, xs: State, *, key: Key, times: np.ndarray, side: State | None = None) -> Profile:
    """chi = u^2 E tr Cov(x given z)^2: how strongly the event answers to a small field, -u^2 of the slope of the error in u.

    The covariance is the denoiser's Jacobian (Tweedie), met by one random sign vector for each event. A peak is a transition.
    """
    return _profile(_answer, diffusion, xs, key, times, side)


def _answer(given: Diffusion, x: State, t: Time, key: Key) -> jax.Array:
    """u^2 |Cov(x given z) v|^2 of one event, for a random sign vector v."""
    key_z, key_probe = jr.split(key)
    z = given.kernel.marginal(x, t).sample(key_z)
    _, pushed = jax.jvp(lambda z: given.mean(z, t), (z,), (jr.rademacher(key_probe, z.shape, z.dtype),))
    # Cov = (d^2 / a) J, so u Cov = a J
    return jnp.sum((jnp.exp(log_levels(given.kernel, t)[0]) * pushed) ** 2)


def _profile(
    at: Callable[..., jax.Array], diffusion: Diffusion, xs: State, key: Key, times: np.ndarray, side: State | None
) -> Profile:
    levels = log_snr(diffusion.kernel, times)
    return Profile(per_level(at, diffusion, xs, key, times, side), np.asarray(times, np.float64), levels)


def integrated(log_snr: np.ndarray, rate: np.ndarray) -> np.ndarray:
    """The information (M,) at each level above that at the last, in nats, from its rate (M,) per e-fold; log_snr (M,) falls."""
    steps = 0.5 * (rate[1:] + rate[:-1]) * -np.diff(log_snr)
    return np.append(np.cumsum(steps[::-1])[::-1], 0.0)


# classes, from their probabilities


def class_information(posteriors: np.ndarray) -> np.ndarray:
    """I(C; Z) in nats at each level, (M,), from the probabilities (N, M, classes) of the classes given z, for N events of all."""
    shares = posteriors.mean(axis=0)
    return _entropy(shares) - _entropy(posteriors).mean(axis=0)


def _entropy(p: np.ndarray) -> np.ndarray:
    return -(p * np.log(np.maximum(p, 1e-300))).sum(axis=-1)


def clone_agreement(posteriors: np.ndarray) -> np.ndarray:
    """Chance (M,) that two clones, which go back from one z on their own, end in one class, from probabilities (N, M, classes)."""
    return (posteriors**2).sum(axis=-1).mean(axis=0)


class _From(AbstractSampler):
    """Ancestral steps from a state in the place of equilibrium."""

    start: State

    def init(self, diffusion: Diffusion, *, key: Key) -> State:
        return self.start

    def step(self, diffusion: Diffusion, state: State, s: Time, t: Time, *, key: Key) -> tuple[State, Info]:
        return Ancestral().step(diffusion, state, s, t, key=key)

    def finish(self, diffusion: Diffusion, state: State, t: Time, *, key: Key) -> State:
        return Ancestral().finish(diffusion, state, t, key=key)


@eqx.filter_jit
def u_turn(diffusion: Diffusion, xs: State, times: jax.Array, *, key: Key, side: State | None = None, clones: int = 2) -> State:
    """Events xs (N, ...) noised to the last of `times` (T,), and led back through them `clones` times, (N, clones, ...).

    Whether the clones agree tells what the noise at that time leaves of them (Biroli et al. 2024; Sclocchi et al. 2025).
    """

    def one(x: State, side_one: State | None, number: jax.Array) -> State:
        given, (key_out, key_back) = diffusion.given(side_one), jr.split(jr.fold_in(key, number))
        z = given.kernel.marginal(x, times[-1]).sample(key_out)
        keys = jr.split(key_back, clones)
        return jax.vmap(lambda key: trajectory.reverse(_From(z), given, times, key=key, keep=False).x)(keys)

    return jax.vmap(one)(xs, side, jnp.arange(count_of(xs)))


# markers on a curve


def peak(log_snr: np.ndarray, values: np.ndarray) -> float:
    """Where values (M,) on even levels of ln u (M,) are highest, by a parabola through the three points there."""
    top = int(np.clip(np.argmax(values), 1, len(values) - 2))
    before, here, after = values[top - 1 : top + 2]
    bend = before - 2.0 * here + after
    shift = 0.5 * (before - after) / bend if bend else 0.0
    return float(log_snr[top] + np.clip(shift, -1.0, 1.0) * (log_snr[top + 1] - log_snr[top]))


def crossing(log_snr: np.ndarray, values: np.ndarray, level: float) -> float:
    """The ln u at which values (M,) first pass `level`, from the noisiest end on; nan where they do not."""
    order = np.argsort(log_snr)
    at, above = np.asarray(log_snr)[order], np.asarray(values)[order] - level
    (changes,) = np.nonzero(np.signbit(above[:-1]) != np.signbit(above[1:]))
    if len(changes) == 0:
        return math.nan
    first = changes[0]
    share = above[first] / (above[first] - above[first + 1])
    return float(at[first] + share * (at[first + 1] - at[first]))


def speciation_ladder(xs: np.ndarray) -> np.ndarray:
    """ln u (size,), rising, at which the principal components of events (N, ...) come out of the noise: u times variance is 1.

    The first is where classes that differ in their means part (Biroli et al. 2024); to leading order in the size of an event.
    """
    flat = np.reshape(xs, (len(xs), -1))
    return -np.log(np.maximum(np.linalg.eigvalsh(np.cov(flat.T).reshape(flat.shape[1], -1)), 1e-300))[::-1]


# classes of labelled events, for every kernel


@attrs.frozen(eq=False)
class ClassTimeline:
    """log P(class given z_t) in nats, (N, M, classes), of N events with `labels` (N,) 0, 1, .. at `times` (M,), rising.

    `shares` (classes,) are those of the known events.
    """

    times: np.ndarray
    log_posteriors: np.ndarray
    labels: np.ndarray
    shares: np.ndarray

    @property
    def of_own(self) -> np.ndarray:
        """log P(its own class) of each event, (N, M)."""
        return np.take_along_axis(self.log_posteriors, self.labels[:, None, None], axis=2)[..., 0]

    @property
    def information(self) -> np.ndarray:
        """I(C; Z_t) in nats at least, (M,): E log P(own class) / share (Barber & Agakov 2003), which noise can only lower."""
        found = (self.of_own - np.log(self.shares)[self.labels][:, None]).mean(axis=0)
        # a classifier may add noise, so what is known later is known before
        return np.maximum(np.maximum.accumulate(found[::-1])[::-1], 0.0)

    @property
    def by_class(self) -> np.ndarray:
        """Mean P(its own class) of the events of each class, (M, classes); nan for one without events."""
        own = np.exp(self.of_own)
        empty = np.full(len(self.times), math.nan)
        parts = [own[self.labels == k].mean(axis=0) if np.any(self.labels == k) else empty for k in range(len(self.shares))]
        return np.stack(parts, axis=1)

    def parting(self) -> np.ndarray:
        """Times (classes, classes) before which two classes are distinguished with a chance of 3/4; nan where they never are."""
        count = len(self.shares)
        found = np.full((count, count), math.nan)
        for k in range(count):
            for other in range(k):
                rows = np.isin(self.labels, (k, other))
                if rows.any():
                    pair = self.log_posteriors[rows]
                    chance = np.exp(self.of_own[rows] - np.logaddexp(pair[..., k], pair[..., other])).mean(axis=0)
                    found[k, other] = found[other, k] = -crossing(-self.times, chance, PARTED)
        return found

    def merges(self) -> tuple[tuple[float, int, int], ...]:
        """Classes merging as noise rises: triples t, i, j in the order of t; the group of j joins that of i < j.

        The time of two groups is the mean over their pairs of classes (average linkage).
        """
        times = np.nan_to_num(self.parting(), nan=float(self.times[0]))
        groups, found = {k: [k] for k in range(len(self.shares))}, []
        while len(groups) > 1:
            pairs = [(float(times[np.ix_(groups[i], groups[j])].mean()), i, j) for i in groups for j in groups if i < j]
            t, i, j = min(pairs)
            groups[i] += groups.pop(j)
            found.append((t, i, j))
        return tuple(found)


def class_timeline(
    kernel: AbstractKernel, known: State, known_labels: np.ndarray, xs: State, labels: np.ndarray, *, key: Key, times: np.ndarray
) -> ClassTimeline:
    """What noise leaves of the class of events `xs` (N, ...) with `labels` (N,), by events `known` (n, ...) with theirs (n,).

    Labels are 0, 1, .. ; every class has known events. Raises ValueError where one has none.
    """
    counts = np.bincount(known_labels)
    if counts.min() == 0 or (len(labels) and max(labels) >= len(counts)):
        raise ValueError(f"class_timeline: expected known events of every class, got {counts.tolist()}")
    shares, at = np.eye(len(counts))[known_labels], jnp.asarray(times, jnp.result_type(float))
    found = _posteriors(kernel, jax.tree.map(jnp.asarray, known), jnp.asarray(shares, at.dtype), xs, at, key)
    return ClassTimeline(np.asarray(times, np.float64), np.asarray(found, np.float64), np.asarray(labels), counts / counts.sum())


@eqx.filter_jit
def _posteriors(kernel: AbstractKernel, known: State, members: jax.Array, xs: State, times: jax.Array, key: Key) -> jax.Array:
    def one(of: tuple[State, jax.Array]) -> jax.Array:
        x, number = of

        def at(point: tuple[Time, Key]) -> jax.Array:
            t, key_noise = point
            z = kernel.marginal(x, t).sample(key_noise)
            log_q = jax.vmap(lambda event: kernel.marginal(event, t).log_prob(z))(known)
            return jax.nn.log_softmax(jax.nn.logsumexp(log_q[:, None], axis=0, b=members))

        return jax.lax.map(at, (times, jr.split(jr.fold_in(key, number), len(times))))

    return jax.lax.map(one, (xs, jnp.arange(count_of(xs))))
