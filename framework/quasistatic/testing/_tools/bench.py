"""Three small kernels, on which the other components are tried: everything about them is known."""

import dis
from collections.abc import Callable, Mapping
from typing import ClassVar

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from quasistatic._process.distribution import AbstractDistribution, Key, Scalar, State, Time
from quasistatic._process.event import AbstractField, Categorical, Real
from quasistatic._process.finite import FiniteKernel, floored_log
from quasistatic._process.gaussian import AbstractGaussianPath, Levels
from quasistatic._process.kernel import AbstractBridged, AbstractFlowing, AbstractKernel
from quasistatic._process.normal import Normal
from quasistatic._process.product import ProductKernel
from quasistatic._process.schedule import AbstractSchedule
from quasistatic.testing._reading import Reading, faults, not_measured


class _AbstractLinear(FiniteKernel):
    """Symbols of uneven shares, whose survival falls linearly."""

    event: AbstractField = eqx.field(static=True, default=Categorical((2,), 3))
    shares: tuple[float, ...] = eqx.field(static=True, default=(0.2, 0.5, 0.3))
    is_exact_at_zero: bool = eqx.field(static=True, default=True)

    def times(self, steps: int) -> np.ndarray:
        return np.arange(1, steps + 1) / steps


class Redraw(_AbstractLinear):
    """A step redraws symbols from their shares, the equilibrium."""

    def log_matrix(self, s: Time | None, t: Time) -> Float[Array, "before after"]:
        kept = 1.0 - t if s is None else (1.0 - t) / (1.0 - s)
        return floored_log(kept * jnp.eye(len(self.shares)) + (1.0 - kept) * jnp.exp(self.log_equilibrium()))

    def log_equilibrium(self) -> Float[Array, " states"]:
        return jnp.log(jnp.array(self.shares))

    def log_reference(self) -> Float[Array, " data_states"]:
        return self.log_equilibrium()


class Masked(_AbstractLinear):
    """A step masks symbols, by one symbol that data lack, and they stay so."""

    def log_matrix(self, s: Time | None, t: Time) -> Float[Array, "before after"]:
        n = len(self.shares)
        kept = 1.0 - t if s is None else (1.0 - t) / jnp.maximum(1.0 - s, 1e-12)
        symbols = jnp.concatenate([kept * jnp.eye(n), jnp.full((n, 1), 1.0 - kept)], axis=1)
        return floored_log(symbols if s is None else jnp.concatenate([symbols, jnp.eye(n + 1)[n:]]))

    def log_equilibrium(self) -> Float[Array, " states"]:
        return floored_log(jnp.eye(len(self.shares) + 1)[-1])

    def log_reference(self) -> Float[Array, " data_states"]:
        return jnp.log(jnp.array(self.shares))


class OneVariance(AbstractDistribution):
    """Normal elements of one variance; the KL is left to its one-draw default."""

    loc: Float[Array, "*event"]
    variance: Scalar
    is_reparametrised: ClassVar[bool] = True

    def sample(self, key: Key) -> State:
        return self.loc + jnp.sqrt(self.variance) * jr.normal(key, self.loc.shape)

    def log_prob(self, x: State) -> Scalar:
        return -0.5 * jnp.sum((x - self.loc) ** 2 / self.variance + jnp.log(2.0 * jnp.pi * self.variance))


class Fading(AbstractKernel):
    """Numbers that fade into a unit normal; a param is the mean of unit-normal data, so a constant is exact for N(params, 1)."""

    event: AbstractField = eqx.field(static=True, default=Real((2,)))
    is_exact_at_zero: bool = eqx.field(static=True, default=True)

    def times(self, steps: int) -> np.ndarray:
        return np.arange(1, steps + 1) / steps

    def zero_params(self) -> State:
        return jnp.zeros((*self.event.shape, 1))

    def equilibrium(self) -> OneVariance:
        return OneVariance(jnp.zeros(self.event.shape), jnp.ones(()))

    def reference(self) -> OneVariance:
        return self.equilibrium()

    def marginal(self, x: State, t: Time) -> OneVariance:
        return OneVariance(jnp.sqrt(_kept(t)) * x, jnp.asarray(t))

    def transition(self, z: State, s: Time, t: Time) -> OneVariance:
        kept = _kept(t) / _kept(s)
        return OneVariance(jnp.sqrt(kept) * z, 1.0 - kept)

    def posterior(self, x: State, z: State, s: Time, t: Time) -> OneVariance:
        z_weight, x_weight, variance = self._weights(s, t)
        return OneVariance(z_weight * z + x_weight * x, variance)

    def decode(self, params: State, z: State, t: Time) -> OneVariance:
        return OneVariance(jnp.sqrt(_kept(t)) * z + t * params[..., 0], jnp.asarray(t))

    def reverse(self, params: State, z: State, s: Time, t: Time) -> OneVariance:
        z_weight, x_weight, variance = self._weights(s, t)
        return OneVariance(z_weight * z + x_weight * self.decode(params, z, t).loc, variance + x_weight**2 * t)

    def encode(self, z: State, t: Time) -> State:
        return z[..., None]

    def _weights(self, s: Time, t: Time) -> tuple[Scalar, Scalar, Scalar]:
        """Of q(z_s given z_t, x): the weights of z_t and of x, and the variance."""
        kept = _kept(t) / _kept(s)
        return jnp.sqrt(kept) * s / t, jnp.sqrt(_kept(s)) * (1.0 - kept) / t, s * (1.0 - kept) / t


