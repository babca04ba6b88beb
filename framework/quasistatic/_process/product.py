"""Events of several parts: independent parts given the data, one kernel for each, on one time."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._process.distribution import AbstractDistribution, AbstractIntegrable, Key, Scalar, State, Time
from quasistatic._process.fields import Fields
from quasistatic._process.kernel import AbstractBridged, AbstractKernel
from quasistatic._process.tree import count_of, take


class AbstractProduct(AbstractDistribution):
    """A distribution whose events are dicts of parts, independent unless a subclass says else."""

    parts: eqx.AbstractVar[Mapping[str, AbstractDistribution]]

    def with_parts(self, parts: Mapping[str, AbstractDistribution]) -> "AbstractProduct":
        """The same with other distributions of some of its parts."""
        return product({**self.parts, **parts})

    @property
    def is_reparametrised(self) -> bool:
        return all(part.is_reparametrised for part in self.parts.values())

    def _keyed(self, key: Key) -> dict[str, tuple[AbstractDistribution, Key]]:
        return {name: (self.parts[name], one) for name, one in zip(self.parts, jr.split(key, len(self.parts)), strict=True)}

    def sample(self, key: Key) -> State:
        return {name: part.sample(one) for name, (part, one) in self._keyed(key).items()}

    def pair(self, key: Key) -> tuple[State, State]:
        pairs = {name: part.pair(one) for name, (part, one) in self._keyed(key).items()}
        return {name: pair[0] for name, pair in pairs.items()}, {name: pair[1] for name, pair in pairs.items()}

    def log_prob(self, x: State) -> Scalar:
        return _total(self.log_prob_by_part(x).values())

    def log_prob_by_part(self, x: State) -> dict[str, Scalar]:
        return {name: part.log_prob(x[name]) for name, part in self.parts.items()}

    def score(self, x: State) -> Scalar:
        return _total(part.score(x[name]) for name, part in self.parts.items())

    def kl(self, other: AbstractDistribution, *, key: Key) -> Scalar:
        if not isinstance(other, AbstractProduct):
            return super().kl(other, key=key)
        return _total(self.kl_by_part(other, key=key).values())

    def kl_by_part(self, other: AbstractDistribution, *, key: Key) -> dict[str, Scalar]:
        if not isinstance(other, AbstractProduct):
            raise TypeError(f"kl_by_part: expected a product, got a {type(other).__name__}")
        return {name: part.kl(other.parts[name], key=one) for name, (part, one) in self._keyed(key).items()}

    def entropy(self, key: Key) -> Scalar:
        return _total(part.entropy(one) for part, one in self._keyed(key).values())


def _total(terms: Any) -> Scalar:
    return sum(terms, start=jnp.zeros(()))


class Product(AbstractProduct):
    """Independent parts of any kind."""

    parts: dict[str, AbstractDistribution]


class IntegrableProduct(AbstractProduct, AbstractIntegrable):
    """Independent parts, all of which have nodes."""

    parts: dict[str, AbstractIntegrable]

    def nodes(self) -> tuple[State, jax.Array]:
        """Every combination of the parts' nodes."""
        found = {name: part.nodes() for name, part in self.parts.items()}
        counts = [count_of(points) for points, _ in found.values()]
        numbers = np.indices(counts).reshape(len(counts), -1)
        points = {name: take(found[name][0], index) for name, index in zip(found, numbers, strict=True)}
        weights = [found[name][1][index] for name, index in zip(found, numbers, strict=True)]
        return points, jnp.prod(jnp.stack(weights), axis=0)


def product(parts: Mapping[str, AbstractDistribution]) -> AbstractProduct:
    """The joint distribution of independent parts, with nodes where all of them have nodes."""
    named = dict(parts)
    if all(isinstance(part, AbstractIntegrable) for part in named.values()):
        return IntegrableProduct(named)
    return Product(named)


