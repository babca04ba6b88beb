"""The library inside the programs of others: pools, compiled functions, samplers, notebooks; it configures nothing."""

import inspect
import io
import pickle
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import get_type_hints

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic._training.options import TrainingKeywords
from quasistatic.errors import QuasistaticError
from quasistatic.thermodynamics.work import forward_weights

TINY = {"training.updates": 4, "training.batch": 8, "training.fuse": 2, "training.validation_events": 16, "trajectory.steps": 3}


def pair(steps=4):
    kernel = qs.make("kernel", "gaussian", qs.Real((2,)))
    model = qs.make("model", "dense", qs.Ports.of(kernel), key=jr.key(0), width=8, depth=1)
    return qs.Diffusion(kernel, model, steps)


def fitted(data, **more):
    keywords = {"updates": 2, "batch": 8, "fuse": 2, "validation_events": 16, **more}
    return qs.fit(pair(), data, qs.make("objective", "bound"), **keywords)


NUMBERS = np.random.default_rng(0).normal(size=(40, 2))


# errors, recipes and runs in other processes

ARGUMENTS = {"problems": ("training.rate: too large", "seed: no"), "update": 7, "message": "it stopped"}
ERRORS = [kind for kind in vars(qs.errors).values() if isinstance(kind, type) and issubclass(kind, QuasistaticError)]


def an_error(kind):
    """One of each class, with what its own constructor takes."""
    own = "__init__" in vars(kind)
    return kind(*(ARGUMENTS[name] for name in list(inspect.signature(kind).parameters))) if own else kind("what", 3)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_is_pickled_whole(kind):
    error = an_error(kind)
    error.add_note("in row 3")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.args, vars(again)) == (kind, str(error), error.args, vars(error))
    assert again.exit_code == error.exit_code


def test_errors_recipes_and_runs_come_through_a_pool_of_processes():
    run = qs.train(qs.load_recipe("swiss-roll", TINY | {"model.width": 8}))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        with pytest.raises(qs.errors.RecipeError) as found:
            pool.submit(qs.load_recipe, "swiss-roll", {"training.rate": -1.0, "training.bach": 3}).result()
        assert len(found.value.problems) == 2 and "bach" in str(found.value)
        recipe = pool.submit(qs.load_recipe, "swiss-roll", TINY).result()
        assert recipe == qs.load_recipe("swiss-roll", TINY)
        drawn = pool.submit(run.sample, 3, seed=1).result()
    np.testing.assert_allclose(drawn, run.sample(3, seed=1), rtol=1e-5)


# inside jit, vmap and grad

INSIDE = {
    "sample": lambda x: qs.sample(pair(), 2, key=jr.key(0), side=x),
    "ledger": lambda x: qs.ledger(pair(), x, key=jr.key(0)).per_event,
    "fit": lambda x: fitted(x),
    "forward paths": lambda x: forward_weights(pair(), x, key=jr.key(0), paths=2),
}


@pytest.mark.parametrize(
    "how", [jax.jit, lambda f: jax.vmap(f), lambda f: jax.grad(lambda x: f(x).sum())], ids=["jit", "vmap", "grad"]
)
@pytest.mark.parametrize("what", INSIDE)
def test_what_works_in_blocks_says_what_to_call_inside_a_transformation(what, how):
    with pytest.raises(
        TypeError, match=f"^{what} computes many events in blocks and cannot be called inside jit, vmap or grad; call qs."
    ):
        how(INSIDE[what])(jnp.ones((3, 2)))


def test_a_key_that_is_traced_is_refused_too():
    with pytest.raises(TypeError, match=r"call qs.trajectory.reverse\("):
        jax.vmap(lambda key: qs.sample(pair(), 2, key=key))(jr.split(jr.key(0), 2))
    with pytest.raises(TypeError, match=r"call qs.log_prob_bound\("):
        jax.jit(lambda key: qs.ledger(pair(), NUMBERS, key=key))(jr.key(0))


def test_the_call_that_is_named_for_samples_draws_the_same_events():
    drawn = jax.jit(lambda key: qs.trajectory.reverse(qs.Ancestral(), pair(), pair().times(), key=key).x)(jr.fold_in(jr.key(3), 0))
    np.testing.assert_allclose(drawn, qs.sample(pair(), 1, key=jr.key(3))[0], rtol=1e-4)


def test_the_bound_of_one_event_is_the_ledgers_compiled_mapped_and_differentiated():
    diffusion, xs = pair(), jnp.asarray(NUMBERS[:6], jnp.float32)
    keys = jax.vmap(lambda number: jr.fold_in(jr.key(1), number))(jnp.arange(6))

    def bound(x, key):
        return qs.log_prob_bound(diffusion, x, key=key, steps=7)

    expected = qs.ledger(diffusion, NUMBERS[:6], key=jr.key(1), steps=7).per_event
    np.testing.assert_allclose(jax.jit(jax.vmap(bound))(xs, keys), expected, rtol=1e-4)
    # the gradient is that of finite differences, and of what it gives in a direction
    way, small = jnp.array([0.6, -0.8]), 1e-2
    slope = jax.jit(jax.grad(bound))(xs[0], keys[0]) @ way
    differences = (bound(xs[0] + small * way, keys[0]) - bound(xs[0] - small * way, keys[0])) / (2 * small)
    np.testing.assert_allclose(slope, differences, rtol=2e-2)
    weights = eqx.filter_grad(lambda d: qs.log_prob_bound(d, xs[0], key=keys[0]))(diffusion)
    assert any(jnp.abs(leaf).max() > 0 for leaf in jax.tree.leaves(weights.model))


