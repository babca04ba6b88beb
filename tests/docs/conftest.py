"""The documentation as a reader meets it: pages, their fenced blocks, and a folder where the blocks are tried."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
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

# appended to every run of a tutorial: the same path through the program in a small fraction of its time
SHORT = [
    *("training.steps=10", "training.batch=8", "training.validate_every=5", "training.validation_events=16"),
    *("training.fuse=5", "trajectory.steps=4"),
    *("evaluation.events=32", "evaluation.steps=[4]", "evaluation.repeats=1"),
]
# commands of a reader that have nothing to do with this program, or that other tests run
ELSEWHERE = ("python -m venv", "python -m pytest", "source ", "cd ", "tensorboard ", "git ", "tox", "ruff ", "open ")


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
    def commands(self) -> list[str]:
        """The lines of a console block that start with '$ ', or all of a shell block; continued lines are one."""
        text = self.text.replace("\\\n", " ")
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
        if self.language == "console":
            return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        return lines if self.language == "sh" else []


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for found in FENCE.finditer(text):
        yield Block(page, text.count("\n", 0, found.start()) + 1, found.group(1), found.group(2))


def _set(option: str, arguments: list[str]) -> bool:
    """Whether the reader has set this option."""
    return any(word.startswith(option.partition("=")[0] + "=") for word in arguments)


class Reader:
    """Somebody who follows a page in an empty folder, with one Python session and one shell."""

    def __init__(self, folder: Path, site: Path, cli: Callable[..., Result]):
        self.folder, self.site, self.cli = folder, site, cli
        self.projects: list[Path] = []
        self.session: dict[str, Any] = {"__name__": "__main__"}

    def follow(self, block: Block) -> None:
        if block.file is not None:
            path = self.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        elif block.language == "python":
            # blank lines in front keep the line numbers of the page in tracebacks
            code = compile("\n" * block.line + block.text, str(block.page), "exec")
            exec(code, self.session)
        for command in block.commands:
            self.run(command)

    def run(self, command: str) -> None:
        words = shlex.split(command, comments=True)
        if words[0] == PROGRAM:
            arguments = words[1:]
            if {"run", "train"} & set(arguments):
                arguments += [word for short in SHORT if not _set(short, arguments) for word in ("--set", short)]
            found = self.cli(*arguments)
            assert found.exit_code == 0, f"{command}\n{found.stdout}{found.stderr}"
        elif words[:3] == ["pip", "install", "-e"]:
            self.install(self.folder / words[3])
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
            assert command.startswith(ELSEWHERE), f"no test knows what to do with: {command}"

    def install(self, project: Path) -> None:
        """What pip does with an editable project, as far as plugins go; test_stranger.py has pip do it."""
        described = tomllib.loads((project / "pyproject.toml").read_text())["project"]
        self.projects.append(project)
        sys.path.append(str(project))
        info = self.site / f"{described['name'].replace('-', '_')}-{described['version']}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {described['name']}\nVersion: {described['version']}\n"
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
