"""The examples that authors copy: small, on public names alone, lawful, and of use."""

from __future__ import annotations

import ast
import importlib
import io
import json
import os
import shutil
import subprocess
import sys
import tokenize
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from quasistatic_angles.molecule import AnglesOptions
from quasistatic_angles.molecule.source import Angles
from quasistatic_angles.wrapped_normal import Angle, WrappedNormalOptions
from quasistatic_angles.wrapped_normal.kernel import WrappedNormalKernel, log_wrapped
from quasistatic_blur import BlurOptions
from quasistatic_blur.kernel import BlurKernel, Cosines
from quasistatic_positive import square_root as square_root_plugin
from quasistatic_positive import waits as waits_plugin
from quasistatic_positive.square_root import SquareRootOptions
from quasistatic_positive.square_root.kernel import SCALE, SquareRootKernel
from quasistatic_tabular import OrdersOptions
from quasistatic_tabular.source import Orders
from quasistatic_windows import WindowsOptions
from quasistatic_windows.source import Windows
from scipy import stats

import quasistatic as qs

THIRD_PARTY = Path(__file__).parents[1] / "third_party"
# by plugin: its modules, as its entry point names them
PLUGINS = {
    "wrapped-normal": "quasistatic-angles/quasistatic_angles/wrapped_normal",
    "molecule": "quasistatic-angles/quasistatic_angles/molecule",
    "blur": "quasistatic-blur/quasistatic_blur",
    "square-root": "quasistatic-positive/quasistatic_positive/square_root",
    "waits": "quasistatic-positive/quasistatic_positive/waits",
    "tabular": "quasistatic-tabular/quasistatic_tabular",
    "windows": "quasistatic-windows/quasistatic_windows",
    "archive": "quasistatic-archive/quasistatic_archive",
}
DISTRIBUTIONS = sorted({folder.split("/")[0] for folder in PLUGINS.values()})
SPLITS = ("train", "validation", "test")
SHORT = (
    *("training.updates=20", "training.validate_every=20", "training.validation_events=20", "training.observers=[]"),
    *("model.width=8", "trajectory.steps=4", "evaluation.trajectory_steps=[]", "evaluation.events=20"),
)
SETS = tuple(f"--set={text}" for text in SHORT)


def modules_of(plugin: str) -> list[str]:
    return [path.read_text() for path in sorted((THIRD_PARTY / PLUGINS[plugin]).rglob("*.py"))]


def code_lines(text: str) -> int:
    """Lines with code: no blank lines, comments or docstrings."""
    silent = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type not in silent]
    lines = {line for token in tokens for line in range(token.start[0], token.end[0] + 1)}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_an_example_is_short(plugin: str) -> None:
    """80 lines; the angles bring a field of their own as well, the blur two kinds of noise, positive numbers a bridge, windows a
    recipe that opens its files."""
    lines = [code_lines(text) for text in modules_of(plugin)]
    assert 0 < sum(lines) < {"wrapped-normal": 90, "windows": 90, "blur": 100, "square-root": 120}.get(plugin, 80), lines