class AbstractJoinedKernel(AbstractKernel):
    """One kernel for each part of an event."""

    parts: eqx.AbstractVar[Mapping[str, AbstractKernel]]

    @property
    def max_prior_nats(self) -> float:
        return max(kernel.max_prior_nats for kernel in self.parts.values())

    @abstractmethod
    def _with(self, parts: Mapping[str, AbstractKernel]) -> Self:
        """The same with other parts."""

    def _each(self, ask: Callable[[str, AbstractKernel], AbstractDistribution]) -> AbstractProduct:
        return product({name: ask(name, kernel) for name, kernel in self.parts.items()})

    def _measuring(self) -> Mapping[str, AbstractKernel]:
        """The kernels that may look at data."""
        return self.parts

    def given(self, side: State) -> Self:
        return self._with({name: kernel.given(side) for name, kernel in self.parts.items()})

    def measure(self, events: Callable[[Literal["train", "validation"]], State]) -> dict[str, np.ndarray]:
        return {
            f"{name}.{key}": array
            for name, kernel in self._measuring().items()
            for key, array in kernel.measure(lambda split, name=name: events(split)[name]).items()
        }

    def measured(self, arrays: Mapping[str, np.ndarray]) -> Self:
        def own(name: str) -> dict[str, np.ndarray]:
            return {key.removeprefix(f"{name}."): array for key, array in arrays.items() if key.startswith(f"{name}.")}

        return self._with({name: kernel.measured(own(name)) for name, kernel in self.parts.items()})

    def equilibrium(self) -> AbstractProduct:
        return self._each(lambda name, kernel: kernel.equilibrium())

    def guided(self, params: State, without: State, weight: Scalar) -> State:
        return {name: kernel.guided(params[name], without[name], weight) for name, kernel in self.parts.items()}

    def zero_params(self) -> State:
        return {name: kernel.zero_params() for name, kernel in self.parts.items()}


def chain_of(kernels: Iterable[AbstractKernel], steps: int) -> np.ndarray:
    """The natural chain (T,) of the kernel that starts last: at its first time every other one has its data well defined too."""
    return max((kernel.times(steps) for kernel in kernels), key=lambda times: times[0])


class AbstractProductKernel(AbstractJoinedKernel):
    """One kernel for each part of an event, each with its own schedule, on one time."""

    @property
    def event(self) -> Fields:
        return Fields({name: kernel.event for name, kernel in self.parts.items()})

    @property
    def is_exact_at_zero(self) -> bool:
        return all(kernel.is_exact_at_zero for kernel in self.parts.values())

    @property
    def is_stationary(self) -> bool:
        return all(kernel.is_stationary for kernel in self.parts.values())

    @property
    def is_reversible(self) -> bool:
        return all(kernel.is_reversible for kernel in self.parts.values())

    def times(self, steps: int) -> np.ndarray:
        return chain_of(self.parts.values(), steps)

    def reference(self) -> AbstractDistribution | None:
        found = {name: kernel.reference() for name, kernel in self.parts.items()}
        known = {name: part for name, part in found.items() if part is not None}
        return product(known) if len(known) == len(found) else None

    def marginal(self, x: State, t: Time) -> AbstractProduct:
        return self._each(lambda name, kernel: kernel.marginal(x[name], t))

    def transition(self, z: State, s: Time, t: Time) -> AbstractProduct:
        return self._each(lambda name, kernel: kernel.transition(z[name], s, t))

    def posterior(self, x: State, z: State, s: Time, t: Time) -> AbstractProduct:
        return self._each(lambda name, kernel: kernel.posterior(x[name], z[name], s, t))

    def decode(self, params: State, z: State, t: Time) -> AbstractProduct:
        return self._each(lambda name, kernel: kernel.decode(params[name], z[name], t))

    def encode(self, z: State, t: Time) -> State:
        return {name: kernel.encode(z[name], t) for name, kernel in self.parts.items()}


class ProductKernel(AbstractProductKernel):
    """Parts of any kind."""

    parts: dict[str, AbstractKernel]

    def _with(self, parts: Mapping[str, AbstractKernel]) -> Self:
        return type(self)(dict(parts))

    def reverse(self, params: State, z: State, s: Time, t: Time) -> AbstractProduct:
        return self._each(lambda name, kernel: kernel.reverse(params[name], z[name], s, t))


class BridgedProductKernel(AbstractProductKernel, AbstractBridged):
    """Parts that all average their posteriors over data."""

    parts: dict[str, AbstractBridged]

    def _with(self, parts: Mapping[str, AbstractKernel]) -> Self:
        return type(self)(dict(parts))

    def bridge(self, data: AbstractDistribution, z: State, s: Time, t: Time) -> AbstractProduct:
        """`data` is a product of the same parts."""
        if not isinstance(data, AbstractProduct):
            raise TypeError(f"ProductKernel.bridge: expected data as a product, got a {type(data).__name__}")
        return product({name: kernel.bridge(data.parts[name], z[name], s, t) for name, kernel in self.parts.items()})