def _kept(t: Time) -> Scalar:
    """Survival; the floor keeps the gradient of its root finite at t = 1."""
    return jnp.maximum(1.0 - t, 1e-12)


SPREAD = 0.5  # variance of the data that zero params of `Straight` reverse
LEFT = 1e-4  # of the signal, at t = 1


@attrs.frozen
class _Line(AbstractSchedule):
    """The log signal-to-noise ratio of a straight path."""

    def log_odds(self, t: jax.Array) -> jax.Array:
        return 2.0 * (jnp.log1p((LEFT - 1.0) * t) - jnp.log(t))


class Straight(AbstractGaussianPath, AbstractBridged, AbstractFlowing):
    """Numbers on a straight path to noise, with all that Gaussian noise may have: levels, a flow, a schedule, `Normal`.

    It is not stationary. A param is the mean of normal data of variance SPREAD, so a constant is exact for such data. Six elements
    and more, so that a fault that begins there is seen.
    """

    event: AbstractField = eqx.field(static=True, default=Real((7,)))
    is_exact_at_zero: bool = eqx.field(static=True, default=True)

    @property
    def is_stationary(self) -> bool:
        return False

    @property
    def schedule(self) -> AbstractSchedule:
        return _Line()

    def levels(self, t: Time) -> Levels:
        return jnp.log1p((LEFT - 1.0) * t), 2.0 * jnp.log(t)

    def times(self, steps: int) -> np.ndarray:
        return np.arange(1, steps + 1) / steps

    def zero_params(self) -> State:
        return jnp.zeros((*self.event.shape, 1))

    def equilibrium(self) -> Normal:
        return Normal(jnp.zeros(self.event.shape), jnp.ones(self.event.shape))

    def reference(self) -> Normal:
        return Normal(jnp.zeros(self.event.shape), jnp.full(self.event.shape, SPREAD))

    def decode(self, params: State, z: State, t: Time) -> Normal:
        log_signal, log_noise = self.levels(t)
        signal, noise = jnp.exp(log_signal), jnp.exp(log_noise)
        variance = SPREAD * noise / (noise + signal**2 * SPREAD)
        return Normal(variance * (signal * z / noise + params[..., 0] / SPREAD), jnp.broadcast_to(variance, z.shape))

    def bridge(self, data: AbstractDistribution, z: State, s: Time, t: Time) -> Normal:
        if not isinstance(data, Normal):
            raise TypeError(f"Straight.bridge: expected data as a Normal, got a {type(data).__name__}")
        step = self.step(s, t)
        return Normal(step.z_weight * z + step.x_weight * data.loc, step.variance + step.x_weight**2 * data.variance)

    def flow(self, params: State, z: State, t: Time) -> State:
        return self.velocity(self.decode(params, z, t).loc, z, t)

    def encode(self, z: State, t: Time) -> State:
        return z[..., None]


def benches() -> dict[str, AbstractKernel]:
    """The three, by name."""
    return {"symbols": Redraw(), "numbers": Fading(), "Gaussian path": Straight()}


def on_those_taken(
    measure: Callable[[str, AbstractKernel], Reading], kernels: Mapping[str, AbstractKernel] | None = None
) -> list[Reading]:
    """Readings on those kernels, by default all benches, that a component takes; not measured where it takes none of them.

    It refuses a kernel by a TypeError that it, or what it calls of quasistatic, raises: a wrong call is no refusal.
    """
    readings: list[Reading] = []
    refusals: list[str] = []
    for name, kernel in (kernels or benches()).items():
        try:
            readings.append(measure(name, kernel))
        except TypeError as error:
            if not is_refusal(error):
                raise
            refusals.append(f"{name} is refused: {error}")
    return readings or [not_measured("; ".join(refusals))]


def tried_on_all(
    tried: Callable[[str, AbstractKernel], Reading], kernels: Mapping[str, AbstractKernel] | None = None
) -> list[Reading]:
    """Which kernels, by default all benches, a component takes: those that it refuses are named, and not all of them may be.

    A kernel that lacks what the component looks for is refused by a TypeError, and not by an AttributeError.
    """

    def refusal_of(name: str, kernel: AbstractKernel) -> Reading:
        try:
            return tried(name, kernel)
        except AttributeError as error:
            advice = "refuse a kernel without it by a TypeError that says what is needed"
            return faults([f"{name}: AttributeError: {error}: {advice}"])

    readings = [on_those_taken(refusal_of, {name: kernel})[0] for name, kernel in (kernels or benches()).items()]
    if any(reading.is_measured for reading in readings):
        return readings
    return [faults([reading.unmeasured for reading in readings], "kernels, all of which are refused")]


def is_refusal(error: TypeError) -> bool:
    """Whether the innermost frame is a `raise` outside of the libraries underneath."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return False
    package = trace.tb_frame.f_globals.get("__name__", "").partition(".")[0]
    is_raised = dis.opname[trace.tb_frame.f_code.co_code[trace.tb_lasti]] == "RAISE_VARARGS"
    return is_raised and package not in ("jax", "equinox", "numpy")


def three_parts() -> dict[str, AbstractKernel]:
    """Kernels for an event of three parts, one of which is a single symbol of two."""
    return {"flag": Redraw(Categorical((), 2), shares=(0.4, 0.6)), "name": Redraw(), "place": Fading()}


def joined() -> ProductKernel:
    """The product of these."""
    return ProductKernel(three_parts())
