"""Deliberate faults, each of which a law catches, and what is no component at all."""

from collections import Counter
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import pytest
from faults_catalogue import kernels, models, objectives, potentials, samplers, sources

import quasistatic as qs
from quasistatic._process.sampler import Ancestral
from quasistatic.testing._tools.bench import Fading, Redraw
from quasistatic_plugins.binomial import BinomialOptions
from quasistatic_plugins.binomial.kernel import BinomialKernel
from quasistatic_plugins.bound import BoundOptions
from quasistatic_plugins.bound.objective import Bound
from quasistatic_plugins.gaussian import GaussianOptions
from quasistatic_plugins.gaussian.kernel import GaussianKernel

FAULTS = [fault for part in (kernels, models, objectives, potentials, samplers, sources) for fault in part.catalogue]
CAUGHT = [fault for fault in FAULTS if not fault.missed]
MISSED = [fault for fault in FAULTS if fault.missed]


def named(fault):
    return f"{fault.kind}: {fault.name}"


def cases():
    """Some faults of every kind; all of them with -m slow."""
    by_kind = Counter()
    for fault in CAUGHT:
        by_kind[fault.kind] += 1
        mark = pytest.mark.benchmark if fault.dear else pytest.mark.slow
        yield pytest.param(fault, id=named(fault), marks=[mark] if fault.dear or by_kind[fault.kind] > 3 else [])


@pytest.mark.parametrize("fault", list(cases()))
def test_a_fault_is_caught(fault):
    verdict = fault.verdict()
    assert verdict.outcome == "broken"
    assert ("raised" in verdict.reason) == fault.raises, verdict.reason  # by its value, not by an accident


def test_a_miss_is_still_one():
    assert [named(fault) for fault in MISSED if not fault.verdict().passed] == []  # caught now: take `missed` away


def test_the_catalogue_is_large_and_nearly_all_of_it_is_caught():
    assert len({named(fault) for fault in FAULTS}) == len(FAULTS) >= 250
    assert len(CAUGHT) >= 0.97 * len(FAULTS)
    assert {fault.kind for fault in FAULTS} == {"kernel", "model", "objective", "potential", "sampler", "source"}
    assert all(fault.mistake.endswith(".") for fault in FAULTS)


def test_every_law_has_a_fault_that_it_catches():
    # between them these are held against all laws of the six kinds
    kernels_of_all_laws = [
        Redraw(),
        BinomialKernel(BinomialOptions(), qs.Binary((2,))),
        Fading(),
        GaussianKernel(GaussianOptions(), qs.Real((2,))),
        qs.make("kernel", "absorbing", qs.Categorical((2,), 3)),
        qs.make("kernel", "absorbing", qs.Categorical((2,), 3), order="last-first"),
    ]
    laws = [law for kernel in kernels_of_all_laws for law in qs.testing.laws_of("kernel", kernel)]
    for network in (models.Small, models.CausalInNameAlone):
        laws += qs.testing.laws_of("model", network(models.PORTS, jr.key(0)), models.PORTS)
    laws += qs.testing.laws_of("objective", Bound(BoundOptions()))
    laws += [law for sampler in (Ancestral(), samplers.Walker()) for law in qs.testing.laws_of("sampler", sampler)]
    laws += qs.testing.laws_of("potential", potentials.Score(jnp.ones(())))
    laws += [
        law
        for source in (sources.Stored(), sources.Generated(), sources.Labelled())
        for law in qs.testing.laws_of("source", source)
    ]
    assert {(law.kind, law.name) for law in laws} == {(fault.kind, fault.law) for fault in CAUGHT}


@pytest.mark.parametrize(
    ("kind", "instance", "ports"),
    [
        ("model", models.Small(models.PORTS, jr.key(0)), models.PORTS),
        ("source", sources.Stored(), None),
        ("source", sources.Generated(), None),
        ("source", sources.Coins(), None),
        ("source", sources.Pairs(), None),
        ("source", sources.Words(), None),
        ("source", sources.Labelled(), None),
        ("sampler", samplers.Walker(), None),
        ("sampler", samplers.Denoiser(), None),
        ("potential", potentials.Score(jnp.asarray(0.7)), None),
    ],
    ids=[
        "network",
        "stored source",
        "generator",
        "true probabilities",
        "true density",
        "stored symbols",
        "labels",
        "Heun",
        "DDIM",
        "a score",
    ],
)
def test_what_the_faults_are_made_from_is_sound(kind, instance, ports):
    for law in qs.testing.laws_of(kind, instance, ports):
        law()


def test_an_incomplete_kernel_cannot_be_built():
    class Half(qs.AbstractKernel):
        event: qs.AbstractEvent = eqx.field(static=True)
        is_exact_at_zero: ClassVar[bool] = True

    with pytest.raises(TypeError, match="abstract"):
        Half(qs.Real((2, 1)))


def test_a_law_that_raises_is_a_broken_law():
    class Raises(GaussianKernel):
        def posterior(self, x, z, s, t):
            raise RuntimeError("no")

    kernel = Raises(GaussianOptions(), qs.Real((2, 1)))
    (law,) = (law for law in qs.testing.laws_of("kernel", kernel) if law.name == "bayes")
    verdict = law.verdict("x")
    assert not verdict.passed and "RuntimeError" in verdict.reason


def test_laws_follow_from_the_kind():
    with pytest.raises(TypeError, match="AbstractSampler"):
        qs.testing.laws_of("sampler", GaussianKernel(GaussianOptions(), qs.Real((2, 1))))
    with pytest.raises(ValueError, match="expected one of"):
        qs.testing.laws_of("quark", GaussianKernel(GaussianOptions(), qs.Real((2, 1))))