def test_the_bound_of_side_information_is_that_of_the_given_pair():
    label = qs.Categorical((), 2)
    kernel = qs.make("kernel", "gaussian", qs.Real((2,)))
    model = qs.make("model", "dense", qs.Ports.of(kernel, label), key=jr.key(0), width=8, depth=1)
    model = jax.tree.map(lambda leaf: leaf + 0.3 if eqx.is_inexact_array(leaf) else leaf, model)
    diffusion = qs.Diffusion(kernel, model, 4, side=qs.Side.absent(label))
    bounds = [qs.log_prob_bound(diffusion.given(side), jnp.ones(2), key=jr.key(1)) for side in (jnp.int32(0), jnp.int32(1))]
    expected = qs.ledger(diffusion, np.ones((1, 2)), key=jr.key(1), side=np.array([1], np.int32))
    key = jr.fold_in(jr.key(1), 0)
    np.testing.assert_allclose(
        qs.log_prob_bound(diffusion.given(jnp.int32(1)), jnp.ones(2), key=key), expected.per_event[0], rtol=1e-4
    )
    assert bounds[0] != bounds[1]


# numbers that are far from model units


def test_numbers_far_from_model_units_are_named_before_training():
    with pytest.warns(RuntimeWarning, match=r"^fit: the data must be in model units.*ledger.prior") as found:
        fitted(170 + 10 * NUMBERS)
    assert [each.filename for each in found] == [__file__]  # once, and where fit is called
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted(NUMBERS)
        fitted(3 * NUMBERS)  # wide, and yet the end of the chain does not know it


def test_the_part_that_is_far_is_named():
    event = qs.Fields({"kind": qs.Categorical((), 3), "size": qs.Real((1,))})
    kernels = {"kind": qs.make("kernel", "uniform", event["kind"]), "size": qs.make("kernel", "gaussian", event["size"])}
    kernel = qs.join_kernels(kernels)
    diffusion = qs.Diffusion(kernel, qs.make("model", "dense", qs.Ports.of(kernel), key=jr.key(0), width=8), 3)
    people = {"kind": np.zeros(20, np.int32), "size": 100 + NUMBERS[:20, :1]}
    with pytest.warns(RuntimeWarning, match="fit: part 'size' must be in model units"):
        qs.fit(diffusion, people, qs.make("objective", "bound"), updates=2, batch=8, fuse=2)


# the process around it


def test_calls_configure_nothing(python):
    said = python("""
import logging, os, random, signal, sys, warnings
import jax, matplotlib, numpy as np, jax.random as jr, optax, absl.logging, scipy.special, equinox, rich.progress, tensorboardX

def state():
    return {
        "handlers": [(name, list(logger.handlers), logger.level) for name, logger in
                     [("root", logging.root), ("jax", logging.getLogger("jax")), ("absl", logging.getLogger("absl"))]],
        "warnings": list(warnings.filters), "hooks": (sys.excepthook, sys.unraisablehook, warnings.showwarning),
        "signals": [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
        "random": (random.getstate(), str(np.random.get_state())), "errors of numpy": np.geterr(),
        "jax": dict(jax.config.values), "matplotlib": dict(matplotlib.rcParams), "environment": dict(os.environ),
        "folder": os.getcwd(), "recursion": sys.getrecursionlimit(),
    }

before = state()
import quasistatic as qs
kernel = qs.make("kernel", "gaussian", qs.Real((2,)))
model = qs.make("model", "dense", qs.Ports.of(kernel), key=jr.key(0), width=8, depth=1)
data = np.random.default_rng(0).normal(size=(40, 2))
short = {"updates": 2, "batch": 8, "fuse": 2, "validation_events": 16}
for more in ({}, {"schedule": "constant"}, {"warmup": 1}):
    diffusion = qs.fit(qs.Diffusion(kernel, model, 3), data, qs.make("objective", "bound"), **short, **more)
qs.sample(diffusion, 2, key=jr.key(0))
qs.ledger(diffusion, data, key=jr.key(0))
run = qs.train(qs.load_recipe("swiss-roll", {f"training.{name}": value for name, value in short.items()} | {"trajectory.steps": 3}))
qs.pictures.samples(run.source, run.sample(4, model_units=True))
after = state()
print([(name, before[name], after[name]) for name in before if before[name] != after[name]])
""")
    assert said == "[]\n"