@pytest.mark.parametrize("plugin", PLUGINS)
def test_an_example_uses_public_names_alone(plugin: str) -> None:
    public = {*dir(qs)} & {*qs._HOMES, "__version__"}
    for text in modules_of(plugin):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom):
                if (node.module or "").split(".")[0] in ("quasistatic", "quasistatic_plugins"):
                    assert node.module == "quasistatic.kits" or (node.module, node.names[0].name) == ("quasistatic.cli", "parts")
                assert not any(alias.name.startswith("_") for alias in node.names)
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names if alias.name.startswith("quasistatic")]
                assert names in ([], ["quasistatic"])
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "qs":
                assert node.attr in public, node.attr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Runs a module of python where the examples are installed."""
    folder = tmp_path_factory.mktemp("examples")
    projects = [str(shutil.copytree(THIRD_PARTY / name, folder / name)) for name in DISTRIBUTIONS]
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([sys.executable, *install, "--target", str(folder / "site"), *projects], check=True, capture_output=True)

    def call(module: str, *arguments: Any) -> str:
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(folder / "site"), os.environ.get("PYTHONPATH")]))}
        command = [sys.executable, "-m", module, *map(str, arguments)]
        found = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=env)
        assert found.returncode == 0, found.stdout + found.stderr
        return found.stdout

    return call


def test_the_examples_are_found_where_they_are_installed(installed: Callable[..., str]) -> None:
    found = {plugin["name"]: plugin for plugin in json.loads(installed("quasistatic", "plugins", "--json"))}
    assert all(found[name]["state"] == "loaded" and found[name]["version"] == "0.1.0" for name in PLUGINS)
    assert found["wrapped-normal"]["provides"] == ["kernel wrapped-normal"]
    assert set(found["molecule"]["provides"]) == {"source angles", "recipe angles"}
    assert found["windows"]["provides"] == ["source windows", "recipe windows"]
    assert found["archive"]["provides"] == ["command archive"]
    assert "angles" in installed("quasistatic", "recipes")


def test_the_examples_own_tests_pass(installed: Callable[..., str]) -> None:
    """Those of the angles and of positive numbers are the laws below."""
    quiet = ("pytest", "-q", "-p", "no:cacheprovider")
    for name in ("quasistatic-windows", "quasistatic-archive", "quasistatic-tabular"):
        assert " passed" in installed(*quiet, f"{name}/tests")
    assert "test_wrapped_normal" in installed(*quiet, "--collect-only", "quasistatic-angles/tests")
    assert "test_square_root" in installed(*quiet, "--collect-only", "quasistatic-positive/tests")


def angle_laws() -> Iterator[Any]:
    kernel = WrappedNormalKernel(WrappedNormalOptions(), Angle((2, 1)))
    for kind, instance in (("kernel", kernel), ("source", Angles(AnglesOptions()))):
        for law in qs.testing.laws_of(kind, instance):
            yield pytest.param(law, id=f"{kind}-{law.name}")


@pytest.mark.parametrize("law", list(angle_laws()))
def test_angles_keep_the_laws(law: Callable[[], None]) -> None:
    law()


def blur_laws() -> Iterator[Any]:
    for noise in ("matched", "isotropic"):
        for law in qs.testing.laws_of("kernel", BlurKernel(BlurOptions(noise), qs.Real((2, 1)))):
            yield pytest.param(law, id=f"{noise}-{law.name}")


@pytest.mark.parametrize("law", list(blur_laws()))
def test_blur_keeps_the_laws(law: Callable[[], None]) -> None:
    law()


@pytest.mark.parametrize("noise", ["matched", "isotropic"])
def test_blur_composes_and_goes_back_by_bayes(x64: None, noise: str) -> None:
    """In every dimension at once: two steps are one, and the posterior is what the three normals say."""
    for shape in ((3, 2), (2, 2, 2)):
        kernel, (key_x, key_z) = BlurKernel(BlurOptions(noise), qs.Real(shape)), jr.split(jr.key(0))
        x, z = jr.normal(key_x, shape), jr.normal(key_z, shape)
        for s, t in ((0.0, 1e-4), (0.3, 0.8), (0.999, 1.0)):
            early, late = kernel.marginal(x, s), kernel.marginal(x, t)
            step = kernel.transition(early.loc, s, t)
            kept = kernel.transition(jnp.ones(shape), s, t)
            np.testing.assert_allclose(step.loc, late.loc, atol=1e-12)
            shares = Cosines().to_basis(kept.loc)[0, 0] / Cosines().to_basis(jnp.ones(shape))[0, 0]
            assert np.allclose(late.variance[0, 0], shares**2 * early.variance[0, 0] + step.variance[0, 0], atol=1e-12)
            back = kernel.posterior(x, z, s, t)
            y = back.sample(key_x)
            joint = early.log_prob(y) + kernel.transition(y, s, t).log_prob(z)
            np.testing.assert_allclose(back.log_prob(y) + late.log_prob(z), joint, rtol=1e-9)


def test_blur_loses_what_is_fine_first_and_at_reach_zero_does_not_blur() -> None:
    kernel = BlurKernel(BlurOptions(), qs.Real((8, 8)))
    kept = jnp.exp(kernel._level(jnp.asarray(0.5)).signal)
    assert (np.diff(np.diagonal(kept)) < 0).all() and kept[0, 0] > 3 * kept[-1, -1]
    plain = BlurKernel(BlurOptions(reach=0.0), qs.Real((8, 8)))
    ports = qs.make("kernel", "gaussian", qs.Real((8, 8)), schedule="log-linear", first_noise=1e-4, last_survival=1e-4)
    x = jr.normal(jr.key(0), (8, 8))
    np.testing.assert_allclose(plain.marginal(x, jnp.asarray(0.4)).loc, ports.marginal(x, jnp.asarray(0.4)).loc, atol=1e-5)


def positive_laws() -> Iterator[Any]:
    for component in (*square_root_plugin.quasistatic_components(), *waits_plugin.quasistatic_components()):
        for built in qs.testing.builds(component):
            for law in built.laws:
                yield pytest.param(law, id=f"{component.kind}-{law.name}")


@pytest.mark.slow
@pytest.mark.parametrize("law", list(positive_laws()))
def test_positive_numbers_keep_the_laws(law: Callable[[], None]) -> None:
    law()


def square_root(shape: tuple[int, ...]) -> SquareRootKernel:
    return SquareRootKernel(SquareRootOptions(), qs.Real(shape, low=0.0))


def test_a_step_of_the_square_root_process_is_a_noncentral_chi_square(x64: None) -> None:
    """Of three degrees; its shares of gammas are Poisson's. The equilibrium is a gamma."""
    kernel, z, y = square_root((2,)), np.array([0.3, 2.0]), np.array([0.5, 1.5])
    step = kernel.transition(jnp.asarray(z), jnp.asarray(0.3), jnp.asarray(0.6))
    kept, unit = float(1 - step.variance[0]), float(step.variance[0]) / SCALE
    exact = stats.ncx2(3, kept * z / unit, scale=unit).logpdf(y).sum()
    counts = np.arange(400)
    by_count = stats.gamma(1.5 + counts, scale=2 * unit).pdf(y[:, None]) * stats.poisson(0.5 * kept * z[:, None] / unit).pmf(counts)
    assert float(step.log_prob(jnp.asarray(y))) == pytest.approx(exact, abs=1e-9)
    assert np.log(by_count.sum(axis=1)).sum() == pytest.approx(exact, abs=1e-9)
    end = stats.gamma(1.5, scale=2 / SCALE)
    assert float(kernel.equilibrium().log_prob(jnp.asarray(y))) == pytest.approx(end.logpdf(y).sum(), abs=1e-12)
    assert end.moment(2) == pytest.approx(1.0)


