"""Whether jax computes right sums: the self-test, and the flag that the command line sets."""

import importlib.metadata
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from quasistatic import testing
from quasistatic._plugins.manager import plugins
from quasistatic._process import arithmetic
from quasistatic.cli._jax import compiled_quickly, set_xla_flags, with_right_arithmetic
from quasistatic.errors import ArithmeticFault, QuasistaticError

FLAG = ArithmeticFault.flag


@pytest.fixture
def counted(monkeypatch):
    """The self-test as in a new process; the list grows by one for every program that is compiled."""
    calls, compiled = [], arithmetic._compiled
    monkeypatch.setattr(arithmetic, "_compiled", lambda *inputs: calls.append(None) or compiled(*inputs))
    arithmetic.check_arithmetic.cache_clear()
    yield calls
    arithmetic.check_arithmetic.cache_clear()


def a_constant_lost(ones, rows, matrix):
    """jaxlib 0.11.1 and later: one of the two readers of 0.5 * ones reads the ones."""
    sums = (ones + jnp.exp(0.5 * ones)).reshape(-1, 2).sum(-1)
    return sums, ((rows @ matrix.T) ** 2).sum(-1)


def rows_mixed_up(ones, rows, matrix):
    """jaxlib 0.10.2: rows after the 32,768th are taken from elsewhere."""
    scaled = 0.5 * ones.reshape(-1, 2)
    rows = jnp.concatenate([rows[:32_768], rows[32_736:-32]])
    return (scaled + jnp.exp(scaled)).sum(-1), ((rows @ matrix.T) ** 2).sum(-1)


def not_a_number(ones, rows, matrix):
    return (ones / 0.0 - ones / 0.0).sum((-1, -2)), ((rows @ matrix.T) ** 2).sum(-1)


def test_the_installed_jax_computes_right_and_is_asked_once(counted):
    arithmetic.check_arithmetic()
    arithmetic.check_arithmetic()
    assert len(counted) == 1


@pytest.mark.parametrize("double", [False, True])
def test_right_sums_pass_in_either_precision(counted, double):
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", double)
    try:
        arithmetic.check_arithmetic()
    finally:
        jax.config.update("jax_enable_x64", before)
    assert counted


@pytest.mark.parametrize("wrong", [a_constant_lost, rows_mixed_up, not_a_number])
def test_wrong_sums_are_refused_each_time_with_a_way_out(counted, monkeypatch, wrong):
    monkeypatch.setattr(arithmetic, "_program", wrong)
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    for _ in range(2):  # a refusal is not kept: it would be forgotten that there was one
        with pytest.raises(ArithmeticFault) as caught:
            arithmetic.check_arithmetic()
    text = str(caught.value)
    assert jax.__version__ in text and "wrong sums" in text
    assert "pip install" in text and f"XLA_FLAGS='{FLAG}='" in text
    assert isinstance(caught.value, QuasistaticError) and caught.value.exit_code == 1


@pytest.mark.parametrize("kind, name", [("observer", "jsonl"), ("kernel", "gaussian")])
def test_the_kit_gives_no_verdict_on_wrong_sums(counted, monkeypatch, kind, name):
    monkeypatch.setattr(arithmetic, "_program", a_constant_lost)
    with pytest.raises(ArithmeticFault):
        testing.check([plugins().component(kind, name)])


def test_a_flag_that_is_set_is_not_offered_again():
    text = arithmetic._message("1", "1", 1.0, f"--xla_x=1 {FLAG}=")
    assert "pip install" in text and "XLA_FLAGS" not in text


def test_the_tolerance_is_far_from_rounding_and_from_the_faults():
    inputs = arithmetic._inputs()
    right = arithmetic._expected(*inputs)

    def off(program):
        return max(float(np.max(np.abs(np.asarray(a) - b))) for a, b in zip(program(*inputs), right, strict=True))

    assert 1e4 * off(arithmetic._program) < arithmetic._TOLERANCE < off(a_constant_lost) / 3 < off(rows_mixed_up)


