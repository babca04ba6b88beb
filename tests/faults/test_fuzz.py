"""Recipes, arguments, tables and run folders that nobody meant: one message, soon, in little memory, and no defect."""

from __future__ import annotations

import gzip
import io
import random
import resource
import time
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import tomli_w
from click.testing import CliRunner

import quasistatic as qs
from quasistatic._plugins.commands import BUILT_IN
from quasistatic._runs.job import Job
from quasistatic._storage import checkpoint
from quasistatic._storage.folder import RunFolder
from quasistatic.cli import main
from quasistatic.errors import InputError, QuasistaticError
from quasistatic.kits.tables import TableOptions, table_source

TINY = {
    "training.updates": 2,
    "training.batch": 4,
    "training.validation_events": 4,
    "training.observers": [],
    "model.width": 2,
    "model.depth": 1,
    "trajectory.steps": 2,
    "evaluation.events": 4,
    "evaluation.samples": 4,
}
Saved = Callable[[Path, Any], Path]
ODD: list[Any] = [
    "", "\0",
    "\x1b[31m", "\u202e", "\udcff", "$\\foo$", "a" * 10_000, ".", "..", "/", "-", "--", "=", "~", "%s", "{}", "nan", "1e999",
    0, -1, 1, 2, 2**31, 2**63, 10**400, -(10**400), 0.5, 1e308, float("nan"), float("inf"), True, False, None, [], {}, [[]], [None],
    [1, "a"], {"a": {}}, {"use": 3}, "gaussian", "dense", "auto", "none", ["jsonl"], ["jsonl", "jsonl"],
]  # fmt: skip
WEDGES = (b"\0", b'"', b"[", b"\xff", b"\n", b",", b"1e999", b"nan", b"-", b"9" * 400, b"'''")


@attrs.define
class Tally:
    """The worst of many calls."""

    count: int = 0
    seconds: float = 0.0
    slowest: str = ""
    grown_mb: float = 0.0
    wrong: list[str] = attrs.field(factory=list)

    def call(self, what: str, function: Callable[[], None]) -> None:
        memory, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
        try:
            function()
        except BaseException as error:
            self.wrong.append(f"{what:.300}: {error!r:.1000}")
        taken = time.perf_counter() - start
        self.count += 1
        self.grown_mb = max(self.grown_mb, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024)
        if taken > self.seconds:
            self.seconds, self.slowest = taken, what[:300]


def ask(arguments: list[str]) -> None:
    """One call of the command line: an answer or one message."""
    result = CliRunner().invoke(main, arguments, prog_name="quasistatic")
    assert result.exception is None or isinstance(result.exception, SystemExit), (arguments, result.exception)
    assert result.exit_code in (0, 1, 2), (arguments, result.output[-500:])
    assert "defect" not in result.output and "Traceback" not in result.output, (arguments, result.output[-500:])
    assert "\x1b" not in result.output and "\0" not in result.output, arguments
    assert result.exit_code == 0 or len(result.stderr) < 30_000, (arguments, len(result.stderr))


def refused(function: Callable[[], Any]) -> None:
    """It works, or raises an error that this library raises on purpose, with a text for one screen."""
    try:
        function()
    except QuasistaticError as error:
        assert 0 < len(str(error)) < 20_000


def spoilt(data: bytes, draw: random.Random) -> bytes:
    """Bytes changed in some places, cut, doubled, or moved."""
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 8, 64))):
        place = draw.randrange(len(changed) + 1)
        match draw.randrange(5):
            case 0 if place < len(changed):
                changed[place] = draw.randrange(256)
            case 1:
                del changed[place : place + draw.randrange(1, 20)]
            case 2:
                changed[place:place] = draw.choice(WEDGES)
            case 3:
                changed[place:place] = changed[place : place + draw.randrange(1, 40)]
            case _ if draw.random() < 0.1:
                del changed[place:]
    return bytes(changed)


