"""Forms of one text: its encoding, its line ends, and letters that Unicode writes in more than one way."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TypeVar

import quasistatic as qs
from quasistatic_plugins.text import TextOptions

MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"  # of the byte order, at the beginning of a text
SEPARATOR = "\n%\n"  # between texts, as strfile(1) has it
ENDS = re.compile(r"\r\n|\r|\n")
IN_PIECES = re.compile(r".[\u0300-\u036f\u0483-\u0487\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u3099\u309a]+")
SHOWN = 10  # letters that are named in a note
T = TypeVar("T", str, bytes)


def decoded(name: str, data: bytes, encoding: str) -> str:
    """The text of a file; one that is marked as UTF-8 is UTF-8, and loses the mark. Raises DataError naming a byte."""
    encoding, data = ("utf-8", data[3:]) if data.startswith(codecs.BOM_UTF8) else (encoding, data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        is_utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        raise qs.DataError(
            f"{name}: not {encoding.upper()} text ({error.reason} at byte {error.start}, 0x{data[error.start]:02x}); --set "
            f"source.encoding={'utf-16' if is_utf_16 else 'latin-1, or whatever it is in'}, or source.level=bytes"
        ) from error


def written(text: str, encoding: str) -> bytes:
    """UTF-8 that `decoded` gives back: any encoding may be short of a character of a sample."""
    is_marked = codecs.lookup(encoding).name != "utf-8" or text.startswith(MARK)
    return ((MARK if is_marked else "") + text).encode()


def in_one_form(text: str, choices: TextOptions) -> str:
    """The text as the options want its line ends and its letters."""
    text = ENDS.sub("\n", text) if choices.line_ends == "unix" else text
    return unicodedata.normalize("NFC", text) if choices.normalise == "nfc" else text


def about_forms(files: Mapping[str, bytes], texts: Mapping[str, str], choices: TextOptions) -> Iterator[str]:
    """Sentences about marks, line ends and letters of more than one form, before they are made one."""
    if marked := sum(data.startswith(codecs.BOM_UTF8) for data in files.values()):
        yield f"a byte order mark is left out at the beginning of {marked} of {len(files)} texts"
    ends = Counter(end for text in texts.values() for end in ENDS.findall(text))
    if set(ends) - {"\n"}:
        found = ", ".join(f"{ends[end]} {name}" for end, name in (("\r\n", "CRLF"), ("\n", "LF"), ("\r", "CR")) if ends[end])
        kept = "kept as they are; --set source.line_ends=unix makes all of them LF"
        yield f"line ends: {found}, {'all made LF' if choices.line_ends == 'unix' else kept}"
    whole = "".join(texts.values())
    pieces = {} if unicodedata.is_normalized("NFC", whole) else _forms(whole)
    if pieces:
        letters = {unicodedata.normalize("NFC", piece) for piece in pieces}
        both = sorted(letter for letter in letters if letter in whole)
        named = f", of which {', '.join(both[:SHOWN])} {'are' if len(both) > 1 else 'is'} also there as one" if both else ""
        kept = "--set source.normalise=nfc makes them one character each"
        made = "made one character each" if choices.normalise == "nfc" else kept
        yield f"{sum(pieces.values())} letters are written with a combining mark or in another second form{named}: {made}"


def _forms(text: str) -> dict[str, int]:
    """How often each letter occurs that NFC writes in another way."""
    found = {letter: text.count(letter) for letter in set(text)} | Counter(IN_PIECES.findall(text))
    return {piece: count for piece, count in found.items() if not unicodedata.is_normalized("NFC", piece)}


def samples_in(whole: T, length: int, separator: T) -> list[T] | None:
    """The texts of `length` in a file that was written with a separator after each but the last, which ends its line.

    None for any other file. Places decide, so that a text may have anything in it, a separator too.
    """
    step = length + len(separator)
    count, rest = divmod(len(whole) + len(separator) - 1, step)
    if rest or not count or not whole.endswith(separator[-1:]):
        return None
    starts = range(0, count * step, step)
    if any(whole[start + length : start + step] != separator for start in starts[:-1]):
        return None
    return [whole[start : start + length] for start in starts]
