"""The library in a notebook: no recipe, no file, no plugin, nothing configured."""

import json
import logging
import os
import re
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

import quasistatic as qs
from quasistatic_plugins.binomial import BinomialOptions
from quasistatic_plugins.binomial.kernel import BinomialKernel
from quasistatic_plugins.dense import DenseOptions
from quasistatic_plugins.dense.model import Dense
from quasistatic_plugins.gaussian import GaussianOptions
from quasistatic_plugins.gaussian.kernel import GaussianKernel

TINY = {
    "model.width": 8,
    "model.depth": 1,
    "training.updates": 20,
    "training.batch": 8,
    "training.validate_every": 10,
    "training.validation_events": 16,
    "trajectory.steps": 4,
    "evaluation.events": 50,
}


def make(kernel, steps=6):
    model = Dense(DenseOptions(width=16, depth=2), qs.Ports.of(kernel), key=jr.key(0))
    return qs.Diffusion(kernel, model, steps)


def shaken(tree, size=0.3):
    """The same tree with every trained leaf moved at random: a network that has left its start."""
    arrays, rest = eqx.partition(tree, eqx.is_inexact_array)
    moved, unravel = jax.flatten_util.ravel_pytree(arrays)
    return eqx.combine(unravel(moved + size * jr.normal(jr.key(9), moved.shape)), rest)


@pytest.fixture(params=["real", "bits"])
def diffusion(request):
    if request.param == "real":
        return shaken(make(GaussianKernel(GaussianOptions(), qs.Real((2,)))))
    return shaken(make(BinomialKernel(BinomialOptions(base_rate=0.3), qs.Binary((5,)))))


def events(diffusion, count):
    return jax.vmap(diffusion.kernel.reference().sample)(jr.split(jr.key(3), count))


def test_a_dozen_lines_train_a_diffusion():
    diffusion = make(GaussianKernel(GaussianOptions(), qs.Real((1,))), steps=10)
    optimiser = optax.adam(1e-2)
    state = optimiser.init(eqx.filter(diffusion.model, eqx.is_inexact_array))

    @eqx.filter_jit
    def step(model, state, key):
        def loss(model):
            xs = 0.1 * jr.normal(key, (64, 1))
            new = eqx.tree_at(lambda d: d.model, diffusion, model)
            return jax.vmap(lambda x, k: qs.ledger_terms(new.for_chain(), x, key=k)[""].sum())(xs, jr.split(key, 64)).mean()

        value, gradient = eqx.filter_value_and_grad(loss)(model)
        updates, state = optimiser.update(gradient, state)
        return eqx.apply_updates(model, updates), state, value

    model, first = diffusion.model, None
    for number in range(150):
        model, state, value = step(model, state, jr.fold_in(jr.key(1), number))
        first = value if first is None else first
    trained = eqx.tree_at(lambda d: d.model, diffusion, model)
    xs = 0.1 * jr.normal(jr.key(2), (2000, 1))
    bound = qs.ledger(trained, xs, key=jr.key(3)).bound
    truth = 0.5 * np.log(2 * np.pi * np.e * 0.01)
    assert -truth - 0.4 < bound.value < -truth + 4 * bound.standard_error
    made = qs.sample(trained, 500, key=jr.key(4))
    assert abs(made.std() - 0.1) < 0.03


def test_the_ledger_adds_up_and_its_errors_are_those_of_totals(diffusion):
    xs = events(diffusion, 300)
    ledger = qs.ledger(diffusion, xs, key=jr.key(0))
    total = ledger.first.value + sum(gap.value for gap in ledger.gaps) + ledger.prior.value
    assert ledger.bound.value == pytest.approx(-total, rel=1e-9)
    assert ledger.bound.standard_error == pytest.approx(ledger.per_event.std(ddof=1) / np.sqrt(300), rel=1e-9)
    assert ledger.terms.shape == (300, ledger.steps + 1) and ledger.evaluations == ledger.steps == 6
    assert ledger.bound.to("bits").to("nats").value == pytest.approx(ledger.bound.value, rel=1e-12)
    size = diffusion.kernel.event.size
    assert ledger.bound.to("bits/dim").value == pytest.approx(ledger.bound.value / np.log(2) / size, rel=1e-12)