def test_draws_do_not_depend_on_whether_x64_is_on(python):
    code = """
import jax, numpy as np, jax.random as jr, quasistatic as qs
kernel = qs.make("kernel", "gaussian", qs.Real((2,)))
model = qs.make("model", "dense", qs.Ports.of(kernel), key=jr.key(0), width=8, depth=1)
diffusion = qs.Diffusion(kernel, model, 4)
xs = np.random.default_rng(0).normal(size=(40, 2))
def found():
    return [qs.ledger(diffusion, xs, key=jr.key(1)).bound.value, *qs.sample(diffusion, 2, key=jr.key(2)).ravel()]
before = found()
jax.config.update("jax_enable_x64", True)
print(np.max(np.abs(np.subtract(found(), before))))
"""
    assert float(python(code)) < 1e-4


# at a prompt and in a notebook


def test_what_is_shown_is_short_and_its_table_is_escaped():
    diffusion = pair()
    ledger = qs.ledger(diffusion, NUMBERS, key=jr.key(0))
    run = qs.train(qs.load_recipe("swiss-roll", TINY | {"model.width": 8}))
    run = attrs.evolve(run, recipe=attrs.evolve(run.recipe, name="<script>alert(1)</script>\x1b[31m" + 500 * "x"))
    for value in (diffusion, ledger, ledger.bound, run):
        name, line, table = type(value).__name__, repr(value), value._repr_html_()
        assert line.startswith(f"{name}(") and "\n" not in line and len(line) < 600
        assert table.startswith("<table>") and table.count("<tr>") <= 12 and f"<caption>{name}</caption>" in table
        assert "<script" not in table and "\x1b" not in table + line and len(table) < 2500
    assert "&lt;script&gt;" in run._repr_html_()
    for shown in (repr(run), run._repr_html_()):
        assert "4 of 4" in shown and "swiss-roll" in shown and "in memory" in shown
    assert str(ledger.bound) in repr(ledger.bound) and "nats per event" in repr(ledger.bound)
    assert str(ledger.bound.customary()) in repr(ledger) and "T: 4" in repr(ledger)
    assert "AffineGaussian" in repr(diffusion) or "Gaussian" in repr(diffusion)


def test_a_diffusion_without_values_is_shown_too():
    shapes = jax.eval_shape(pair)
    seen = []
    jax.jit(lambda d: seen.append(repr(d)))(pair())
    assert seen == [repr(shapes)] == [repr(pair())]
    assert repr(jax.tree.map(lambda _: None, pair())).startswith("Diffusion(")


class OutStream(io.StringIO):
    """What a kernel of a notebook has in place of a terminal."""

    def isatty(self):
        return False


def test_progress_in_a_notebook_is_a_bar_in_one_line(monkeypatch):
    monkeypatch.setattr(OutStream, "__module__", "ipykernel.iostream")
    screen = OutStream()
    monkeypatch.setattr("sys.stderr", screen)
    fitted(NUMBERS, updates=10, validate_every=10, observers=[qs.make("observer", "progress", None)])
    shown = screen.getvalue()
    bars = [part for part in shown.split("\r") if "loss" in part]
    assert 2 <= len(bars) <= 5 and "10/10" in bars[-1] and "\x1b" not in shown
    assert len([line for line in shown.splitlines() if line.startswith("update 10 of 10: K (T = 4)")]) == 1


# types


def test_the_keywords_that_type_checkers_know_are_the_options():
    assert get_type_hints(TrainingKeywords) == get_type_hints(qs.TrainingOptions)


def test_type_checkers_find_wrong_keywords_and_know_what_is_made(tmp_path):
    api = pytest.importorskip("mypy.api")
    (tmp_path / "user.py").write_text("""
import jax.random as jr
import quasistatic as qs
kernel = qs.make("kernel", "gaussian", qs.Real((2,)))
model = qs.make("model", "dense", qs.Ports.of(kernel), key=jr.key(0))
diffusion = qs.fit(qs.Diffusion(kernel, model, 3), [], qs.make("objective", "bound"), updates=3)
qs.fit(diffusion, [], qs.make("objective", "bound"), updatess=3)
qs.fit(diffusion, [], qs.make("objective", "bound"), optimiser="adm")
qs.Diffusion(model, model, 3)
reveal_type(qs.make("sampler", "ode"))
reveal_type(qs.log_prob_bound(diffusion, 0, key=jr.key(0)))
""")
    said, _, code = api.run(
        [str(tmp_path / "user.py"), "--ignore-missing-imports", "--follow-imports=silent", f"--cache-dir={tmp_path}"]
    )
    lines = [line.split(":", 2)[1:] for line in said.splitlines() if "user.py:" in line]
    found = {int(line): text for line, text in lines if "error" in text or "Revealed" in text}
    assert code == 1 and "updatess" in found[7] and "optimiser" in found[8] and "AbstractModel" in found[9], said
    assert "AbstractSampler" in found[10] and set(found) == {7, 8, 9, 10, 11}, said