def test_nothing_is_compiled_where_programs_do_not_run_on_a_cpu(counted, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    arithmetic.check_arithmetic()
    assert not counted


def test_it_runs_inside_a_trace_and_where_jit_is_disabled(counted):
    def traced(x):
        arithmetic.check_arithmetic()
        return 2 * x

    assert jax.jit(jax.vmap(traced))(np.ones(3)).sum() == 6
    arithmetic.check_arithmetic.cache_clear()
    with jax.disable_jit():
        arithmetic.check_arithmetic()
    assert len(counted) == 2


def test_the_flag_is_known_without_jax_and_numpy():
    program = "import sys, quasistatic.cli._jax; sys.exit(bool({'jax', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], env=os.environ).returncode == 0


@pytest.mark.parametrize(
    ("flags", "jaxlib", "expected"),
    [
        ("", "0.10.2", f"{FLAG}="),
        ("", "0.12.0.1", f"{FLAG}="),
        ("", "0.10.1", ""),
        ("", "0.11.0", ""),
        ("", "0.12.1", ""),
        ("", "unknown", ""),
        ("--xla_dump_to=/x", "0.11.1", f"--xla_dump_to=/x {FLAG}="),
        ("--xla_dump_to=/x", "0.11.0", "--xla_dump_to=/x"),
        (f"{FLAG}=LIBRARY_FUSION_TYPE_DOT", "0.11.2", f"{FLAG}=LIBRARY_FUSION_TYPE_DOT"),
        ("/a/file/of/flags", "0.11.2", "/a/file/of/flags"),
    ],
)
def test_the_command_line_sets_the_flag_where_it_is_needed_and_not_chosen(flags, jaxlib, expected):
    assert with_right_arithmetic(flags, jaxlib) == expected
    assert with_right_arithmetic(expected, jaxlib) == expected


QUICK = "--xla_cpu_use_fusion_emitters=false"


@pytest.mark.parametrize(
    ("flags", "jaxlib", "expected"),
    [
        ("", "0.9.0", QUICK),
        ("--xla_dump_to=/x", "0.11.0", f"--xla_dump_to=/x {QUICK}"),
        (QUICK.replace("false", "true"), "0.10.1", QUICK.replace("false", "true")),
        (QUICK, "0.10.1", QUICK),
        ("/a/file/of/flags", "0.10.1", "/a/file/of/flags"),
        ("", "0.12.0", ""),
        ("", "unknown", ""),
    ],
)
def test_programs_that_run_briefly_are_compiled_quickly_where_the_flag_is_known(flags, jaxlib, expected):
    assert compiled_quickly(flags, jaxlib) == expected


def test_the_flag_is_known_to_the_jaxlib_that_is_installed(python):
    flags = compiled_quickly("", importlib.metadata.version("jaxlib"))
    assert python("import jax; print(jax.jit(lambda x: x + 1)(1))", XLA_FLAGS=flags) == "2\n"  # an unknown one ends the process


@pytest.mark.parametrize(("jaxlib", "expected"), [("0.11.0", {}), ("0.11.1", {"XLA_FLAGS": f"{FLAG}="})])
def test_the_environment_gets_the_flag_before_jax_is_imported(monkeypatch, jaxlib, expected):
    monkeypatch.setattr("quasistatic.cli._jax.version", lambda name: jaxlib)
    environ = {}
    set_xla_flags(environ)
    assert environ == {}, "jax is imported here"
    with monkeypatch.context() as later:
        later.delitem(sys.modules, "jax")
        set_xla_flags(environ)
    assert environ == {"TF_CPP_MIN_LOG_LEVEL": "3", **expected}
    with monkeypatch.context() as later:
        later.delitem(sys.modules, "jax")
        set_xla_flags(chosen := {"TF_CPP_MIN_LOG_LEVEL": "0"})
    assert chosen["TF_CPP_MIN_LOG_LEVEL"] == "0"
