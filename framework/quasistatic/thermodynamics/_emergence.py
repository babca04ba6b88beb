"""When order appears: information about the event at every noise level, its susceptibility, its classes, and when it is memory.

For Gaussian noise on real numbers. The coordinate is the log signal-to-noise ratio ln u, in which kernels and schedules compare.
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
from quasistatic._process.arithmetic import check_arithmetic
from quasistatic._process.blocks import in_blocks
from quasistatic._process.diffusion import Diffusion
from quasistatic._process.distribution import Key, State, Time
from quasistatic._process.gaussian import AbstractGaussianPath, Levels
from quasistatic._process.kernel import AbstractKernel
from quasistatic._process.sampler import AbstractSampler, Ancestral, Info
from quasistatic._process.tree import count_of
from quasistatic.thermodynamics._per_event import PerEvent

CELLS = 2**22  # distances at a time
SAME = 1e-3  # of ln u: elements whose noise is the same


def log_snr(kernel: AbstractKernel, times: np.ndarray | jax.Array) -> np.ndarray:
    """ln u at times (M,), where z_t = a x + d eps and u = a^2 / d^2.

    Raises TypeError for another than Gaussian noise, and where u is not the same for all elements.
    """
    found = np.asarray(_log_snrs(kernel, jnp.asarray(times, jnp.result_type(float))), np.float64).reshape(len(times), -1)
    with np.errstate(invalid="ignore"):  # without noise all are infinite
        apart = np.abs(found - found[:, :1]).max(initial=0.0)
    if apart > SAME:
        raise TypeError(f"expected the same noise in all elements, of {type(kernel).__name__} their ln u are {apart:.3g} apart")
    return found[:, 0]


def log_levels(kernel: AbstractKernel, t: Time) -> Levels:
    """ln a and ln d^2 of z_t = a x + d eps, scalars or (*event). Raises TypeError for another than such noise, in each element."""
    if not isinstance(kernel, AbstractGaussianPath):
        raise TypeError(f"expected Gaussian noise, a kernel that is an AbstractGaussianPath, got {type(kernel).__name__}")
    if kernel.basis is not None:
        raise TypeError(f"expected noise that is independent in each element, {type(kernel).__name__} has a basis")
    return kernel.levels(t)


@eqx.filter_jit
def _log_snrs(kernel: AbstractKernel, times: jax.Array) -> jax.Array:
    return jax.vmap(lambda t: _log_snr(kernel, t))(times)


def _log_snr(kernel: AbstractKernel, t: Time) -> jax.Array:
    log_a, log_noise = log_levels(kernel, t)
    return 2.0 * log_a - log_noise


def denoised(diffusion: Diffusion, z: State, t: Time) -> jax.Array:
    """The model's E[x given z_t = z]. Raises TypeError where its distribution of data has no mean."""
    return diffusion.mean(z, t)


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
    return 0.5 * jnp.sum(jnp.exp(_log_snr(given.kernel, t)) * (x - denoised(given, z, t)) ** 2)


def susceptibility(diffusion: Diffusion, xs: State, *, key: Key, times: np.ndarray, side: State | None = None) -> Profile:
    """chi = u^2 E tr Cov(x given z)^2: how strongly the event answers to a small field, -u^2 of the slope of the error in u.

    The covariance is the denoiser's Jacobian (Tweedie), met by one random sign vector for each event. A peak is a transition.
    """
    return _profile(_answer, diffusion, xs, key, times, side)


def _answer(given: Diffusion, x: State, t: Time, key: Key) -> jax.Array:
    """u^2 |Cov(x given z) v|^2 of one event, for a random sign vector v."""
    key_z, key_probe = jr.split(key)
    z = given.kernel.marginal(x, t).sample(key_z)
    _, pushed = jax.jvp(lambda z: denoised(given, z, t), (z,), (jr.rademacher(key_probe, z.shape, z.dtype),))
    # Cov = (d^2 / a) J, so u Cov = a J
    return jnp.sum((jnp.exp(log_levels(given.kernel, t)[0]) * pushed) ** 2)


