"""Kernels whose reversal leads to data x with p(x) r(x) / Z instead of p(x), for a potential r."""

import math
from typing import Literal, Self

import equinox as eqx

from quasistatic._process.distribution import AbstractDistribution, State, Time
from quasistatic._process.kernel import AbstractBridged, AbstractKernel
from quasistatic._process.potential import AbstractPotential
from quasistatic._process.wrapped import AbstractWrappedKernel

Scheme = Literal["bridged", "paper", "paper-ramp"]


class AbstractTiltedKernel(AbstractWrappedKernel):
    """A kernel and a potential. The forward process is that of the kernel."""

    potential: eqx.AbstractVar[AbstractPotential]

    def decode(self, params: State, z: State, t: Time) -> AbstractDistribution:
        return self.potential.tilt(self.kernel.decode(params, z, t))[0]


class TiltedKernel(AbstractTiltedKernel, AbstractBridged):
    """What the network says the data are is tilted, and a step back is the posterior averaged over that.

    Exact where elements are independent given z_t (up to what the kernel's `bridge` leaves out). Where r joins elements that
    the network tells apart only later, sampling is biased, and a sampler with weights corrects it.
    """

    kernel: AbstractBridged
    potential: AbstractPotential

    def _with(self, kernel: AbstractKernel) -> Self:
        assert isinstance(kernel, AbstractBridged)
        return type(self)(kernel, self.potential)

    def bridge(self, data: AbstractDistribution, z: State, s: Time, t: Time) -> AbstractDistribution:
        return self.kernel.bridge(data, z, s, t)


class PaperTiltedKernel(AbstractTiltedKernel):
    """The scheme of the 2015 paper: every learned step back is multiplied by r(z_s), with r to the power 1, or 1 - s as a ramp.

    It is biased: with N(0, 1) data and unit noise it converges to a mean of 2y/3 and a variance of 1/3, where the posterior
    has y/2 and 1/2, as r counts about twice over a slow process. Kept to compare with (Sohl-Dickstein et al. 2015, eq. 22, 23).
    """

    kernel: AbstractKernel
    potential: AbstractPotential
    ramp: bool = eqx.field(static=True, default=False)

    def _with(self, kernel: AbstractKernel) -> Self:
        return type(self)(kernel, self.potential, self.ramp)

    @property
    def is_stationary(self) -> bool:
        """Where paths back start in the equilibrium times r, steps forward do not leave that as it is."""
        return self.ramp and self.kernel.is_stationary

    @property
    def is_reversible(self) -> bool:
        return self.ramp and self.kernel.is_reversible

    @property
    def max_prior_nats(self) -> float:
        """Without a limit where r has none."""
        return self.kernel.max_prior_nats if self.ramp else math.inf

    def equilibrium(self) -> AbstractDistribution:
        start = self.kernel.equilibrium()
        return start if self.ramp else self.potential.tilt(start)[0]

    def reverse(self, params: State, z: State, s: Time, t: Time) -> AbstractDistribution:
        potential = self.potential.power(1.0 - s) if self.ramp else self.potential
        return potential.tilt(self.kernel.reverse(params, z, s, t))[0]


def tilted(kernel: AbstractKernel, potential: AbstractPotential, scheme: Scheme = "bridged") -> AbstractTiltedKernel:
    """The kernel whose reversal leads to p(x) r(x) / Z.

    Raises TypeError for 'bridged' with a kernel that cannot average its posterior over any data, ValueError for another scheme.
    """
    if scheme == "bridged":
        if not isinstance(kernel, AbstractBridged):
            raise TypeError(f"tilted: 'bridged' needs a kernel that is an AbstractBridged, got a {type(kernel).__name__}")
        return TiltedKernel(kernel, potential)
    if scheme not in ("paper", "paper-ramp"):
        raise ValueError(f"tilted: expected a scheme 'bridged', 'paper' or 'paper-ramp', got {scheme!r}")
    return PaperTiltedKernel(kernel, potential, scheme == "paper-ramp")