def swapped(values: Any, draw: random.Random) -> Any:
    """Nested values of which one is something odd, is gone, or has another name."""
    if not isinstance(values, dict | list) or not values or draw.random() < 0.2:
        return draw.choice(ODD)
    if isinstance(values, list):
        place = draw.randrange(len(values))
        return [*values[:place], swapped(values[place], draw), *values[place + 1 :]]
    key = draw.choice(sorted(values))
    rest = {name: value for name, value in values.items() if name != key}
    match draw.randrange(8):
        case 0:
            return rest
        case 1:
            return {**rest, str(draw.choice(ODD)): values[key]}
        case _:
            return {**rest, key: swapped(values[key], draw)}


# recipes


def recipes(count: int, folder: Path, draw: random.Random, tally: Tally) -> None:
    known = [qs.load_recipe(named.name).to_dict() for named in qs.plugins().recipes()]
    for _ in range(count):
        recipe = draw.choice(known)
        data = tomli_w.dumps(recipe).encode()
        if draw.random() < 0.5:
            try:
                data = tomli_w.dumps(swapped(swapped(recipe, draw), draw)).encode(errors="surrogatepass")
            except (TypeError, AttributeError):  # not every odd value is one of TOML
                data = spoilt(data, draw)
        else:
            data = spoilt(data, draw)
        (folder / "x.toml").write_bytes(data)
        tally.call(repr(data[:200]), lambda: ask(["config", str(folder / "x.toml")]))


# arguments


def arguments(count: int, folder: Path, draw: random.Random, tally: Tally) -> None:
    options = {name: _options(name) for name in BUILT_IN}
    paths = [path for path in ("seed", "kernel.use", "model.width", "training.observers", "source.path", "kernel.parts.a.use")]
    (folder / "empty").mkdir(exist_ok=True)
    places = ["empty", "absent", "absent/x.npz", "x.npz", "x.csv", ".", "..", "/dev/null", "/dev/full", "/proc/self/mem"]
    for number in range(count):
        name = draw.choice([*BUILT_IN, "nothing"])
        words = [name]
        for _ in range(draw.randrange(5)):
            odd = str(draw.choice(ODD)).replace("\0", "\x01")
            words += draw.choice(
                [
                    [draw.choice(places)],
                    [draw.choice(("swiss-roll", "array", "kernel", "gaussian", "digits", "training"))],
                    [odd],
                    [draw.choice(options.get(name) or ["--x"])],
                    [draw.choice(options.get(name) or ["--x"]), draw.choice(places)],
                    [draw.choice(options.get(name) or ["--x"]), odd],
                    ["--set", f"{draw.choice(paths)}{draw.choice(['=', '', '.a='])}{odd}"],
                ]
            )
        if name == "new-plugin":
            words += ["--into", str(folder / f"made-{number}")]
        if name == "check":  # what it would check takes minutes
            words = ["check", "nothing", *words[1:]]
        tally.call(str(words), lambda words=words: ask(words))  # type: ignore[misc]


def _options(name: str) -> list[str]:
    command = main.get_command(main.make_context("quasistatic", [], resilient_parsing=True), name)
    assert command is not None
    return [option for parameter in command.params for option in parameter.opts if option.startswith("-")]


# tables


def tables(count: int, folder: Path, draw: random.Random, tally: Tally) -> None:
    seeds = list(_tables())
    for _ in range(count):
        name, data = draw.choice(seeds)
        path = folder / name
        path.write_bytes(spoilt(data, draw))
        tally.call(name, lambda path=path: looked_at(path))  # type: ignore[misc]
        if draw.random() < 0.05:
            tally.call(f"inspect {path.read_bytes()!r}", lambda path=path: ask(["inspect", str(path)]))  # type: ignore[misc]


def looked_at(path: Path) -> None:
    refused(lambda: qs.files.read_array(path))
    if not path.name.endswith((".npy", ".npz")):
        refused(lambda: table_source(TableOptions(path=str(path))))


