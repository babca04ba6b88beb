"""The product kernel: events of several parts, each with the kernel that fits it."""

from __future__ import annotations

import csv
import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from click.testing import CliRunner, Result

import quasistatic as qs

Cli = Callable[..., Result]
FIELDS = qs.Fields({"kind": qs.Categorical((), 5), "marks": qs.Binary((3,)), "place": qs.Real((2,))})


def joined() -> qs.AbstractKernel:
    """Gaussian, binomial and a finite kernel, each with a schedule of its own."""
    return qs.join_kernels(
        {
            # noise above float32's own, which is all that is left of 1e-4
            "place": qs.make("kernel", "gaussian", FIELDS["place"], schedule="log-linear", first_noise=0.03, last_survival=1e-3),
            "marks": qs.make("kernel", "binomial", FIELDS["marks"], base_rate=0.3),
            "kind": qs.make("kernel", "uniform", FIELDS["kind"], schedule="cosine"),
        }
    )


class Zero(qs.AbstractModel):
    """A network that gives zero params."""

    ports: qs.Ports = eqx.field(static=True)

    def __call__(self, features: Any, t: Any, side: qs.Side | None = None, *, key: Any = None) -> Any:
        return self.ports.params.unravel(jnp.zeros(self.ports.params.size))


def log_ratios(kernel: qs.AbstractKernel, paths: int, steps: int) -> np.ndarray:
    """Log-weight minus log rho(x) of forward paths from the reference, at zero params, (paths,)."""
    diffusion = qs.Diffusion(kernel, Zero(qs.Ports.of(kernel)), steps)
    times = diffusion.times()
    rho = kernel.reference()
    assert rho is not None

    @jax.jit
    @jax.vmap
    def one(key: jax.Array) -> jax.Array:
        key_x, key_path = jr.split(key)
        x = rho.sample(key_x)
        path = qs.trajectory.forward(kernel, x, times, key=key_path)
        return qs.trajectory.log_weight(diffusion, path, times).sum() - rho.log_prob(x)

    return np.asarray(one(jr.split(jr.key(0), paths)))


def test_zero_params_reverse_the_process_exactly_on_every_path() -> None:
    assert joined().is_exact_at_zero and isinstance(joined(), qs.AbstractBridged)
    assert np.abs(log_ratios(joined(), 200, 7)).max() < 1e-5


def test_zero_params_reverse_the_process_to_rounding_in_float64(x64: None) -> None:
    assert np.abs(log_ratios(joined(), 200, 7)).max() < 1e-12


def shaken(model: qs.AbstractModel) -> qs.AbstractModel:
    """A fresh network gives zero params; this one does not."""
    return jax.tree.map(lambda leaf: leaf + 0.3 * jr.normal(jr.key(2), leaf.shape) if eqx.is_array(leaf) else leaf, model)


@pytest.fixture(scope="module")
def diffusion() -> qs.Diffusion:
    kernel = joined()
    model = qs.make("model", "dense", qs.Ports.of(kernel), key=jr.key(1), width=16, depth=1)
    return qs.Diffusion(kernel, shaken(model), 6)


@pytest.fixture(scope="module")
def mixed() -> qs.AbstractSource:
    return qs.make("source", "mixed", validation_events=300, test_events=300)


def test_the_ledger_by_part_sums_to_the_whole(diffusion: qs.Diffusion, mixed: qs.AbstractSource) -> None:
    ledger = qs.ledger(diffusion, mixed.split("test", 40).x, key=jr.key(3), steps=9)
    assert list(ledger.by_part) == ["kind", "marks", "place"] and ledger.units["dim"] == 6
    assert all(terms.shape == (40, 10) for terms in ledger.by_part.values())
    np.testing.assert_allclose(ledger.terms, sum(ledger.by_part.values()), rtol=1e-12)
    np.testing.assert_allclose(ledger.per_event, -sum(terms.sum(axis=1) for terms in ledger.by_part.values()), rtol=1e-9)
    assert sum(share.value for share in ledger.bound_by_part.values()) == pytest.approx(ledger.bound.value, rel=1e-9)


