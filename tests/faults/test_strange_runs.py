"""Runs of strangers, sealed again: nothing outside of them is read, written or waited for, and nothing so large is built."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import attrs
import numpy as np
import pytest
import tomli_w
from PIL import Image

import quasistatic as qs
from quasistatic._plugins.options import paths_in, with_paths
from quasistatic._storage import arrays as named_arrays
from quasistatic._storage import files, signing
from quasistatic._storage.folder import ABOUT, ARRAYS, FORMAT, PLACES, RECIPE, SEAL, SEALED, RunFolder

CANARY = "CANARY-5d1f"
TINY = {
    "training.updates": 4,
    "training.batch": 4,
    "training.validate_every": 2,
    "training.validation_events": 4,
    "training.checkpoint_every": 2,
    "training.observers": (),
    "model.use": "dense",
    "model.width": 4,
    "model.depth": 1,
    "evaluation.events": 8,
    "evaluation.repeats": 1,
    "evaluation.samples": 4,
    "trajectory.steps": 3,
}
COMMANDS: dict[str, tuple[str, ...]] = {
    "sample": ("-n", "2", "-o", "OUT.npz"),
    "evaluate": (),
    "resume": ("-q",),
    "thermo": ("-n", "4", "--paths", "2", "-o", "OUT.png"),
    "schedule": ("-n", "4", "-o", "OUT.json"),
    "landscape": ("-n", "4", "-o", "OUT.png"),
    "classify": (),
    "inpaint": ("-o", "OUT.npz", "--particles", "2"),
    "denoise": ("-o", "OUT.npz", "--noise", "1", "--particles", "2"),
    "parzen": ("-n", "4"),
    "strip": ("-o", "OUT"),
}


def reseal(run: Path, change: Callable[[dict[str, Any], dict[str, Any]], None], arrays: Any = None) -> Path:
    """As a stranger does who knows the format: recipe and record changed, and the seal made anew."""
    recipe, about = tomllib.loads((run / RECIPE).read_text()), json.loads((run / ABOUT).read_text())
    change(recipe, about)
    (run / RECIPE).write_text(tomli_w.dumps(recipe))
    (run / ABOUT).write_text(json.dumps(about))
    if arrays is not None:
        (run / ARRAYS).write_bytes(named_arrays.encode(arrays(named_arrays.decode((run / ARRAYS).read_bytes()))))
    sealed = {name: (run / name).read_bytes() for name in SEALED if (run / name).exists()}
    (run / SEAL).write_bytes(files.manifest(sealed, format=FORMAT))
    return run


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs on data of every kind, and these data."""
    place, random = tmp_path_factory.mktemp("home"), np.random.default_rng(0)
    rows = "".join(f"{a:.3f},{b:.3f}\n" for a, b in random.normal(0, 1, (60, 2)))
    (place / "table.csv").write_text(f"a,b\n{rows}")
    np.save(place / "array.npy", random.normal(0, 1, (60, 2)))
    (place / "text.txt").write_text("a line of some text and one more of it\n" * 100)
    (place / "genes.fasta").write_text("".join(f">r{n}\n{''.join(random.choice(list('ACGT'), 60))}\n" for n in range(20)))
    (place / "pictures").mkdir()
    for number in range(12):
        Image.fromarray(random.integers(0, 255, (6, 6), np.uint8)).save(place / "pictures" / f"{number}.png")
    return place


FILES = {"table": "table.csv", "array": "array.npy", "text": "text.txt", "genes": "genes.fasta", "pictures": "pictures"}
KINDS = ["table", *(pytest.param(kind, marks=pytest.mark.slow) for kind in list(FILES)[1:])]


def trained(home: Path, kind: str) -> Path:
    """The run on data of a kind, trained when it is first needed."""
    run = home / f"run-{kind}"
    pytest.importorskip("Bio" if kind == "genes" else "numpy")
    if not run.exists():
        more = {"source.length": 6} if kind in ("text", "genes") else {}
        qs.train(qs.load_recipe(home / FILES[kind], {**TINY, **more}), out=run)
    return run