def _tables() -> Iterator[tuple[str, bytes]]:
    values = np.random.default_rng(0).normal(size=(20, 3))
    for delimiter in ",;\t ":
        text = io.StringIO()
        np.savetxt(text, values, delimiter=delimiter, header=delimiter.join("abc"), comments="")
        yield "x.csv", text.getvalue().encode()
        yield "x.csv.gz", gzip.compress(text.getvalue().encode(), mtime=0)
    for array in (values, values.astype(np.float16), np.arange(12).reshape(3, 4), np.zeros((2, 3, 4), bool)):
        plain, packed = io.BytesIO(), io.BytesIO()
        np.save(plain, array)
        np.savez_compressed(packed, x=array)
        yield "x.npy", plain.getvalue()
        yield "x.npz", packed.getvalue()
    several = io.BytesIO()
    with zipfile.ZipFile(several, "w") as archive:
        archive.writestr("a.npy", plain.getvalue())
        archive.writestr("\x1b[31m.npy", plain.getvalue())
    yield "x.npz", several.getvalue()


# run folders: whatever is in one, with digests that agree


def folders(count: int, folder: Path, draw: random.Random, tally: Tally) -> None:
    opened = RunFolder.open(folder / "run")
    recipe, about = tomllib.loads(opened.read_recipe().decode()), opened.read_about()
    arrays, meta = checkpoint.newest(opened.checkpoints).content()
    for number in range(count):
        parts = {"recipe": recipe, "about": about, "meta": meta}
        chosen = draw.choice(sorted(parts))
        parts[chosen] = swapped(parts[chosen], draw)
        path = folder / str(number)
        try:
            made = RunFolder.create(path, tomli_w.dumps(parts["recipe"]), parts["about"])
            checkpoint.save(made.checkpoints, 6, arrays, parts["meta"])
        except (TypeError, AttributeError, ValueError):  # not every odd value can be written
            continue
        tally.call(f"{chosen} {parts[chosen]!s:.200}", lambda path=path: ask(_reading(path, draw)))  # type: ignore[misc]


def _reading(path: Path, draw: random.Random) -> list[str]:
    return draw.choice([["evaluate", str(path), "--steps", "1"], ["sample", str(path), "-n", "2", "-o", str(path / "x.npz")]])


KINDS = {"recipes": recipes, "arguments": arguments, "tables": tables, "folders": folders}


def fuzz(kind: str, count: int, folder: Path, saved_run: Saved, monkeypatch: pytest.MonkeyPatch, seed: int) -> Tally:
    def worked(*_arguments: Any, **_more: Any) -> Any:
        raise InputError("this would train or measure")

    tally = Tally()
    monkeypatch.chdir(folder)
    if kind != "tables":
        if kind == "folders":
            from quasistatic._runs import run

            saved_run(folder / "run", qs.load_recipe("swiss-roll", TINY))
            monkeypatch.setattr(run, "evaluate", worked)
            monkeypatch.setattr(run, "draw", worked)
        else:
            monkeypatch.setattr(Job, "train", worked)
    KINDS[kind](count, folder, random.Random(seed), tally)
    assert not tally.wrong, "\n".join([f"{len(tally.wrong)} of {tally.count}", *tally.wrong[:9]])
    return tally


@pytest.mark.parametrize(("kind", "count"), [("recipes", 30), ("arguments", 60), ("tables", 60), ("folders", 12)])
def test_some_of_each(kind: str, count: int, tmp_path: Path, saved_run: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fuzz(kind, count, tmp_path, saved_run, monkeypatch, 0).count > count // 3


@pytest.mark.benchmark
@pytest.mark.parametrize(("kind", "count"), [("recipes", 4000), ("arguments", 3500), ("tables", 2000), ("folders", 500)])
def test_ten_thousand(
    kind: str, count: int, tmp_path: Path, saved_run: Saved, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    tally = fuzz(kind, count, tmp_path, saved_run, monkeypatch, 1)
    with capsys.disabled():
        print(f"\n{tally.count} {kind}: at most {tally.seconds:.2f} s ({tally.slowest}), {tally.grown_mb:.0f} MB")
