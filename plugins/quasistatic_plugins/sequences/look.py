"""Which letters a file of sequences has, by its first records, and the options that its reader needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs

import quasistatic as qs
from quasistatic_plugins.sequences import SequencesOptions
from quasistatic_plugins.sequences.reading import BEGINS, FORMATS, LETTERS


def accepts(path: Path) -> dict[str, str] | str:
    """The alphabet where it is not the usual one, or why this is no file of sequences."""
    form = FORMATS[Path(path.name.lower().removesuffix(".gz")).suffix]
    text = qs.files.read_head(path).decode("latin-1").lstrip()
    if not text.startswith(BEGINS[form]):
        found = f"begins with {text[:20]!r}" if text else "is empty"
        return f"it {found}, expected {BEGINS[form]!r} as in a {form} file"
    letters = set("".join(_letters(text, form)).upper()) - {" ", "\r", "\t"}
    default = SequencesOptions().alphabet
    fitting = [name for name, own in LETTERS.items() if letters <= {*own.certain, *own.ambiguous}]
    return {} if default in fitting or not fitting else {"source.alphabet": fitting[0]}


def _letters(text: str, form: str) -> Iterator[str]:
    """What of the beginning of a file stands for letters."""
    lines = text.splitlines()
    if form == "FASTA":
        yield from (line for line in lines if not line.startswith((">", ";")))
    elif form == "FASTQ":
        yield from lines[1::4]
    else:
        is_sequence = False
        for line in lines:
            if line.startswith(("ORIGIN", "//")):
                is_sequence = line.startswith("ORIGIN")
            elif is_sequence:
                yield "".join(letter for letter in line if letter.isalpha())


def inspects(path: str, options: SequencesOptions) -> qs.Inspection:
    """What would be read; where letters are ambiguous and no option covers them, without the windows that have one."""
    from quasistatic_plugins.sequences.source import build

    try:
        source, suggested = build(options), {}
    except qs.DataError as error:
        if options.ambiguous != "refuse" or "ambiguous" not in str(error):
            raise
        source, suggested = build(attrs.evolve(options, ambiguous="skip-windows")), {"source.ambiguous": "skip-windows"}
    return qs.Inspection(f"events: {source.event.describe()}", source.notes, suggested, source=source)