@pytest.mark.parametrize(("x", "z", "s", "t"), [(0.5, 1.5, 0.4, 0.5), (1e-4, 3.0, 0.5, 0.9), (2.0, 1.9, 0.1, 0.12)])
def test_bridges_of_the_square_root_process_are_drawn_as_dense_as_they_are(x: float, z: float, s: float, t: float) -> None:
    """Both halves of a pair: levels of the distribution function, by a sum over its density, against uniform ones."""
    bridge = square_root(()).posterior(*map(jnp.asarray, (x, z, s, t)))
    halves = [np.asarray(half, np.float64) for half in jax.jit(jax.vmap(bridge.pair))(jr.split(jr.key(2), 20_000))]
    edges = np.linspace(0.0, np.sqrt(1.2 * max(map(np.max, halves))), 20_001)
    middles = 0.5 * (edges[1:] + edges[:-1])  # of the root, whose density is smooth at zero
    density = np.exp(np.asarray(jax.jit(jax.vmap(bridge.log_prob))(jnp.asarray(middles**2)), np.float64)) * 2 * middles
    levels = np.append(0.0, np.cumsum(density * np.diff(edges)))
    assert levels[-1] == pytest.approx(1.0, abs=1e-4)
    for half in halves:
        assert stats.kstest(np.interp(np.sqrt(half), edges, levels), "uniform").pvalue > 1e-4


@pytest.mark.slow
def test_recipe_of_the_waits_trains(cli: Any, tmp_path: Path) -> None:
    plugins = ("-p", "quasistatic_positive.square_root", "-p", "quasistatic_positive.waits")
    told = cli(*plugins, "run", "waits", "--out", tmp_path / "run", "--json", *SETS)
    assert told.exit_code == 0, told.output
    measured = json.loads(told.stdout)["evaluations"][0]
    assert measured["kernel"] == "square-root"
    assert measured["bound"]["value"] < measured["truth"]["value"] + 4 * measured["bound"]["standard_error"]


