"""Words that these pages and the help do not use: the language is plain English, and numbers do not speak."""

from __future__ import annotations

import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import quasistatic as qs
from quasistatic._plugins.kind import KINDS
from quasistatic._recipes.options import describe
from quasistatic._recipes.sections import SECTIONS
from quasistatic.cli._main import main

from .conftest import PAGES, ROOT

CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.DOTALL | re.MULTILINE)
NOT_USED = {
    r"\btold\b": "given, known, or reported; 'classified' of a class",
    r"\basked\b": "called, evaluated, requested",
    r"\bodd\b(?! (number|times))": "unusual, anomalous",
    r"\bby heart\b": "memorised",
    r"\balike\b": "the same, in the same way",
    r"\b(no|some)body\b": "no one; or name who",
    r"(?<!there )\b(is|are) none\b": "is not a ...",
    r"\bsaid\b": "given, printed, named",
    r"\bwhat became of\b": "status of",
    r"\bhold\b.{0,30}\bagainst (its|the) laws\b": "test",
}


def found_in(text: str) -> list[str]:
    """Every use of such a word, with what to write."""
    return [
        f"{text[max(0, found.start() - 40) : found.end() + 20]!r}: {better}"
        for pattern, better in NOT_USED.items()
        for found in re.finditer(pattern, text)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_use_plain_words(page: Path) -> None:
    assert found_in(CODE.sub("", page.read_text())) == []


def helps() -> Iterator[tuple[str, str]]:
    """Every text that `--help`, `show` and `config` print, with where it is."""
    with click.Context(main, info_name="quasistatic", **main.context_settings) as parent:
        for name in main.list_commands(parent):
            command = main.get_command(parent, name)
            assert command is not None
            with click.Context(command, info_name=name, parent=parent) as context:
                yield name, command.get_help(context)
    options = list(SECTIONS.items())
    manager = qs.PluginManager()
    for kind in KINDS:
        for component in manager.components(kind):
            yield f"{kind} {component.name}", component.description
            options.append((f"{kind} {component.name}", component.options))
    for where, fields in options:
        yield from ((f"{where}.{field.name}", field.help) for field in describe(fields))


def test_helps_use_plain_words() -> None:
    assert [f"{where}: {use}" for where, text in helps() for use in found_in(" ".join(text.split()))] == []


FSTRING = getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)  # from Python 3.12 on
SOURCES = [
    path.relative_to(ROOT)
    for folder in ("framework", "plugins")
    for path in sorted((ROOT / folder).rglob("*.py*"))
    if path.suffix in (".py", ".pyi")
]


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_docstrings_messages_and_comments_use_plain_words(source: Path) -> None:
    with tokenize.open(ROOT / source) as file:
        written = [
            (token.start[0], token.string)
            for token in tokenize.generate_tokens(file.readline)
            if token.type in (tokenize.COMMENT, tokenize.STRING, FSTRING)
        ]
    assert [f"line {line}: {use}" for line, text in written for use in found_in(" ".join(text.split()))] == []


def test_such_a_word_is_found() -> None:
    assert found_in("The network is told the class, and `told` in code is left alone.")
