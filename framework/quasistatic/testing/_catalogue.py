"""Which laws hold for which component. It follows from its class and from what it declares."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from quasistatic._distribution import AbstractIntegrable
from quasistatic._finite import FiniteKernel
from quasistatic._kernel import AbstractKernel
from quasistatic._model import AbstractModel, Ports
from quasistatic._objective import AbstractObjective
from quasistatic._observe import AbstractObserver
from quasistatic._sampler import AbstractSampler
from quasistatic._source import AbstractSource
from quasistatic.testing import (
    _floats,
    _models,
    _objectives,
    _observers,
    _rare,
    _reversal,
    _samplers,
    _sampling,
    _semigroup,
    _sources,
    _technique,
)
from quasistatic.testing._law import Law, Reading

Measure = Callable[..., Reading]
PAPER = "Sohl-Dickstein et al. 2015"
WORK = "Sohl-Dickstein et al. 2015, eq. 9 to 14; Jarzynski 1997"
PROTOCOL = "the protocol"


def laws_of(kind: str, instance: Any, ports: Ports | None = None) -> list[Law]:
    """The laws that must hold for one built component; `ports` are those that a model was built for.

    Raises TypeError where the instance is not of this kind, ValueError for an unknown kind or a model without ports.
    """
    if kind not in _KINDS:
        raise ValueError(f"kind: expected one of {', '.join(_KINDS)}, got {kind!r}")
    expected, listed = _KINDS[kind]
    if not isinstance(instance, expected):
        raise TypeError(f"{kind}: expected an instance of {expected.__name__}, got a {type(instance).__name__}")
    subject: tuple[Any, ...] = (instance,)
    if kind == "model":
        if ports is None:
            raise ValueError("laws_of: a model is checked for the ports that it was built for, give ports=...")
        subject = (instance, ports)
    return [
        Law(measure.__name__.replace("_", "-"), kind, _why(measure), source, functools.partial(measure, *subject))
        for measure, source in listed(instance)
    ]


def _why(measure: Measure) -> str:
    """The first paragraph of a law's docstring."""
    return " ".join((inspect.getdoc(measure) or "").split("\n\n")[0].split())


def _kernel_laws(kernel: AbstractKernel) -> Iterator[tuple[Measure, str]]:
    rho, finite = kernel.reference(), isinstance(kernel, FiniteKernel)
    yield _semigroup.grid, PROTOCOL
    yield _technique.shapes, PROTOCOL
    yield _technique.agreement, PROTOCOL
    yield _technique.keys, PROTOCOL
    yield _semigroup.composition, f"{PAPER}, eq. 2"
    yield _semigroup.stationarity, f"{PAPER}, eq. 1"
    yield _semigroup.relaxation, "Cover & Thomas 2006, section 4.4"
    yield _semigroup.bayes, f"{PAPER}, appendix A"
    if _reversal.balanced(kernel):
        yield _semigroup.detailed_balance, f"{PAPER}, section 2.1"
    yield _sampling.samples, PROTOCOL
    yield _sampling.pair, PROTOCOL
    yield _sampling.overlap, "Bennett 1976"
    yield _sampling.entropy, PROTOCOL
    yield _sampling.divergence, PROTOCOL
    yield _floats.gradients, PROTOCOL
    yield _floats.learned_grid, PROTOCOL
    yield _floats.precision, PROTOCOL
    if kernel.exact_at_zero and rho is not None and (finite or _reversal.balanced(kernel)):
        yield _reversal.zero_params, WORK
        if isinstance(rho, AbstractIntegrable):
            yield _reversal.cross_entropy, WORK
    yield _reversal.bound, WORK
    yield _reversal.ledger, WORK
    if finite:
        yield _reversal.jarzynski, WORK
        yield _rare.extreme_words, PROTOCOL
        yield _rare.rare_states, PROTOCOL
    if _technique.overrides(kernel):
        yield _technique.structure, PROTOCOL


def _model_laws(model: AbstractModel) -> Iterator[tuple[Measure, str]]:
    for measure in (_models.zero_start, _models.shapes, _models.reads_all, _models.agreement, _models.trained, _models.keys):
        yield measure, PROTOCOL


def _objective_laws(objective: AbstractObjective) -> Iterator[tuple[Measure, str]]:
    yield _objectives.agreement, PROTOCOL
    yield _objectives.keys, PROTOCOL
    yield _objectives.gradients, PROTOCOL
    if objective.is_bound:
        yield _objectives.unbiased, f"{PAPER}, eq. 14"
        yield _objectives.unbiased_gradient, f"{PAPER}, eq. 14"


def _sampler_laws(sampler: AbstractSampler) -> Iterator[tuple[Measure, str]]:
    yield _samplers.events, PROTOCOL
    yield _samplers.keys, PROTOCOL
    if sampler.is_exact:
        yield _samplers.exact_on_normal, f"{PAPER}, section 2.2"
        yield _samplers.exact_on_finite, f"{PAPER}, section 2.2"


def _source_laws(source: AbstractSource) -> Iterator[tuple[Measure, str]]:
    event = source.event
    continuous = event.support == "real" and not event.quantised
    for measure in (_sources.splits, _sources.support, _sources.draws, _sources.units):
        yield measure, PROTOCOL
    if continuous and source.stored() is not None:
        yield _sources.disjoint, PROTOCOL
    if event.support == "real":
        yield _sources.scale, PROTOCOL
    if source.log_prob(source.split("validation").x[:1]) is not None:
        yield _sources.true_log_prob, PROTOCOL


def _observer_laws(observer: AbstractObserver) -> Iterator[tuple[Measure, str]]:
    yield _observers.told, PROTOCOL


_KINDS: dict[str, tuple[type, Callable[[Any], Iterator[tuple[Measure, str]]]]] = {
    "source": (AbstractSource, _source_laws),
    "kernel": (AbstractKernel, _kernel_laws),
    "model": (AbstractModel, _model_laws),
    "objective": (AbstractObjective, _objective_laws),
    "sampler": (AbstractSampler, _sampler_laws),
    "observer": (AbstractObserver, _observer_laws),
}