def test_numbers_without_a_bound_are_refused() -> None:
    with pytest.raises(ValueError, match="takes positive numbers"):
        SquareRootKernel(SquareRootOptions(), qs.Real((2,)))


@pytest.mark.parametrize("law", [pytest.param(law, id=law.name) for law in qs.testing.laws_of("source", Orders(OrdersOptions()))])
def test_orders_keep_the_laws(law: qs.testing.Law) -> None:
    attrs.evolve(law, examples=1)()


def test_orders_have_the_entropy_that_they_state() -> None:
    source = Orders(OrdersOptions(test_events=20_000))
    surprise = -source.log_prob(source.split("test").x)
    assert surprise.mean() == pytest.approx(source.entropy_nats, abs=4 * surprise.std() / len(surprise) ** 0.5)


@pytest.mark.slow
def test_recipe_of_the_orders_trains(cli: Any, tmp_path: Path) -> None:
    told = cli("-p", "quasistatic_tabular", "run", "orders", "--out", tmp_path / "run", "--json", *SETS)
    assert told.exit_code == 0, told.output
    measured = json.loads(told.stdout)["evaluations"][0]
    assert (measured["source"], measured["kernel"]) == ("orders", "product")
    assert set(measured["by_part"]) == {"kind", "numbers", "sent"}


CIRCLE = 2 * np.pi * np.arange(4096) / 4096 - np.pi  # the mean over these is exact for waves up to the 4095th


@pytest.mark.parametrize("variance", [1e-3, 0.3, 6.28318, 6.28319, 10.0, 300.0])
def test_the_wrapped_density_is_that_of_all_turns(x64: None, variance: float) -> None:
    turns = 2 * np.pi * np.arange(-60, 61)
    plain = -0.5 * (CIRCLE[:, None] + turns) ** 2 / variance - 0.5 * np.log(2 * np.pi * variance)
    found = log_wrapped(jnp.asarray(CIRCLE), jnp.asarray(variance))
    np.testing.assert_allclose(found, np.logaddexp.reduce(plain, axis=1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("s", "t"), [(0.0, 1e-3), (0.2, 0.7), (0.999, 1.0)])
def test_the_circle_composes_to_rounding(x64: None, s: float, t: float) -> None:
    """Chapman-Kolmogorov, and the integral of every distribution, over the whole circle."""
    kernel = WrappedNormalKernel(WrappedNormalOptions(), Angle(()))
    x, z = jnp.asarray(3.1), jnp.asarray(-3.0)

    def mass(log_prob: Callable[[jax.Array], jax.Array]) -> float:
        return float(2 * np.pi * jnp.exp(jax.vmap(log_prob)(jnp.asarray(CIRCLE))).mean())

    through = mass(lambda y: kernel.marginal(x, s).log_prob(y) + kernel.transition(y, s, t).log_prob(z))
    assert np.log(through) == pytest.approx(float(kernel.marginal(x, t).log_prob(z)), abs=1e-9)
    params = jnp.asarray([0.7, -0.5])
    found = [kernel.equilibrium(), kernel.posterior(x, z, s, t), kernel.decode(params, z, t), kernel.reverse(params, z, s, t)]
    assert [mass(each.log_prob) for each in found] == pytest.approx([1.0] * 4, abs=1e-9)


@pytest.mark.parametrize("half", [0, 1])
def test_bridges_go_round_as_often_as_they_should(half: int) -> None:
    """From x to z either way round: draws of the posterior, and their mirror images, against its density."""
    kernel = WrappedNormalKernel(WrappedNormalOptions(), Angle(()))
    bridge = kernel.posterior(jnp.asarray(3.1), jnp.asarray(0.3), jnp.asarray(0.7), jnp.asarray(0.9))
    density = np.exp(np.asarray(jax.vmap(bridge.log_prob)(jnp.asarray(CIRCLE)), np.float64))
    exact = (density * np.exp(1j * CIRCLE)).mean() * 2 * np.pi
    drawn = np.exp(1j * np.asarray(jax.vmap(bridge.pair)(jr.split(jr.key(3), 20_000))[half], np.float64))
    assert abs(drawn.mean() - exact) < 5 * drawn.std() / len(drawn) ** 0.5


def test_the_mirror_image_lowers_the_variance_of_the_kl_and_not_its_mean() -> None:
    kernel = WrappedNormalKernel(WrappedNormalOptions(), Angle((2,)))
    x, z, s, t = jnp.asarray([3.1, 0.0]), jnp.asarray([-3.0, 0.2]), jnp.asarray(0.5), jnp.asarray(0.55)
    bridge, other = kernel.posterior(x, z, s, t), kernel.reverse(jnp.asarray([[0.8, 0.0], [-0.5, 0.0]]), z, s, t)
    keys = jr.split(jr.key(4), 4_000)
    both = (type(bridge).kl, qs.AbstractDistribution.kl)
    mirrored, plain = (jax.vmap(lambda key, kl=kl: kl(bridge, other, key=key))(keys) for kl in both)
    assert abs(mirrored.mean() - plain.mean()) < 5 * plain.std() / len(keys) ** 0.5
    assert mirrored.std() < 0.6 * plain.std()  # two independent draws: 0.71


def test_the_two_angles_have_a_density_and_depend_on_each_other(x64: None) -> None:
    source = Angles(AnglesOptions())
    axis = CIRCLE[::32]
    torus = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    assert np.exp(source.log_prob(torus)).mean() * (2 * np.pi) ** 2 == pytest.approx(1.0, abs=1e-6)
    x = source.split("test").x
    hit = np.abs(x[:, 0] + 2.1) < 0.5
    assert np.cos(x[hit, 1] - 2.36).mean() > 0.5 > np.cos(x[~hit, 1] - 2.36).mean() + 1.0
    assert -source.log_prob(x).mean() == pytest.approx(2 * (0.5 * np.log(2 * np.pi * np.e * 0.09)) + 0.943, abs=0.05)


def wav(path: Path, samples: Any, width: int = 2, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, 8000, 0, "NONE", ""))
        file.writeframes(np.asarray(samples, {1: "u1", 2: "<i2", 3: "<i2", 4: "<i4"}[width]).tobytes())
    return path


