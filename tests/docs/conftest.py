"""The documentation as a reader meets it: pages, their fenced blocks, and a folder where the blocks are tried."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import Result

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)]
FENCE = re.compile(r"^```([\w-]+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"# (\S+\.(?:py|toml|csv))\n")
PROGRAM = "quasistatic"
NUMBER = re.compile(r"-?\d[\d.,]*")
FAILED = re.compile(r"^Error: | [1-9]\d* are broken$")  # what a page shows of a command with another exit code than 0
# files of the repository that pages quote, besides those that the reader has
QUOTED = sorted((ROOT / "tests" / "third_party").glob("quasistatic-*/**/*.py"))

# appended to every run of a tutorial: the same path through the program in a small fraction of its time
SHORT = [
    *("training.updates=10", "training.batch=8", "training.validate_every=10", "training.validation_events=16"),
    *("training.fuse=5", "trajectory.steps=4"),
    *("evaluation.events=32", "evaluation.trajectory_steps=[4]", "evaluation.repeats=1"),
]
# commands of a reader that have nothing to do with this program, or that other tests run
ELSEWHERE = (
    *("python -m venv", "python -m pytest", "python -m build", "source ", "cd ", "tensorboard ", "git ", "tox", "ruff ", "open "),
    *("twine ", "pip install build", "pip install --pre"),
    # tests/cli/test_new_plugin.py holds each skeleton against its laws, tests/plugins/test_examples.py each example
    *(f"quasistatic check {name}" for name in ("redraw", "blend", "ring", "steady", "wrapped-normal")),
)


class Block(NamedTuple):
    """A fenced block: where, in which language, and its text."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The name in a first line such as '# circle.py': the reader saves the block under it."""
        found = FILE.match(self.text)
        return found.group(1) if found else None

    @property
    def steps(self) -> list[tuple[str, list[str]]]:
        """Each command, and the lines that the page shows of what it prints.

        Commands are the lines of a console block that start with '$ ', or all of a shell block; continued lines are one.
        """
        text = self.text.replace("\\\n", " ")
        if self.language == "sh":
            return [(line, []) for line in text.splitlines() if line.strip() and not line.startswith("#")]
        if self.language != "console":
            return []
        calls = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
        return [(command, [line for line in shown if line.strip()]) for command, *shown in map(str.splitlines, calls)]

    @property
    def commands(self) -> list[str]:
        return [command for command, _ in self.steps]

    @property
    def is_quotation(self) -> bool:
        """Whether it shows part of a file that is somewhere else."""
        return self.language in ("py", "ini", "yaml") or (self.language == "toml" and self.file is None)


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for found in FENCE.finditer(text):
        yield Block(page, text.count("\n", 0, found.start()) + 1, found.group(1), found.group(2))


def _set(option: str, arguments: list[str]) -> bool:
    """Whether the reader has set this option."""
    return any(word.startswith(option.partition("=")[0] + "=") for word in arguments)


def missing(shown: list[str], printed: str) -> str | None:
    """The first line of what a page shows that was not printed, in this order; '...' is anything, also in a line."""
    lines = iter([" ".join(line.split()) for line in printed.splitlines()])
    for line in shown:
        pattern = ".*".join(re.escape(" ".join(part.split())) for part in line.split("..."))
        if line.strip() != "..." and not any(re.fullmatch(pattern, other) for other in lines):
            return line
    return None


class Reader:
    """Somebody who follows a page in an empty folder, with one Python session and one shell."""

    def __init__(self, folder: Path, site: Path, cli: Callable[..., Result]):
        self.folder, self.site, self.cli = folder, site, cli
        self.projects: list[Path] = []
        self.session: dict[str, Any] = {"__name__": "__main__"}

    def follow(self, block: Block) -> None:
        if block.file is not None:
            self.write(block.file, block.text)
        elif block.language == "python":
            # blank lines in front keep the line numbers of the page in tracebacks
            code = compile("\n" * block.line + block.text, str(block.page), "exec")
            exec(code, self.session)
        elif block.is_quotation:
            assert self.has(block.text), f"no file has this text any more:\n{block.text}"
        for command, shown in block.steps:
            self.run(command, shown)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        importlib.invalidate_caches()
        for module in [name for name, found in sys.modules.items() if getattr(found, "__file__", None) == str(path)]:
            del sys.modules[module]  # the file was another before

    def has(self, text: str) -> bool:
        """Whether some file has these lines, at whatever depth."""
        own = [path for path in self.folder.rglob("*") if path.suffix in (".py", ".toml", ".ini", ".yml")]
        indented = [textwrap.indent(text, depth) for depth in ("", 4 * " ", 8 * " ")]
        return any(form in path.read_text() for path in (*own, *QUOTED) for form in indented)

    def run(self, command: str, shown: list[str]) -> None:
        command, _, to = command.partition(" > ")
        words = shlex.split(command, comments=True)
        env = dict(word.split("=", 1) for word in words[: [("=" in word) for word in words].index(False)])
        words = words[len(env) :]
        if command.startswith(ELSEWHERE):
            return
        if words[0] == PROGRAM:
            arguments = words[1:]
            if {"run", "train"} & set(arguments):
                arguments += [word for short in SHORT if not _set(short, arguments) for word in ("--set", short)]
            # what a page shows of a full run has other numbers here; tests/benchmarks/test_first_page.py has those
            shown = [NUMBER.sub("...", line) if " +- " in line else line for line in shown]
            found = self.cli(*arguments, env=env)
            fails = any(FAILED.search(line) for line in shown)
            assert (found.exit_code != 0) == fails, f"{command}\n{found.output}"
            assert missing(shown, found.output) is None, f"{command}\n{missing(shown, found.output)}\n{found.output}"
            if to:
                self.write(to, found.stdout)
        elif words[:3] == ["pip", "install", "-e"]:
            self.install(words[3].partition("[")[0])
        elif words[0] == "pytest":
            places = [str(self.site), *map(str, self.projects), os.environ.get("PYTHONPATH", "")]
            env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}
            # the command before has run the same laws in this process; here it is enough that pytest finds them
            done = subprocess.run(
                [sys.executable, "-m", *words, "-q", "--collect-only", "-p", "no:cacheprovider"],
                cwd=self.folder, env=env, capture_output=True, text=True, timeout=300,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
        else:
            raise AssertionError(f"no test knows what to do with: {command}")

    def install(self, place: str) -> None:
        """What pip does with an editable project, as far as plugins go; test_stranger.py has pip do it."""
        project = next(each for each in (self.folder / place, ROOT / place) if each.exists())
        described = tomllib.loads((project / "pyproject.toml").read_text())["project"]
        self.projects.append(project)
        sys.path.append(str(project))
        info = self.site / f"{described['name'].replace('-', '_')}-{described['version']}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {described['name']}\nVersion: {described['version']}\n"
            + "".join(f"Requires-Dist: {line}\n" for line in described.get("dependencies", ()))
        )
        points = described["entry-points"]["quasistatic"].items()
        (info / "entry_points.txt").write_text("[quasistatic]\n" + "".join(f"{name} = {to}\n" for name, to in points))


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Callable[..., Result]) -> Iterator[Reader]:
    folder, site = tmp_path / "reader", tmp_path / "site"
    folder.mkdir()
    site.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path, str(site)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield Reader(folder, site, cli)
    for name in set(sys.modules) - before:
        if str(tmp_path) in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]