@pytest.fixture
def copied(home: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a run, which is still the user's own."""
    return lambda kind: Path(shutil.copytree(trained(home, kind), tmp_path / "run"))


def asked(cli: Any, command: str, run: Path, *more: Any) -> Any:
    """What a command says, which is no defect, without waiting for anything."""

    def late(*_arguments: Any) -> None:
        raise AssertionError(f"{command}: it waits")

    options = [option.replace("OUT", str(run.with_name("out"))) for option in COMMANDS[command]]
    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(120)
    try:
        result = cli(command, run, *options, *more)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert result.exit_code in (0, 2) and "defect" not in result.output and "Traceback" not in result.output, result.output
    assert CANARY not in result.output
    return result


def targets(tmp_path: Path, kind: str) -> dict[str, str]:
    """What a stranger may name: a file of the reader's, the whole disk, the standard input, a pipe, what the plugin reads."""
    secret = tmp_path / "secret"
    secret.mkdir()
    names = {"table": "s.csv", "array": "s.csv", "text": "s.txt", "genes": "s.fasta", "pictures": "s.png"}
    (secret / names[kind]).write_text(f"a,b\n{CANARY},1\n")
    os.mkfifo(tmp_path / "pipe")
    return {
        "file": str(secret / names[kind]),
        "folder": str(secret),
        "system": "/etc/passwd",
        "disk": "/",
        "stdin": "-",
        "pipe": str(tmp_path / "pipe"),
        "here": ".",
    }


@pytest.mark.parametrize("target", ["file", "folder", "system", "disk", "stdin", "pipe", "here"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_path_of_a_stranger_is_followed(
    copied: Any, cli: Any, kind: str, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the recipe names it, or the record of the data with its very digest."""
    run, place = copied(kind), targets(tmp_path, kind)[target]

    def change(recipe: Any, about: Any) -> None:
        recipe["source"]["path"] = place
        record = about["data"]["origins"][""] if kind == "table" else about["data"]
        record["path"] = place
        if os.path.isfile(place):
            record["sha256"] = files.digest(Path(place).read_bytes())["sha256"]

    reseal(run, change)
    opened: list[str] = []
    monkeypatch.setattr(os, "open", noting(os.open, opened))
    monkeypatch.setattr(os, "scandir", noting(os.scandir, opened))
    monkeypatch.setattr(os, "listdir", noting(os.listdir, opened))
    for command in ("evaluate", "resume"):
        result = asked(cli, command, run)
        assert result.exit_code == 2 and "a path that stands in a run is never followed" in result.stderr, result.output
        assert f"quasistatic resume {run} --data FILE" in result.stderr
    assert asked(cli, "sample", run).exit_code == 0
    outside = [
        each
        for each in opened
        if os.path.abspath(each).startswith((str(tmp_path / "secret"), "/etc/passwd", str(tmp_path / "pipe")))
    ]
    assert not outside and "/" not in opened


def noting(function: Callable[..., Any], seen: list[str]) -> Callable[..., Any]:
    def call(path: Any = ".", *more: Any, **options: Any) -> Any:
        if isinstance(path, str | os.PathLike) and options.get("dir_fd") is None:
            seen.append(os.fspath(path))
        return function(path, *more, **options)

    return call


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_command_that_opens_a_run_of_a_stranger(copied: Any, cli: Any, kind: str, command: str, tmp_path: Path) -> None:
    run = reseal(copied(kind), lambda recipe, about: recipe["source"].update(path=str(tmp_path / "pipe")))
    os.mkfifo(tmp_path / "pipe")
    asked(cli, command, run)


@pytest.mark.parametrize("name", ["validation_path", "test_path"])
def test_further_files_of_a_table_are_no_others(copied: Any, cli: Any, name: str, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(f"a,b\n{CANARY},1\n")
    origin = attrs_of(tmp_path / "s.csv")

    def change(recipe: Any, about: Any) -> None:
        recipe["source"][name] = str(tmp_path / "s.csv")
        about["data"]["origins"][name.removesuffix("_path")] = origin

    run = reseal(copied("table"), change)
    result = asked(cli, "evaluate", run, "--split", name.removesuffix("_path"))
    assert result.exit_code == 2 and "never followed" in result.stderr


def attrs_of(path: Path) -> dict[str, Any]:
    found = qs.files.Origin.of(path)
    return {"path": found.path, "size": found.size, "sha256": found.sha256}


def test_a_tokenizer_of_a_stranger_is_not_read(copied: Any, cli: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    run = reseal(copied("text"), lambda recipe, about: recipe["source"].update(level="tokens", tokenizer=str(tmp_path / "pipe")))
    for command in ("sample", "evaluate", "resume"):
        asked(cli, command, run)


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_without_the_record_of_its_data_is_refused(copied: Any, cli: Any, kind: str) -> None:
    run = reseal(copied(kind), lambda recipe, about: about.pop("data"))
    for command in ("sample", "evaluate", "resume"):
        result = asked(cli, command, run)
        assert result.exit_code == 2 and "the run has no record of its data" in result.stderr
        assert f"quasistatic run {run / RECIPE}" in result.stderr


def test_a_signature_of_anybody_else_is_none(
    copied: Any, cli: Any, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = copied("table")
    assert asked(cli, "evaluate", run).exit_code == 0  # the user's own
    said = json.loads((run / PLACES).read_text())
    assert said["is_own"] and said["places"] == [str(home / "table.csv")]
    for spoilt in ({**said, "places": ["/etc/passwd"]}, {**said, "is_own": 1}, {**said, "signature": "0" * 64}, {}, []):
        (run / PLACES).write_text(json.dumps(spoilt))
        assert asked(cli, "evaluate", run).exit_code == 2
    (run / PLACES).write_text(json.dumps(said))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))  # another user, or another machine
    assert asked(cli, "evaluate", run).exit_code == 2
    assert not (tmp_path / "elsewhere").exists()  # reading makes no key


def test_a_signature_of_one_run_is_none_of_another(copied: Any, cli: Any, home: Path) -> None:
    run = copied("table")
    shutil.copy(trained(home, "array") / PLACES, run / PLACES)
    assert asked(cli, "evaluate", run).exit_code == 2


def test_data_are_named_once_and_must_be_the_same(copied: Any, cli: Any, home: Path, tmp_path: Path) -> None:
    run = copied("table")
    (run / PLACES).unlink()
    assert asked(cli, "evaluate", run).exit_code == 2
    (tmp_path / "other.csv").write_text((home / "table.csv").read_text() + "1.0,1.0\n")
    result = cli("resume", run, "--data", tmp_path / "other.csv", "-q")
    assert result.exit_code == 2 and "these are not the data of the run" in result.stderr
    shutil.copy(home / "table.csv", tmp_path / "mine.csv")
    assert cli("resume", run, "--data", tmp_path / "mine.csv", "-q").exit_code == 0
    assert asked(cli, "evaluate", run).exit_code == 0
    assert not RunFolder.open(run).named().is_own  # its recipe is still a stranger's
    assert qs.open_run(run).evaluate("test").bound.value == qs.open_run(trained(home, "table")).evaluate("test").bound.value


def test_data_are_named_in_python(copied: Any, home: Path) -> None:
    run = copied("pictures")
    (run / PLACES).unlink()
    with pytest.raises(qs.DataError, match="you have not named the data"):
        qs.open_run(run).evaluate("test")
    found = qs.open_run(run, data=home / "pictures").evaluate("test")
    assert found.bound.value == qs.open_run(trained(home, "pictures")).evaluate("test").bound.value


def test_the_key_is_the_users_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert not signing.is_signed(b"x", "") and not (tmp_path / "state").exists()
    signed = signing.signature(b"x")
    key = signing.key_path()
    assert key.stat().st_mode & 0o777 == 0o600 and key.parent.stat().st_mode & 0o777 == 0o700
    assert signed == signing.signature(b"x") != signing.signature(b"y")
    assert signing.is_signed(b"x", signed) and not signing.is_signed(b"y", signed)
    key.chmod(0o644)  # others can read it, and could sign with it
    assert not signing.is_signed(b"x", signed) and signing.signature(b"x") is None
    key.chmod(0o600)
    moved = key.rename(key.with_name("moved"))
    key.symlink_to(moved)
    assert not signing.is_signed(b"x", signed)
    key.unlink()
    key.write_bytes(b"")  # what a kill may leave of a key that is not written aside
    key.chmod(0o600)
    assert signing.signature(b"x") is None


def test_without_a_home_runs_are_made_and_their_data_named_each_time(
    home: Path, cli: Any, monkeypatch: Any, tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("no folder")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    run = qs.train(qs.load_recipe(home / "table.csv", TINY), out=tmp_path / "run")
    assert run.folder is not None and not (run.folder / PLACES).exists()
    assert asked(cli, "evaluate", run.folder).exit_code == 2
    assert cli("resume", run.folder, "--data", home / "table.csv", "-q").exit_code == 0


SIZES: dict[str, Callable[[Any, Any], None]] = {
    "width": lambda recipe, about: recipe["model"].update(width=10**6),
    "a width that memory holds": lambda recipe, about: recipe["model"].update(width=6_000),
    "depth": lambda recipe, about: recipe["model"].update(depth=10**8),
    "readouts": lambda recipe, about: recipe["model"].update(readouts=10**7),
    "times of the network": lambda recipe, about: recipe["model"].update(time_waves=10**9),
    "learned grid": lambda recipe, about: recipe["trajectory"].update(grid="learned", steps=10**6),
    "steps": lambda recipe, about: recipe["trajectory"].update(steps=10**9),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("command", ["sample", "evaluate", "resume"])
def test_nothing_larger_than_the_checkpoint_is_built(copied: Any, cli: Any, size: str, command: str) -> None:
    run = reseal(copied("array"), SIZES[size])
    assert asked(cli, command, run).exit_code == 2


MEASURED = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "quasistatic", *sys.argv[1:]], capture_output=True, text=True, timeout=200)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
assert "Traceback" not in done.stderr and "defect" not in done.stderr, done.stderr
print(done.returncode, used.ru_maxrss * 1024, used.ru_utime + used.ru_stime)
"""


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_refusals_take_less_than_2_gb_and_20_s(copied: Any, size: str, capsys: Any) -> None:
    run = reseal(copied("array"), SIZES[size])
    for command in ("sample", "evaluate"):
        options = [option.replace("OUT", str(run.with_name("out"))) for option in COMMANDS[command]]
        told = subprocess.run([sys.executable, "-c", MEASURED, command, str(run), *options], capture_output=True, text=True)
        assert told.returncode == 0, told.stderr
        code, most, seconds = told.stdout.split()
        assert int(code) == 2 and int(most) < 2e9 and float(seconds) < 20, (command, told.stdout)


@pytest.mark.parametrize("shape", [[10**6, 10**6], [2, 10**9], [10**18, 10**18], [-1], [2, 0]])
@pytest.mark.parametrize("command", ["sample", "evaluate"])
def test_events_that_fill_the_memory_are_refused(copied: Any, cli: Any, shape: list[int], command: str) -> None:
    def change(recipe: Any, about: Any) -> None:
        about["data"]["field"]["shape"] = shape
        about["data"]["columns"] = None

    assert asked(cli, command, reseal(copied("array"), change)).exit_code == 2


SPOILT: dict[str, Callable[[Any, Any], None]] = {
    "no table": lambda recipe, about: about.update(data=[]),
    "numbers": lambda recipe, about: about.update(data={"path": 1, "size": "x", "sha256": None}),
    "length": lambda recipe, about: recipe["source"].update(length=10**12),
    "events": lambda recipe, about: recipe["evaluation"].update(events=10**15, samples=10**12),
    "deep": lambda recipe, about: about.update(data=json.loads("[" * 500 + "]" * 500)),
    "start_from": lambda recipe, about: about.update(start_from={"run": "/", "update": 1e308, "sha256": ["x"]}),
    "plugins": lambda recipe, about: about.update(plugins={"x": 3}, packages=["x"]),
}


@pytest.mark.parametrize("spoil", SPOILT)
@pytest.mark.parametrize("kind", KINDS)
def test_records_of_another_kind_are_one_sentence(copied: Any, cli: Any, kind: str, spoil: str) -> None:
    def change(recipe: Any, about: Any) -> None:
        if spoil != "length" or "length" in recipe["source"]:
            SPOILT[spoil](recipe, about)

    run = reseal(copied(kind), change)
    for command in ("sample", "evaluate"):
        asked(cli, command, run)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, 0.0])
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["table", "array", "pictures"])
def test_units_that_are_no_numbers_are_one_sentence(copied: Any, cli: Any, kind: str, value: float) -> None:
    def spoil(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: np.full_like(array, value) if array.dtype.kind == "f" else array for name, array in arrays.items()}

    for command in ("sample", "evaluate"):
        run = reseal(copied(kind), lambda recipe, about: None, spoil)
        asked(cli, command, run)
        shutil.rmtree(run)


def test_generated_data_of_any_size_are_refused(cli: Any, tmp_path: Path) -> None:
    qs.train(qs.load_recipe("swiss-roll", TINY), out=tmp_path / "run")
    run = reseal(tmp_path / "run", lambda recipe, about: recipe["source"].update(test_events=10**12))
    result = asked(cli, "evaluate", run)
    assert result.exit_code == 2 and "the test split of 1000000000000 events" in result.stderr


@attrs.frozen
class Inner:
    weights_file: str = qs.option("a.bin", "called as a path")


@attrs.frozen
class Options:
    corpus: str = qs.option("c", "marked", is_path=True)
    parts: tuple[str, ...] = qs.option(("a", "b"), "marked", is_path=True)
    inner: Inner = attrs.field(factory=Inner)
    path: Literal["straight", "bent"] = qs.option("bent", "of a process")
    word: str = qs.option("w", "no path", attrs.validators.min_len(1))


def test_paths_are_known_by_their_mark_or_their_name() -> None:
    assert paths_in(Options()) == {"corpus": "c", "parts.0": "a", "parts.1": "b", "inner.weights_file": "a.bin"}
    emptied = with_paths(Options(), "")
    assert paths_in(emptied) == {} and (emptied.path, emptied.word) == ("bent", "w")
    assert paths_in(with_paths(Options(), "x")).keys() == paths_in(Options()).keys()


@pytest.mark.slow
def test_a_source_of_others_that_keeps_no_record_is_refused(tmp_path: Path, cli: Any) -> None:
    """Its own user goes on with it, as it names the file itself whenever it is built."""
    np.savetxt(tmp_path / "tide.csv", np.sin(np.arange(4000) / 9.0), fmt="%.4f")
    settings = {**TINY, "model.use": "dense", "source.path": str(tmp_path / "tide.csv"), "source.length": 16}
    (tmp_path / "tide.toml").write_text('[source]\nuse = "windows"\n[kernel]\nuse = "gaussian"\n')
    manager = qs.PluginManager(["quasistatic_windows"])
    qs.train(qs.load_recipe(tmp_path / "tide.toml", settings, manager=manager), out=tmp_path / "run", manager=manager)
    assert cli("-p", "quasistatic_windows", "evaluate", tmp_path / "run").exit_code == 0
    os.mkfifo(tmp_path / "pipe.csv")
    run = reseal(tmp_path / "run", lambda recipe, about: recipe["source"].update(path=str(tmp_path / "pipe.csv")))
    result = cli("-p", "quasistatic_windows", "evaluate", run)
    assert result.exit_code == 2 and "the run has no record of its data" in result.stderr
