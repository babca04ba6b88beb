"""Random keys: what the library does with its own, and that misuse is seen."""

import ast
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import pytest

import quasistatic as qs
from quasistatic._process import ledger as _ledger
from quasistatic._process import sample as _sample
from quasistatic._process.sampler import Ancestral
from quasistatic._training import engine as _engine
from quasistatic.testing._setting import Setting
from quasistatic.testing._tools.bench import Fading, Redraw
from quasistatic.testing._tools.key_trace import is_random, key_faults

ROOT = Path(__file__).parents[2]
KEY = jr.key(0)


def split_and_name(key):
    first, second = jr.split(key)
    return jr.normal(first) + jr.uniform(second)


def fold_numbers(key):
    return sum(jr.normal(jr.fold_in(key, number)) for number in range(3))


def fold_in_a_loop(key):
    return jax.lax.map(lambda number: jr.normal(jr.fold_in(key, number)), jnp.arange(3))


def rows_of_a_split(key):
    return jax.lax.map(jr.normal, jr.split(key, 4)).sum() + jax.vmap(jr.normal)(jr.split(jr.split(key)[0], 2)).sum()


def one_of_two_branches(key):
    coin, rest = jr.split(key)
    return jax.lax.cond(jr.bernoulli(coin), lambda k: jr.normal(k), lambda k: jr.uniform(k), rest)


def two_methods_of_one_family(key):
    return jr.binomial(key, 5, 0.3)  # jax gives one key to two methods and keeps one result


def through_a_gradient(key):
    return jax.grad(lambda x: x * jr.normal(key))(1.0)


def split_and_fold(key):
    return jr.normal(jr.fold_in(key, 7)) + jr.normal(jr.split(key, 3)[1])


def draw_twice(key):
    return jr.normal(key) + jr.uniform(key)


def draw_and_split(key):
    return jr.normal(key) + jr.normal(jr.split(key)[0])


def one_part_twice(key):
    parts = jr.split(key)
    return jr.normal(parts[0]) + jr.normal(parts[0])


def one_number_twice(key):
    return jr.normal(jr.fold_in(key, 1)) + jr.uniform(jr.fold_in(key, 1))


def one_key_at_every_turn(key):
    return jax.lax.fori_loop(0, 5, lambda _, total: total + jr.normal(key), 0.0)


def one_key_at_every_row(key):
    return jax.lax.map(lambda x: x * jr.normal(key), jnp.arange(3.0))


@pytest.mark.parametrize(
    "clean",
    [split_and_name, fold_numbers, fold_in_a_loop, one_of_two_branches, two_methods_of_one_family, through_a_gradient],
)
def test_a_key_with_one_use_is_no_fault(clean):
    assert key_faults(clean, KEY) == []


@pytest.mark.parametrize(
    ("misuse", "fault"),
    [
        (split_and_fold, "folded and split"),
        (draw_twice, "drawn from 2 times"),
        (draw_and_split, "drawn from and split"),
        (one_part_twice, "drawn from 2 times"),
        (one_number_twice, "folded 2 times with 1"),
        (one_key_at_every_turn, "drawn from 2 times"),
        (one_key_at_every_row, "drawn from 2 times"),
        (rows_of_a_split, "split 2 times"),
    ],
)
def test_a_key_with_two_uses_is_named(misuse, fault):
    assert key_faults(misuse, KEY) == [f"a key is {fault}"]


def test_whether_a_function_uses_its_key():
    assert is_random(jr.normal) and not is_random(lambda key: jnp.ones(()))


def kernels():
    return [Redraw(), Fading()]


@pytest.mark.parametrize("kernel", kernels(), ids=["finite", "normal"])
def test_the_ledger_and_the_sampler_of_many_events_use_each_key_once(kernel):
    diffusion, numbers = Setting().diffusion_with_random_network(kernel, 3), jnp.arange(4)
    xs = jax.vmap(kernel.reference().sample)(jr.split(jr.key(1), 4))
    terms = lambda key: _ledger._batch_terms(False, diffusion.for_chain(), xs, None, key, numbers, 8)  # noqa: E731
    events = lambda key: _sample._block(False, Ancestral(), diffusion, diffusion.times(), key, numbers, None, None)  # noqa: E731
    assert key_faults(terms, KEY) == key_faults(events, KEY) == []


@pytest.mark.parametrize("kernel", kernels(), ids=["finite", "normal"])
def test_training_uses_each_key_once(kernel):
    objective, diffusion = qs.make("objective", "bound"), Setting().diffusion_with_random_network(kernel, 3)
    options = qs.TrainingOptions(updates=4, batch=4, fuse=2)
    _, rest = _engine.trained_part(diffusion)

    def draw(row, *, key):
        return kernel.reference().sample(key), None

    def updates(key):
        fixed = _engine.Fixed(rest, objective, key, draw, options)
        chunk = (fixed, None, jnp.asarray(2)), _engine.initial_state(diffusion, options)
        return eqx.filter(_engine.chunk.__wrapped__(*chunk), eqx.is_array)

    assert key_faults(updates, KEY) == []


def calls(tree, function):
    """Names that are handed to jr.split, or jr.fold_in, first."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == function:
            if node.args and isinstance(node.args[0], ast.Name) and getattr(node.func.value, "id", "") == "jr":
                yield node.args[0].id


def split_and_folded(source):
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    return [node.name for node in functions if {*calls(node, "split")} & {*calls(node, "fold_in")}]


def test_no_function_splits_and_folds_one_key():
    files = [*ROOT.glob("framework/quasistatic/**/*.py"), *ROOT.glob("plugins/quasistatic_plugins/**/*.py")]
    assert len(files) > 50
    assert {str(file): found for file in files if (found := split_and_folded(file.read_text()))} == {}


def test_a_function_that_does_is_found():
    assert split_and_folded("def f(key):\n    return jr.split(key), jr.fold_in(key, 1)") == ["f"]