def noise(count: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=count)


def windows(path: Path, **options: Any) -> Windows:
    return Windows(WindowsOptions(str(path), **options))


@pytest.mark.parametrize("seed", [0, 1])
def test_windows_keep_the_laws(tmp_path: Path, seed: int) -> None:
    path = wav(tmp_path / "a.wav", 3000 * noise(4000))
    for law in qs.testing.laws_of("source", windows(path, length=32, hop=5, seed=seed)):
        law()


@pytest.mark.parametrize("hop", [1, 7, 40])
def test_no_sample_is_in_two_splits(tmp_path: Path, hop: int) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["count", *map(str, range(1003))]))
    source = windows(path, length=20, hop=hop)
    seen = [{*np.round(source.units.to_user(source.split(name).x)).astype(int).ravel()} for name in SPLITS]
    assert len(seen[0]) >= 14 * 20 and not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])
    first = np.round(source.units.to_user(source.split("test").x)).astype(int)
    assert (np.diff(first, axis=1) == 1).all() and len(first) == 4 * len(range(0, 50 - 20 + 1, hop))
    other = windows(path, length=20, hop=hop, seed=1)
    assert not np.array_equal(source.split("test").x, other.split("test").x)


@pytest.mark.parametrize(("width", "full", "zero"), [(1, 128, 128), (2, 2**15, 0), (4, 2**31, 0)])
def test_samples_of_any_width_have_full_scale_one(tmp_path: Path, width: int, full: int, zero: int) -> None:
    loudness = np.clip(0.25 * noise(1000), -0.9, 0.9)
    path = wav(tmp_path / "a.wav", np.round(loudness * full) + zero, width)
    source = windows(path, length=10, hop=10)
    found = np.sort(np.concatenate([source.units.to_user(source.split(name).x.astype(float)) for name in SPLITS]).ravel())
    np.testing.assert_allclose(found, np.sort(loudness), atol=0.51 / min(full, 2**20))
    assert source.split("train").x.astype(float).std() == pytest.approx(1.0, abs=1e-6)


