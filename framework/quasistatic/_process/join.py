"""One kernel for events of several parts, from one for each."""

from collections.abc import Mapping

from quasistatic._process.fields import Fields
from quasistatic._process.gated import gated_kernel
from quasistatic._process.kernel import AbstractBridged, AbstractKernel
from quasistatic._process.product import AbstractJoinedKernel, BridgedProductKernel, ProductKernel


def join_kernels(parts: Mapping[str, AbstractKernel], event: Fields | None = None) -> AbstractJoinedKernel:
    """The kernel of an event with these parts; it is bridged where all of them are.

    With an `event` that has gates numbers are noised first and all else after them. Raises ValueError where a kernel does not fit
    that.
    """
    named = dict(parts)
    if event is not None and event.gates:
        return gated_kernel(named, event)
    if all(isinstance(kernel, AbstractBridged) for kernel in named.values()):
        return BridgedProductKernel(named)
    return ProductKernel(named)
