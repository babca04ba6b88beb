"""When classes part: what noise leaves of the class of an event, for every kernel.

The classes are those of labelled events, and z_t is classified by the kernel's own densities: the posterior of a model that
has memorised these events. No network is evaluated.
"""

from __future__ import annotations

import math

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process.distribution import Key, State, Time
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.tree import count_of
from quasistatic.thermodynamics._emergence import crossing

PARTED = 0.75  # chance of an event's own class against another: midway between none and all


@attrs.frozen(eq=False)
class ClassTimeline:
    """log P(class given z_t) in nats, (N, M, classes), of N events with `labels` (N,) 0, 1, .. at `times` (M,), rising.

    `shares` (classes,) are those of the events that define the classes.
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