def test_each_part_alone_has_its_own_ledger_in_the_product(mixed: qs.AbstractSource) -> None:
    """At zero params no part reads another: the share of a part is the K of that part alone."""
    kernel, xs = joined(), mixed.split("test", 200).x
    ledger = qs.ledger(qs.Diffusion(kernel, Zero(qs.Ports.of(kernel)), 6), xs, key=jr.key(4), repeats=16)
    for name, part in kernel.parts.items():
        alone = qs.ledger(qs.Diffusion(part, Zero(qs.Ports.of(part)), 6), xs[name], key=jr.key(5), repeats=16, steps=ledger.times)
        share = ledger.bound_by_part[name]
        # the events are the same ones: what is left is the noise of the draws
        noise = (ledger.by_part[name].sum(axis=1) - alone.terms.sum(axis=1)).std() / len(alone.terms) ** 0.5
        assert abs(share.value - alone.bound.value) < 5 * noise + 1e-5, name


def test_a_finite_product_has_the_k_of_enumeration() -> None:
    """Binomial and uniform, T = 3: the exact ledger over all events and states against a sampled one."""
    event = qs.Fields({"bit": qs.Binary((2,)), "kind": qs.Categorical((), 3)})
    kernel = qs.join_kernels(
        {
            "bit": qs.make("kernel", "binomial", event["bit"], base_rate=0.3, last_survival=0.1),
            "kind": qs.make("kernel", "uniform", event["kind"], last_survival=0.1),
        }
    )
    model = qs.make("model", "dense", qs.Ports.of(kernel), key=jr.key(1), width=8, depth=1)
    diffusion = qs.Diffusion(kernel, shaken(model), 3)
    points, weights = kernel.reference().nodes()
    assert weights.shape == (12,) and weights.sum() == pytest.approx(1)
    exact = qs.oracles.exact_ledger(diffusion, points)
    sampled = qs.ledger(diffusion, points, key=jr.key(3), repeats=4000)
    assert sampled.per_event_error is not None and np.abs(exact.per_event - sampled.per_event).max() > 0
    assert np.abs((exact.per_event - sampled.per_event) / sampled.per_event_error).max() < 4.9
    np.testing.assert_allclose(exact.terms, sampled.terms, atol=0.1)


