"""Events of states and numbers in order: the states decide which numbers exist, and numbers are noised first.

Numbers are noised in the first half of time, states in the second. So wherever a number is uncertain its state is not, a step back
to numbers knows which of them exist, and one that does not exist is 0, has no randomness and no term in K.
"""

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from quasistatic._process.distribution import AbstractDistribution, AbstractElementwiseDistribution, State, Time
from quasistatic._process.fields import Fields
from quasistatic._process.gates import Gated, existing, state_vector, states_of, with_gaps
from quasistatic._process.held import Phases, Point
from quasistatic._process.kernel import AbstractBridged, AbstractKernel
from quasistatic._process.normal import Normal
from quasistatic._process.product import AbstractJoinedKernel, AbstractProduct, chain_of

# the chain whose first time is that of states that are whole
FINE = 1000
# what a number loses in a chain, in states: measured on strongly correlated ones, where a state loses 0.3 / n nats, a number 1 / n
NUMBER = 4.0


class AbstractGivenStates(AbstractBridged):
    """A kernel of numbers some of which need not exist, whose zero params may reverse a distribution of numbers given the states.

    The states of an event are those of all its parts without gates, in the order of the parts, each read as a vector.
    """

    @abstractmethod
    def measure_given_states(
        self, cells: Callable[[Literal["train", "validation"]], tuple[np.ndarray, np.ndarray]], categories: tuple[int, ...]
    ) -> dict[str, np.ndarray]:
        """As `measure`: `cells(split)` gives all numbers (N, *event) of a split, nan where there is none, and all states (N, S),
        each one of so many `categories` (S,).
        """

    @abstractmethod
    def given_states(self, states: Int[Array, " states"], there: Bool[Array, "*event"]) -> Self:
        """The kernel of numbers that exist where `there` holds, of an event with these states; a state below 0 is not known yet."""