def test_an_event_has_the_same_bound_in_any_company(diffusion):
    xs = events(diffusion, 700)
    whole = qs.ledger(diffusion, xs, key=jr.key(0)).per_event
    alone = qs.ledger(diffusion, xs[:600], key=jr.key(0)).per_event
    np.testing.assert_allclose(alone, whole[:600], rtol=1e-5, atol=1e-4)


def test_repeats_lower_the_error_of_an_event_and_state_it(diffusion):
    xs = events(diffusion, 40)
    many = qs.ledger(diffusion, xs, key=jr.key(1), repeats=64)
    again = qs.ledger(diffusion, xs, key=jr.key(2), repeats=64)
    z = (many.per_event - again.per_event) / np.hypot(many.per_event_error, again.per_event_error)
    assert np.abs(z).max() < 5 and 0.5 < z.std() < 1.6
    assert qs.ledger(diffusion, xs, key=jr.key(1)).per_event_error is None


def test_one_step_and_explicit_times(diffusion):
    xs = events(diffusion, 20)
    assert qs.ledger(diffusion, xs, key=jr.key(0), steps=1).terms.shape == (20, 2)
    assert qs.ledger(diffusion, xs, key=jr.key(0), steps=[0.2, 0.5, 1.0]).steps == 3
    for wrong in ([0.5, 0.2, 1.0], [0.2, 0.5], [-0.1, 1.0], []):
        with pytest.raises(ValueError, match="increasing times"):
            qs.ledger(diffusion, xs, key=jr.key(0), steps=wrong)


def test_the_mean_log_weight_is_the_bound(diffusion):
    x, times = events(diffusion, 1)[0], diffusion.times()

    @jax.jit
    def log_weights(keys):
        return jax.vmap(
            lambda k: qs.trajectory.log_weight(diffusion, qs.trajectory.forward(diffusion.kernel, x, times, key=k), times)
        )(keys)

    log_weight = np.asarray(log_weights(jr.split(jr.key(5), 4000))).sum(axis=1)
    ledger = qs.ledger(diffusion, jnp.broadcast_to(x, (4000, *x.shape)), key=jr.key(6))
    error = np.hypot(log_weight.std() / np.sqrt(4000), ledger.bound.standard_error)
    assert abs(log_weight.mean() - ledger.bound.value) < 5 * error


def test_samples_do_not_depend_on_their_number(diffusion):
    few, many = (qs.sample(diffusion, count, key=jr.key(0)) for count in (5, 300))
    assert (few == many[:5]).all()
    assert not (many[0] == many[256]).all()
    assert qs.sample(diffusion, 3, key=jr.key(0), steps=11).shape == few[:3].shape


def test_a_diffusion_passes_through_jit_grad_and_vmap(diffusion):
    xs = events(diffusion, 4)

    def total(diffusion, x, key):
        return qs.ledger_terms(diffusion.for_chain(), x, key=key)[""].sum()

    keys = jr.split(jr.key(0), 4)
    single = jnp.stack([total(diffusion, x, k) for x, k in zip(xs, keys, strict=True)])
    batched = eqx.filter_jit(lambda d: jax.vmap(lambda x, k: total(d, x, k))(xs, keys))(diffusion)
    np.testing.assert_allclose(single, batched, rtol=1e-4, atol=1e-4)
    gradient = eqx.filter_grad(lambda d: total(d, xs[0], keys[0]))(diffusion)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient.model))