SMALL = {
    "training.updates": 400, "training.batch": 128, "training.validate_every": 200, "training.validation_events": 200,
    "training.ema": 0.95, "model.width": 32, "model.depth": 1, "trajectory.steps": 10, "evaluation.trajectory_steps": [10],
    "evaluation.events": 2000, "evaluation.samples": 9,
}  # fmt: skip
SETS = [word for key, value in SMALL.items() for word in ("--set", f"{key}={value}")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A run of the recipe `mixed` by the command line, and its JSON."""
    from quasistatic.cli import main

    folder = tmp_path_factory.mktemp("mixed") / "run"
    result = CliRunner().invoke(main, ["run", "mixed", "--out", str(folder), "--json", *SETS])
    assert result.exit_code == 0, result.output
    return folder, json.loads(result.stdout)


def test_a_run_is_measured_beside_the_exact_truth(finished: tuple[Path, dict[str, Any]], cli: Cli) -> None:
    folder, found = finished
    (evaluation,) = found["evaluations"]
    bound, truth = evaluation["bound"], evaluation["truth"]
    assert evaluation["kernel"] == "product" and bound["events"] == 2000
    assert evaluation["null"]["value"] < bound["value"] < truth["value"] + 4 * evaluation["dissipation"]["standard_error"]
    assert sum(part["value"] for part in evaluation["by_part"].values()) == pytest.approx(bound["value"], rel=1e-9)
    assert set(evaluation["by_part"]) == {"kind", "marks", "place"}
    again = json.loads(cli("evaluate", folder, "--steps", 10, "--json").stdout)
    assert again["bound"] == bound
    page = cli("evaluate", folder).stdout
    assert all(f"K: share of {part}" in page for part in FIELDS)


def test_samples_come_as_named_arrays_and_as_a_table(finished: tuple[Path, dict[str, Any]], cli: Cli, tmp_path: Path) -> None:
    folder, _ = finished
    for name in ("x.npz", "x.csv", "x.png"):
        result = cli("sample", folder, "-n", 50, "--seed", 2, "-o", tmp_path / name)
        assert result.exit_code == 0, result.output
    arrays = np.load(tmp_path / "x.npz")
    assert {name: arrays[name].shape for name in arrays.files} == {"kind": (50,), "marks": (50, 3), "place": (50, 2)}
    run = qs.open_run(folder)
    jax.tree.map(np.testing.assert_array_equal, run.sample(50, seed=2), dict(arrays))
    assert set(np.unique(arrays["kind"])) <= set(range(5)) and set(np.unique(arrays["marks"])) <= {0, 1}
    assert 1 < np.hypot(*arrays["place"].T).mean() < 3  # in the user's units, where kinds are 2 from the origin
    rows = list(csv.reader((tmp_path / "x.csv").read_text().splitlines()))
    assert rows[0] == ["kind", "marks.0", "marks.1", "marks.2", "place.0", "place.1"] and len(rows) == 51
    flat = np.concatenate([arrays["kind"][:, None], arrays["marks"], arrays["place"]], axis=1)
    np.testing.assert_allclose(np.array(rows[1:], float), flat, rtol=1e-6)
    evaluated = cli("evaluate", folder, "--data", tmp_path / "x.npz", "--json")
    assert evaluated.exit_code == 0 and json.loads(evaluated.stdout)["bound"]["events"] == 50, evaluated.output


def test_the_report_draws_every_part(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = finished
    page = (folder / "report.html").read_text()
    assert "by the parts of an event" in page and page.count("data:image/png;base64,") == 4
    run = qs.open_run(folder)
    figure = qs.pictures.samples(run.source, run.sample(9, model_units=True))
    assert len(figure.axes) == 3
    walks = qs.pictures.walk(run.diffusion, run.source.split("test", 9).x, key=jr.key(0))
    assert len(qs.pictures.trajectories(run.source, walks).axes) == 3 * 2 * (1 + len(walks.times))


def refused(cli: Cli, tmp_path: Path, *sets: str, recipe: str = "mixed", plugins: tuple[str, ...] = ()) -> str:
    words = [word for each in sets for word in ("--set", each)]
    result = cli(*plugins, "train", recipe, "--out", tmp_path / "none", *words)
    assert result.exit_code == 2 and result.stderr.startswith("Error: ") and not (tmp_path / "none").exists()
    return result.stderr


def test_a_kernel_of_a_part_that_does_not_fit_it_is_named(cli: Cli, tmp_path: Path) -> None:
    said = refused(cli, tmp_path, "kernel.parts.kind.use=gaussian")
    fits = "but part 'kind' is 1 of 5 categories; kernels that fit: uniform, "
    assert f"kernel 'gaussian' takes real or levels or measured data, {fits}" in said


def test_a_part_that_the_source_has_not_is_named(cli: Cli, tmp_path: Path) -> None:
    said = refused(cli, tmp_path, "kernel.parts.colour.use=gaussian")
    assert "kernel.parts.colour: the source has no such part  (it has: kind, marks, place)" in said


def test_options_of_a_part_are_checked_with_their_path(cli: Cli, tmp_path: Path) -> None:
    said = refused(cli, tmp_path, "kernel.parts.place.first_nois=1", "kernel.parts.marks.use=nothing", "kernel.parts.kind=3")
    assert "kernel.parts.place.first_nois: unknown option; did you mean 'first_noise'?" in said
    assert "kernel.parts.marks.use: no kernel is called 'nothing'" in said
    assert "kernel.parts.kind: expected a section with use = ..., got 3" in said


def test_a_kernel_of_a_part_can_be_set_and_its_options_too() -> None:
    recipe = qs.load_recipe("mixed", ["kernel.parts.kind.use=uniform", "kernel.parts.kind.schedule=cosine"])
    parts = recipe.choices["kernel"].parts
    assert {name: part.component.name for name, part in parts.items()} == {"place": "gaussian", "kind": "uniform"}
    assert parts["kind"].options.schedule == "cosine"
    assert recipe.to_dict()["kernel"]["parts"]["kind"]["use"] == "uniform"
    changed = qs.load_recipe("mixed", ["kernel.parts.place.use=binomial"])
    place = changed.choices["kernel"].parts["place"]
    assert place.options == place.component.options()


def test_a_kernel_for_one_field_is_refused_with_product_as_the_way_out(cli: Cli, tmp_path: Path) -> None:
    said = refused(cli, tmp_path, "kernel.use=gaussian")
    assert "kernel 'gaussian' takes real or levels or measured data, but source 'mixed' gives kind: 1 of 5 categories, " in said
    assert "kernels that fit: product (--set kernel.use=product)" in said


def test_product_is_refused_for_one_field(cli: Cli, tmp_path: Path) -> None:
    said = refused(cli, tmp_path, "kernel.use=product", recipe="swiss-roll")
    assert "kernel 'product' takes events of several parts, but source 'swiss-roll' gives 2 real; " in said
    assert "kernels that fit: gaussian" in said


PARTLY = '''
import attrs, jax, jax.numpy as jnp
import quasistatic as qs

@attrs.frozen
class Nothing:
    """Takes nothing."""

class Counted(qs.AbstractGeneratedSource):
    event = qs.Fields({"place": qs.Real((2,)), "counts": qs.Counts((3,))})

    def __init__(self, options):
        super().__init__(0, 20, 20)

    def draw(self, row, *, key):
        return {"place": jax.random.normal(key, (2,)), "counts": jnp.zeros(3)}, None

def build(options, event):
    raise ValueError("not to be built")

@qs.hookimpl
def quasistatic_components():
    source = qs.Component("source", "counted", Nothing, Counted)
    return [source, *(qs.Component("kernel", name, Nothing, build, supports=(qs.Counts,)) for name in KERNELS)]
'''


@pytest.fixture
def partly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """A plugin with a source of real numbers and counts, and kernels for counts of these names."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(*kernels: str) -> str:
        name = f"partly_{len(kernels)}"
        (tmp_path / f"{name}.py").write_text(f"KERNELS = {kernels}\n{PARTLY}")
        (tmp_path / "counted.toml").write_text('[source]\nuse = "counted"\n[kernel]\nuse = "product"\n')
        return name

    return write


def test_a_part_that_no_kernel_fits_is_named(cli: Cli, tmp_path: Path, partly: Callable[..., str]) -> None:
    said = refused(cli, tmp_path, recipe=str(tmp_path / "counted.toml"), plugins=("-p", partly()))
    assert "kernel.parts.counts: the part is 3 counts, and a kernel must fit it; no kernel does" in said


def test_two_kernels_that_fit_a_part_and_no_default_is_a_message(cli: Cli, tmp_path: Path, partly: Callable[..., str]) -> None:
    said = refused(cli, tmp_path, recipe=str(tmp_path / "counted.toml"), plugins=("-p", partly("one", "two")))
    assert "several do: one, two; choose one with kernel.parts.counts.use" in said


def test_the_truth_of_the_mixed_source_is_a_distribution(mixed: qs.AbstractSource) -> None:
    """Its log-probability sums and integrates to one, and its draws have it."""
    axis = np.arange(-4, 4, 0.04)
    plane = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    total, entropy = 0.0, 0.0
    for kind, marks in itertools.product(range(5), itertools.product([0, 1], repeat=3)):
        ones = np.ones(len(plane))
        log_prob = mixed.log_prob({"kind": kind * ones.astype(int), "marks": ones[:, None] * marks, "place": plane})
        total += np.exp(log_prob).sum() * 0.04**2
        entropy -= (np.exp(log_prob) * log_prob).sum() * 0.04**2
    assert total == pytest.approx(1, abs=1e-6)
    values = mixed.log_prob(mixed.split("test").x)
    assert abs(values.mean() + entropy) < 4 * values.std() / math.sqrt(len(values))