class GatedKernel(AbstractJoinedKernel, AbstractBridged):
    """Numbers are noised up to `turn`, states after it; see the module. Made by `join_kernels`, which says what does not fit.

    Before the turn states are those of the data. After it numbers are held as they are, each in its equilibrium or as near as its
    kernel comes to that; one that does not exist is drawn from the equilibrium at the turn, so that nothing there depends on it.
    """

    parts: dict[str, AbstractBridged]
    event: Fields = eqx.field(static=True)

    @property
    def turn(self) -> float:
        """Where numbers are noise; with no states that is the end."""
        return 0.5 if states_of(self.event) else 1.0

    @property
    def _numbers(self) -> dict[str, AbstractBridged]:
        return {name: self.parts[name] for name, _ in self.event.gates}

    @property
    def _states(self) -> dict[str, AbstractBridged]:
        return {name: self.parts[name] for name in states_of(self.event)}

    @property
    def is_exact_at_zero(self) -> bool:
        """Numbers that need not exist have to be in equilibrium, so that their end does not tell whether they do."""
        gaps = with_gaps(self.event)
        return all(kernel.is_exact_at_zero and (name not in gaps or kernel.is_reversible) for name, kernel in self.parts.items())

    @property
    def is_stationary(self) -> bool:
        """States do not move before the turn, nor numbers after it, whatever the gates say."""
        return False

    def _with(self, parts: Mapping[str, AbstractKernel]) -> Self:
        return type(self)(dict(parts), self.event)

    def _measuring(self) -> Mapping[str, AbstractKernel]:
        """Not those of parts with gaps, which would take the zeros there for numbers: see `measure`."""
        gaps = with_gaps(self.event)
        return {name: kernel for name, kernel in self.parts.items() if name not in gaps}

    def measure(self, events: Callable[[Literal["train", "validation"]], State]) -> dict[str, np.ndarray]:
        """Kernels of parts with gaps stay as they are, but for those that know of gaps."""
        found = super().measure(events)
        fields = [self.event[name] for name in states_of(self.event)]
        categories = tuple(getattr(field, "categories", 2) for field in fields for _ in range(field.size))
        for name in with_gaps(self.event):
            kernel = self.parts[name]
            if isinstance(kernel, AbstractGivenStates):
                arrays = kernel.measure_given_states(lambda split, name=name: self._beside_states(events(split), name), categories)
                found |= {f"{name}.{key}": array for key, array in arrays.items()}
        return found

    def _beside_states(self, xs: State, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The numbers (N, *event) of a part, nan where there is none, and all states (N, S)."""
        numbers = np.where(self.event.there(xs)[name], np.asarray(xs[name], np.float64), np.nan)
        states = [np.asarray(xs[each]).reshape(len(numbers), -1) for each in states_of(self.event)]
        return numbers, np.concatenate(states, axis=1).astype(np.int32)

    def _numbers_given(self, z: State, are_known: Array) -> dict[str, AbstractBridged]:
        """The kernels of numbers as they are beside the states of z, where these are those of data."""
        states, there, found = state_vector(self.event, z), existing(self.event, z), self._numbers
        for name in with_gaps(self.event):
            kernel = found[name]
            if isinstance(kernel, AbstractGivenStates):
                found[name] = kernel.given_states(jnp.where(are_known, states, -1), there[name] & are_known)
        return found

    def times(self, steps: int) -> np.ndarray:
        """The turn is in it. In n steps a half of time loses about as many nats as it has elements, over n, and a number several
        times what a state does: so steps are shared as the roots of that. The step of a single state loses nothing.
        """
        if not self._states:
            return chain_of(self._numbers.values(), steps)
        elements, numbers = (sum(kernel.event.size for kernel in half.values()) for half in (self._states, self._numbers))
        lost = math.sqrt(elements - 1)
        share = lost / (lost + math.sqrt(NUMBER * numbers))
        of_states = max(1, min(round(share * steps), steps - 1))
        late = self.turn + (1.0 - self.turn) * chain_of(self._states.values(), of_states)
        if steps == of_states:
            return late
        return np.concatenate([self.turn * chain_of(self._numbers.values(), steps - of_states), late])

    def _clock(self, s: Time | None, t: Time) -> "_Clock":
        return _Clock.at(self.turn, t if s is None else s, t)

    def _gated(
        self, parts: Mapping[str, AbstractDistribution], by_states: Array, z: State | None = None, is_still: Array | None = None
    ) -> Gated:
        still = {name: jnp.zeros(self.event[name].shape) if z is None else z[name] for name in self._numbers}
        return Gated(dict(parts), self.event, by_states, still, jnp.asarray(False) if is_still is None else is_still)

    def _point(self, name: str, x: State, is_data: bool = False) -> Point:
        """A part of states as data have it, in the type of data or of noisy states."""
        dtype = self.event[name].dtype if is_data else _state_type(self.parts[name])
        return Point(x[name].astype(dtype))

    def reference(self) -> AbstractDistribution | None:
        """None also where that of numbers with gaps is not one of single elements."""
        found = {name: kernel.reference() for name, kernel in self.parts.items()}
        joint = [name for name in with_gaps(self.event) if not isinstance(found[name], AbstractElementwiseDistribution)]
        known = {name: part for name, part in found.items() if part is not None}
        return None if joint or len(known) < len(found) else self._gated(known, jnp.asarray(True))

    def marginal(self, x: State, t: Time) -> Gated:
        at = self._clock(None, t)
        parts: dict[str, AbstractDistribution] = {}
        for name, kernel in self._states.items():
            moved = kernel.marginal(x[name], at.late)
            parts[name] = Phases((self._point(name, x), moved, moved), at.phase)
        there = existing(self.event, x)
        for name, kernel in self._numbers.items():
            parts[name] = self._or_noise(name, kernel.marginal(x[name], at.early_end), there[name] | at.is_early)
        return self._gated(parts, at.is_early)

    def transition(self, z: State, s: Time, t: Time) -> Gated:
        at = self._clock(s, t)
        parts: dict[str, AbstractDistribution] = {}
        for name, kernel in self._states.items():
            left = kernel.marginal(self._point(name, z, is_data=True).value, at.late)
            moved = kernel.transition(z[name], at.late_start, at.late)
            parts[name] = Phases((self._point(name, z), left, moved), at.phase)
        there = existing(self.event, z)
        for name, kernel in self._numbers.items():
            moved = kernel.transition(z[name], at.early_start, at.early_end)
            parts[name] = self._or_noise(name, moved, there[name] | at.is_early)
        return self._gated(parts, at.is_early, z, at.is_still)

    def _or_noise(self, name: str, moved: AbstractDistribution, there: Array) -> AbstractDistribution:
        """Numbers as they are where they are there, and else as in equilibrium."""
        if name not in with_gaps(self.event):
            return moved
        return jax.tree.map(lambda one, two: jnp.where(there, one, two), moved, self.parts[name].equilibrium())

    def posterior(self, x: State, z: State, s: Time, t: Time) -> Gated:
        at = self._clock(s, t)
        parts: dict[str, AbstractDistribution] = {}
        for name, kernel in self._states.items():
            data = self._point(name, x)
            parts[name] = Phases((data, data, kernel.posterior(x[name], z[name], at.late_start, at.late)), at.phase)
        for name, kernel in self._numbers.items():
            parts[name] = kernel.posterior(x[name], z[name], at.early_start, at.early_end)
        return self._gated(parts, ~at.is_still, z, at.is_still)

    def decode(self, params: State, z: State, t: Time) -> Gated:
        at = self._clock(None, t)
        parts: dict[str, AbstractDistribution] = {}
        for name, kernel in self._states.items():
            data = kernel.decode(params[name], z[name], at.late)
            parts[name] = Phases((self._point(name, z, is_data=True), data, data), at.phase)
        for name, kernel in self._numbers_given(z, at.phase == 0).items():
            parts[name] = kernel.decode(params[name], z[name], at.early_end)
        return self._gated(parts, jnp.asarray(True))

    def bridge(self, data: AbstractDistribution, z: State, s: Time, t: Time) -> Gated:
        """`data` is a product of the same parts; over the turn a step of states leads to these data themselves."""
        if not isinstance(data, AbstractProduct):
            raise TypeError(f"GatedKernel.bridge: expected data as a product, got a {type(data).__name__}")
        at = self._clock(s, t)
        parts: dict[str, AbstractDistribution] = {}
        for name, kernel in self._states.items():
            own = data.parts[name]
            own = own.phases[-1] if isinstance(own, Phases) else own
            parts[name] = Phases((self._point(name, z), own, kernel.bridge(own, z[name], at.late_start, at.late)), at.phase)
        for name, kernel in self._numbers.items():
            parts[name] = kernel.bridge(data.parts[name], z[name], at.early_start, at.early_end)
        return self._gated(parts, ~at.is_still, z, at.is_still)

    def encode(self, z: State, t: Time) -> State:
        """Numbers are hidden where they are noise, and those that do not exist."""
        at, found = self._clock(None, t), {}
        for name, kernel in self._states.items():
            # what they are before the turn is what they are at the first time of a fine chain
            found[name] = kernel.encode(z[name], jnp.where(at.phase == 0, kernel.times(FINE)[0], at.late))
        there = existing(self.event, z)
        for name, kernel in self._numbers_given(z, at.phase == 0).items():
            found[name] = kernel.encode(jnp.where(there[name] & (at.phase == 0), z[name], 0.0), at.early_end)
        return found


class _Clock(NamedTuple):
    """The times of a step s < t for numbers and states, all of them such as kernels take; where a half stands still, any two."""

    early_start: Time
    early_end: Time
    late_start: Time
    late: Time
    phase: Array  # 0: states stand still; 1: the step leads over the turn; 2: numbers stand still
    is_early: Array  # t is before the turn
    is_still: Array  # s is not

    @classmethod
    def at(cls, turn: float, s: Time, t: Time) -> "_Clock":
        # chosen, not clipped: at an end without signal a derivative is infinite, and must not be multiplied by 0
        s, t = jnp.asarray(s), jnp.asarray(t)
        is_early, is_still, over = t < turn, s >= turn, t > turn
        late = jnp.where(over, (t - turn) / max(1.0 - turn, 1e-3), 0.75)
        return cls(
            jnp.where(is_still, 0.5, s / turn),
            jnp.where(is_early, t / turn, 1.0),
            jnp.where(s > turn, (s - turn) / max(1.0 - turn, 1e-3), 0.5 * late),
            late,
            jnp.where(over, jnp.where(s > turn, 2, 1), 0),
            is_early,
            is_still,
        )


def _state_type(kernel: AbstractKernel) -> np.dtype:
    return jax.eval_shape(lambda key: kernel.equilibrium().sample(key), jax.random.key(0)).dtype


def gated_kernel(parts: Mapping[str, AbstractKernel], event: Fields) -> GatedKernel:
    """The kernel of an event with gates. Raises ValueError where a part's kernel does not fit."""
    gaps, states = with_gaps(event), states_of(event)
    for name, kernel in parts.items():
        place = f"kernel.parts.{name}"
        if not isinstance(kernel, AbstractBridged):
            raise ValueError(
                f"{place}: events with gates need a kernel that averages a step back over data (of 'gaussian' leave out variance = "
                f"'posterior' and mean = 'eq65..'), got a {type(kernel).__name__}"
            )
        if name in states and kernel.times(2)[0] == 0:
            raise ValueError(
                f"{place}: this part is noised after the numbers, from no noise on, and this kernel starts with some: set "
                f"{place}.first_noise = 0"
            )
        if name in gaps:
            _check_elements(place, kernel)
    return GatedKernel(dict(parts), event)


def _check_elements(place: str, kernel: AbstractKernel) -> None:
    """Raises ValueError where the distributions of a kernel for numbers with gaps are not of single elements."""

    def given_by(z: Array) -> list[AbstractDistribution]:
        half, one, params = jnp.asarray(0.5), jnp.ones(()), kernel.zero_params()
        return [kernel.equilibrium(), kernel.marginal(z, one), kernel.posterior(z, z, half, one), kernel.decode(params, z, one)]

    found = eqx.filter_eval_shape(given_by, kernel.event.structs)
    for each in found:
        if not isinstance(each, AbstractElementwiseDistribution) or (isinstance(each, Normal) and each.basis is not None):
            raise ValueError(
                f"{place}: some of its numbers need not exist, which takes a kernel of independent elements with values of each; "
                f"{type(kernel).__name__} gives a {type(each).__name__}"
            )
    shapes = [[leaf.shape for leaf in jax.tree.leaves(each)] for each in found[:2]]
    if type(found[0]) is not type(found[1]) or {*shapes[0], *shapes[1]} != {kernel.event.structs.shape}:
        raise ValueError(f"{place}: some of its numbers need not exist, which takes a kernel whose noise ends as its equilibrium")
