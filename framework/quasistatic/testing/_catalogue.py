"""Which laws hold for which component. It follows from its class and from what it declares."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
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
Listed = Iterator[tuple[Measure, str]]
# settings in which a law is read; those of DEAR, which take long or read a component as it is, in one
EXAMPLES = 3
DEAR: frozenset[Measure] = frozenset(
    {_rare.rare_states, _reversal.jarzynski, _technique.keys, _objectives.keys, _samplers.keys, _models.keys, _observers.told}
)
PAPER = "Sohl-Dickstein et al. 2015"
WORK = "Sohl-Dickstein et al. 2015, eq. 9 to 14; Jarzynski 1997"
PROTOCOL = "the protocol"


def laws_of(
    kind: str, instance: Any, ports: Ports | None = None, exceptions: Mapping[str, str] | None = None
) -> list[Law]:
    """The laws that must hold for one built component; `ports` are those that a model was built for.

    `exceptions` are the laws that it may break, by name, with the reason.

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
        _law(measure, kind, source, functools.partial(measure, *subject), exceptions or {})
        for measure, source in listed(instance)
    ]


def _law(
    measure: Measure, kind: str, source: str, check: Callable[..., Reading], exceptions: Mapping[str, str]
) -> Law:
    name = measure.__name__.replace("_", "-")
    return Law(name, kind, _why(measure), source, check, 1 if measure in DEAR else EXAMPLES, exceptions.get(name, ""))


def _why(measure: Measure) -> str:
    """The first paragraph of a law's docstring."""
    return " ".join((inspect.getdoc(measure) or "").split("\n\n")[0].split())


def _kernel_laws(kernel: AbstractKernel) -> Listed:
    rho, finite = kernel.reference(), isinstance(kernel, FiniteKernel)
    yield _semigroup.grid, PROTOCOL
    yield _technique.shapes, PROTOCOL
    yield _technique.agreement, PROTOCOL
    yield _technique.keys, PROTOCOL
    yield _semigroup.composition, f"{PAPER}, eq. 2"
    yield _semigroup.stationarity, f"{PAPER}, eq. 1"
    yield _semigroup.relaxation, "Cover & Thomas 2006, section 4.4"
    yield _semigroup.arrival, f"{PAPER}, section 2.1"
    yield _semigroup.bayes, f"{PAPER}, appendix A"
    if _reversal.balanced(kernel):
        yield _semigroup.detailed_balance, f"{PAPER}, section 2.1"
    yield _sampling.samples, PROTOCOL
    yield _sampling.pair, PROTOCOL
    if kernel.event.support == "real":
        yield _sampling.normalised, PROTOCOL
    yield _sampling.bridge, f"{PAPER}, appendix A"
    yield _sampling.support, PROTOCOL
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
        yield _reversal.refinement, f"{WORK}; Cover & Thomas 2006, section 2.8"
        yield _reversal.jarzynski, WORK
        yield _rare.extreme_words, PROTOCOL
        yield _rare.rare_states, PROTOCOL
    if _technique.overrides(kernel):
        yield _technique.structure, PROTOCOL


def _model_laws(model: AbstractModel) -> Listed:
    yield _models.zero_start, WORK
    yield _models.shapes, PROTOCOL
    yield _models.reads_all, PROTOCOL
    yield _models.agreement, PROTOCOL
    yield _models.pure, PROTOCOL
    yield _models.counted, PROTOCOL
    yield _models.trained, PROTOCOL
    yield _models.keys, PROTOCOL


def _objective_laws(objective: AbstractObjective) -> Listed:
    yield _objectives.agreement, PROTOCOL
    yield _objectives.keys, PROTOCOL
    yield _objectives.gradients, PROTOCOL
    yield _objectives.finite_differences, PROTOCOL
    yield _objectives.variance, PROTOCOL
    if objective.is_bound:
        yield _objectives.unbiased, f"{PAPER}, eq. 14"
        yield _objectives.never_better, f"{PAPER}, eq. 14"
        yield _objectives.unbiased_gradient, f"{PAPER}, eq. 14"


def _sampler_laws(sampler: AbstractSampler) -> Listed:
    yield _samplers.events, PROTOCOL
    yield _samplers.batches, PROTOCOL
    yield _samplers.path, PROTOCOL
    yield _samplers.keys, PROTOCOL
    if sampler.is_exact:
        yield _samplers.exact_on_normal, f"{PAPER}, section 2.2"
        yield _samplers.exact_on_finite, f"{PAPER}, section 2.2"


def _source_laws(source: AbstractSource) -> Listed:
    event = source.event
    continuous = event.support == "real" and not event.quantised
    for measure in (_sources.splits, _sources.support, _sources.draws, _sources.ranks, _sources.units):
        yield measure, PROTOCOL
    if continuous and source.stored() is not None:
        yield _sources.disjoint, PROTOCOL
    if event.support == "real":
        yield _sources.scale, PROTOCOL
    if source.log_prob(source.split("validation").x[:1]) is not None:
        yield _sources.true_log_prob, PROTOCOL


def _observer_laws(observer: AbstractObserver) -> Listed:
    yield _observers.told, PROTOCOL


_KINDS: dict[str, tuple[type, Callable[[Any], Listed]]] = {
    "source": (AbstractSource, _source_laws),
    "kernel": (AbstractKernel, _kernel_laws),
    "model": (AbstractModel, _model_laws),
    "objective": (AbstractObjective, _objective_laws),
    "sampler": (AbstractSampler, _sampler_laws),
    "observer": (AbstractObserver, _observer_laws),
}