def test_channels_become_their_mean_and_columns_have_names(tmp_path: Path) -> None:
    left, right = np.arange(400), np.arange(400)[::-1]
    stereo = wav(tmp_path / "a.wav", np.stack([left, 2 * left], axis=1), channels=2)
    mono = wav(tmp_path / "b.wav", 1.5 * left)
    np.testing.assert_allclose(windows(stereo, length=5).split("test").x, windows(mono, length=5).split("test").x, atol=2e-2)
    table = tmp_path / "a.csv"
    table.write_text("\n".join(["up,down", *(f"{a},{b}" for a, b in zip(left, right, strict=True))]))
    up, down = (windows(table, length=5, column=name).split("test").x for name in ("up", "down"))
    np.testing.assert_allclose(up, -down, atol=1e-6)


FLOAT_WAV = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\3\0\1\0\x40\x1f\0\0\0\x7d\0\0\4\0\x20\0data\0\0\0\0"


@pytest.mark.parametrize(
    ("name", "text", "options", "said"),
    [
        ("gone.wav", None, {}, "cannot be read: No such file"),
        ("gone.csv", None, {}, "there is no such file"),
        ("text.wav", b"hello, world, this is no sound", {}, "of whole numbers (PCM): file does not start with RIFF"),
        ("short.wav", b"RIFF", {}, "is not a .wav file of whole numbers (PCM): it ends too early"),
        ("float.wav", FLOAT_WAV, {}, "unknown format: 3"),
        ("a.csv", b"a\n1\n2\nnan\n", {}, "missing, the first at line 4"),
        ("b.csv", b"a\n1\n2\nx\n", {}, "'x' is not a number"),
        ("c.csv", b"a,b\n1,2\n3,4\n", {}, "source.column is ''; choose one of its columns: a, b"),
        ("d.csv", b"a,b\n1,2\n3,4\n", {"column": "c"}, "source.column is 'c'; choose one of its columns: a, b"),
        ("e.csv", b"1,2\n3,4\n", {"column": "c"}, "source.column is 'c'; choose one of its columns: 2, without names"),
        ("f.csv", b"a\n1\n2\n", {}, "holds 2 samples; source.length = 64 needs at least 1280"),
        ("g.csv", b"a\n" + b"3\n" * 100, {"length": 5}, "every training sample is 3, so there is nothing to learn"),
        ("h.json", b"3", {}, "expected a file that ends in .npy"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_used_are_refused(tmp_path: Path, name: str, text: bytes | None, options: Any, said: str) -> None:
    if text is not None:
        (tmp_path / name).write_bytes(text)
    with pytest.raises(qs.DataError) as caught:
        windows(tmp_path / name, **options)
    assert said in str(caught.value) and str(tmp_path / name) in str(caught.value) and "\n" not in str(caught.value)


def test_24_bits_and_a_torn_end_are_refused(tmp_path: Path) -> None:
    with pytest.raises(qs.DataError, match="has 24-bit samples, expected 8, 16 or 32"):
        windows(wav(tmp_path / "a.wav", np.arange(300), 3))
    path = wav(tmp_path / "b.wav", np.arange(300))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(qs.DataError, match="ends too early"):
        windows(path)


def test_a_recipe_runs_on_windows_and_must_say_where_they_are(cli: Any, tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", 3000 * noise(2000))
    (tmp_path / "a.toml").write_text('[source]\nuse = "windows"\nlength = 8\nhop = 4\n[kernel]\nuse = "gaussian"\n')
    missing = cli("-p", "quasistatic_windows", "config", tmp_path / "a.toml")
    assert missing.exit_code == 2 and "source.path: must be given (a .wav or .csv file)" in missing.output
    sets = [f"--set={text}" for text in (f'source.path="{path}"', *SHORT)]
    told = cli("-p", "quasistatic_windows", "run", tmp_path / "a.toml", "--out", tmp_path / "run", "--json", *sets)
    assert told.exit_code == 0 and json.loads(told.stdout)["evaluations"][0]["source"] == "windows", told.output


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive") / "run"
    qs.train(qs.load_recipe("swiss-roll", SHORT), out=folder)
    return folder


def test_archive_writes_samples_and_what_they_are(cli: Any, run_folder: Path, tmp_path: Path) -> None:
    run = qs.open_run(run_folder)
    asked = {"x.npy": ((), (64, 0, 4)), "x.csv": (("-n", 7, "--seed", 3, "--steps", 6), (7, 3, 6))}
    for out, (options, (number, seed, steps)) in asked.items():
        told = cli("-p", "quasistatic_archive", "archive", run_folder, tmp_path / out, *options)
        assert told.exit_code == 0 and told.output.startswith(f"{number} samples: "), told.output
        xs = run.sample(number, seed=seed, steps=steps)
        np.testing.assert_allclose(qs.files.read_array(tmp_path / out).values, xs, rtol=1e-6)
        described = json.loads((tmp_path / f"{out}.json").read_text())
        assert (described["recipe"], described["event"]) == ("swiss-roll", "2 real")
        assert (described["number"], described["seed"], described["trajectory_steps"]) == (number, seed, steps)
        evaluation = run.evaluate("test", steps=steps)
        assert described["bound"]["value"] == evaluation.bound.value and described["bound"]["unit"] == "nats"
        assert described["bound"]["standard_error"] == evaluation.bound.standard_error > 0
        assert evaluation.user_bound and described["bound_in_user_units"]["value"] == evaluation.user_bound.value
        np.testing.assert_allclose(described["units"]["shift"], run.source.units.shift)
    assert (tmp_path / "x.csv").read_text().splitlines()[0] == "x0,x1"
    assert np.load(tmp_path / "x.npy").dtype == run.sample(1).dtype


def test_archive_names_the_elements_of_an_event(tmp_path: Path) -> None:
    write = importlib.import_module("quasistatic_archive.command").write
    write(tmp_path / "x.csv", np.arange(8).reshape(2, 2, 2))
    assert (tmp_path / "x.csv").read_text().splitlines() == ["x0_0,x0_1,x1_0,x1_1", "0,1,2,3", "4,5,6,7"]


@pytest.mark.parametrize(
    ("folder", "out", "said"),
    [
        ("run", "x.png", "expected a name that ends with .npy or .csv"),
        ("run", "nowhere/x.npy", "does not exist"),
        ("nothing", "x.npy", "nothing"),
    ],
)
def test_archive_refuses_in_one_line(cli: Any, run_folder: Path, tmp_path: Path, folder: str, out: str, said: str) -> None:
    told = cli("-p", "quasistatic_archive", "archive", run_folder.parent / folder, tmp_path / out)
    assert told.exit_code == 2 and said in told.output and "Traceback" not in told.output
    assert list(tmp_path.iterdir()) == []


def test_recipe_of_the_angles_trains(cli: Any, tmp_path: Path) -> None:
    plugins = ("-p", "quasistatic_angles.wrapped_normal", "-p", "quasistatic_angles.molecule")
    told = cli(*plugins, "run", "angles", "--out", tmp_path / "run", "--json", *SETS)
    assert told.exit_code == 0, told.output
    measured = json.loads(told.stdout)["evaluations"][0]
    assert measured["kernel"] == "wrapped-normal"
    assert measured["bound"]["value"] < measured["truth"]["value"] + 4 * measured["bound"]["standard_error"]
    # zero params are exact for uniform angles: a network that has hardly begun is not far from their log-probability
    assert measured["null"]["value"] == pytest.approx(-2 * np.log(2 * np.pi), abs=1e-5)
    refused = cli(*plugins, "run", "angles", "--set", "kernel.use=gaussian", "--out", tmp_path / "no")
    assert refused.exit_code == 2 and "kernels that fit: wrapped-normal" in refused.output


def test_wrapped_draws_stay_on_the_circle() -> None:
    kernel = WrappedNormalKernel(WrappedNormalOptions(), Angle((3,)))
    draws = jax.vmap(kernel.equilibrium().sample)(jr.split(jr.key(0), 1000))
    assert np.abs(draws).max() <= np.float32(np.pi) and np.abs(np.exp(1j * np.asarray(draws)).mean()) < 0.1