def test_train_touches_no_file_prints_nothing_and_configures_nothing(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    flags, handlers, level = dict(jax.config.values), list(logging.root.handlers), logging.root.level
    run = qs.train(qs.load_recipe("swiss-roll", TINY))
    assert run.sample(3, seed=1).shape == (3, 2)
    assert run.bound(run.sample(7)).per_event.shape == (7,)
    assert os.listdir(tmp_path) == []
    assert capfd.readouterr() == ("", "")
    assert dict(jax.config.values) == flags
    assert (list(logging.root.handlers), logging.root.level) == (handlers, level)


def test_train_with_own_data_and_open_run_give_the_same_run(tmp_path):
    run = qs.train(qs.load_recipe("swiss-roll", TINY), out=tmp_path / "run")
    opened = qs.open_run(tmp_path / "run")
    assert (run.sample(5, seed=2) == opened.sample(5, seed=2)).all()
    assert run.progress == opened.progress and run.best is not None
    with pytest.raises(qs.errors.RunError, match="resume"):
        qs.train(qs.load_recipe("swiss-roll", TINY), out=tmp_path / "run")
    data = 100.0 + 7.0 * np.random.default_rng(0).normal(size=(200, 3))
    own = qs.train(qs.load_recipe("swiss-roll", TINY | {"source.use": "array"}), data=data)
    made = own.sample(400)
    assert made.shape == (400, 3) and abs(made.mean() - 100) < 5
    with pytest.raises(qs.DataError, match="shape"):
        own.bound(np.zeros((4, 2)))


def test_the_bound_in_the_users_units_has_the_jacobian():
    data = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    recipe = qs.load_recipe("swiss-roll", TINY | {"source.use": "array"})
    one, two = (qs.train(recipe, data=scale * data).evaluate("test") for scale in (1.0, 10.0))
    assert one.bound.value == pytest.approx(two.bound.value, abs=1e-3)
    assert one.user_bound.value - two.user_bound.value == pytest.approx(2 * np.log(10), abs=1e-3)


ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["README.md", "docs/tutorials/library.md"])
def test_the_first_example_of_a_page_is_a_dozen_lines_that_work(page, capsys):
    text = re.search(r"^```python\n(.*?)^```$", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE).group(1)
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) <= 12
    assert all(name in text for name in ("qs.make(", "qs.Ports.of(", "qs.Diffusion(", "qs.fit(", "qs.ledger(", "qs.sample("))
    session = {}
    exec(text, session)
    bound = qs.ledger(session["diffusion"], session["data"], key=jr.key(1)).bound
    # the data are normal: their true log-likelihood, and what independent elements would give
    mix = np.array([[1.0, 0.8], [0.0, 0.6]])
    noise = session["data"] @ np.linalg.inv(mix)
    truth = -np.log(2 * np.pi * 0.6) - 0.5 * (noise**2).sum(axis=1)
    null = -np.log(2 * np.pi) - 0.5 * (session["data"] ** 2).sum(axis=1)
    assert null.mean() + 0.2 < bound.value < truth.mean() + 4 * bound.standard_error
    assert str(session["kernel"].event.size) == "2" and "+-" in capsys.readouterr().out


def files_of(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != ".lock")


def test_train_in_a_folder_does_what_the_command_does(tmp_path, cli, capfd):
    options = TINY | {"training.observers": ["progress", "jsonl"]}
    run = qs.train(qs.load_recipe("swiss-roll", options), out=tmp_path / "library")
    assert capfd.readouterr() == ("", "")
    settings = [word for name, value in options.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    done = cli("train", "swiss-roll", *settings, "--out", tmp_path / "command")
    assert done.exit_code == 0, done.output
    library, command = tmp_path / "library", tmp_path / "command"
    assert files_of(library) == files_of(command) and "metrics.jsonl" in files_of(library)
    for name in ("metrics.jsonl", "recipe.toml", "run.json"):
        assert (library / name).read_text() == (command / name).read_text()
    other = qs.open_run(command)
    assert other.progress == run.progress and len(run.progress.history) == 3
    assert (other.sample(5) == run.sample(5)).all()


def test_train_calls_observers_of_the_caller_as_well(tmp_path):
    class Watch(qs.AbstractObserver):
        def progress(self, update, metrics):
            self.update = update

    watch = Watch()
    qs.train(qs.load_recipe("swiss-roll", TINY | {"training.observers": ["jsonl"]}), out=tmp_path / "run", observers=[watch])
    assert watch.update == 20 and (tmp_path / "run" / "metrics.jsonl").exists()


def test_importing_configures_nothing_and_loads_no_jax(python):
    assert python("import sys, quasistatic; quasistatic.Component; print('jax' in sys.modules)").strip() == "False"