@eqx.filter_jit
def _values(
    at: Callable[..., jax.Array],
    diffusion: Diffusion,
    xs: State,
    side: State | None,
    times: jax.Array,
    key: Key,
    numbers: jax.Array,
) -> jax.Array:
    def one(x: State, side_one: State | None, number: jax.Array) -> jax.Array:
        given, keys = diffusion.given(side_one), jr.split(jr.fold_in(key, number), len(times))
        return jax.lax.map(lambda point: at(given, x, *point), (times, keys))

    return jax.vmap(one)(xs, side, numbers)


def per_level(
    at: Callable[..., jax.Array], diffusion: Diffusion, xs: State, key: Key, times: np.ndarray, side: State | None
) -> np.ndarray:
    """at(diffusion, x, t, key) of each event and time, (N, M, ...)."""
    check_arithmetic()
    levels = jnp.asarray(times, jnp.result_type(float))

    def measure(block: State, side_block: State | None, numbers: jax.Array) -> jax.Array:
        return _values(at, diffusion, block, side_block, levels, key, numbers)

    return in_blocks("levels of noise", measure, diffusion, xs, side)


def _profile(
    at: Callable[..., jax.Array], diffusion: Diffusion, xs: State, key: Key, times: np.ndarray, side: State | None
) -> Profile:
    levels = log_snr(diffusion.kernel, times)
    return Profile(per_level(at, diffusion, xs, key, times, side), np.asarray(times, np.float64), levels)


def integrated(log_snr: np.ndarray, rate: np.ndarray) -> np.ndarray:
    """The information (M,) at each level above that at the last, in nats, from its rate (M,) per e-fold; log_snr (M,) falls."""
    steps = 0.5 * (rate[1:] + rate[:-1]) * -np.diff(log_snr)
    return np.append(np.cumsum(steps[::-1])[::-1], 0.0)


# classes


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


# memory


def memory(points: np.ndarray, log_snr: np.ndarray, *, key: Key, draws: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """What a model that has memorised the training events (n, ...) knows at levels ln u (M,): information and error, (M,) each.

    The information about which of them it was, in nats, ends at ln n; the error is E|x - E[x given z]|^2. A network whose error
    on training events follows this one, and on test events does not, has collapsed onto them (Biroli et al. 2024).
    """
    flat = jnp.asarray(np.reshape(points, (len(points), -1)), jnp.result_type(float))
    width = max(1, CELLS // (len(flat) * flat.shape[1]))
    found = []
    for number, level in enumerate(np.asarray(log_snr)):
        key_which, key_noise = jr.split(jr.fold_in(key, number))
        which = jr.randint(key_which, (draws,), 0, len(flat))
        noise = jr.normal(key_noise, (draws, flat.shape[1]), flat.dtype)
        parts = [
            np.asarray(_known(flat, which[start : start + width], noise[start : start + width], jnp.asarray(level)))
            for start in range(0, draws, width)
        ]
        found.append(np.concatenate(parts, axis=1).mean(axis=1))
    information, errors = np.array(found).T
    return math.log(len(flat)) - information, errors


@jax.jit
def _known(points: jax.Array, which: jax.Array, noise: jax.Array, level: jax.Array) -> jax.Array:
    """Entropy of which point it was, and squared error of the mean point, (2, draws)."""
    deviation = jnp.exp(-0.5 * level)

    def one(index: jax.Array, eps: jax.Array) -> jax.Array:
        y = points[index] + deviation * eps
        log_share = jax.nn.log_softmax(-0.5 * jnp.sum(((y - points) / deviation) ** 2, axis=1))
        share = jnp.exp(log_share)
        return jnp.stack([-jnp.sum(share * log_share), jnp.sum((points[index] - share @ points) ** 2)])

    return jax.vmap(one, out_axes=1)(which, noise)
