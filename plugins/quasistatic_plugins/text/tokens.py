"""Tokens of the library tokenizers, all of whose text is kept: it reads and numbers in a process of its own."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

import quasistatic as qs

HERE = "quasistatic_plugins.text.tokens"
FOREIGN = 0.5  # share of unknown tokens from which on a tokenizer does not fit this text
LARGEST = 2**27  # bytes of a file
UNSEEN = ("Mn", "Cc", "Cf", "Co")  # categories of Unicode: marks, controls, private use
LONGEST = 1000  # characters of a token
CHARACTERS = 100_000  # of a text that are numbered in a second, at least
MEMORY = 256  # bytes that a character takes on the way
Tokenizer = Any  # of the library tokenizers


class Numbered(NamedTuple):
    """The tokens by their numbers, the numbers of each text, how many of these are unknown, and sentences."""

    alphabet: tuple[str, ...]
    rows: list[np.ndarray]
    unknown: int
    notes: tuple[str, ...]


def numbered(where: str, data: bytes, texts: Sequence[str], strict: bool = True) -> Numbered:
    """The tokens of texts by the tokenizer whose file is `data`.

    Raises DataError, which names the file, for one that is damaged, that takes too long or too much memory, or whose tokens spell
    another text; where it is `strict`, also where most tokens are unknown.
    """
    library()
    if len(data) > LARGEST:
        raise qs.DataError(f"{where}: has {len(data)} bytes, expected a tokenizer.json of at most {LARGEST}")
    size = sum(map(len, texts))
    try:
        about, *rows = qs.files.isolated(
            f"{HERE}:number_apart",
            [data, b"strict" if strict else b"", *(text.encode("utf-8", "surrogatepass") for text in texts)],
            seconds=qs.files.SECONDS + size / CHARACTERS,
            memory=MEMORY * size + 16 * len(data),
        )
    except (ValueError, OSError) as error:
        raise qs.DataError(f"{where}: {error}") from error
    found = json.loads(about)
    return Numbered(
        tuple(found["alphabet"]), [np.frombuffer(row, np.int64) for row in rows], found["unknown"], tuple(found["notes"])
    )


def number_apart(inputs: list[bytes]) -> list[bytes]:
    """What `numbered` runs in the other process. Raises ValueError."""
    data, strict, *texts = inputs
    tokenizer, notes = loaded(data)
    alphabet = _alphabet(tokenizer)
    unknown, own, lost, changed = _unknown(data, alphabet), list[bytes](), 0, False
    for text in (each.decode("utf-8", "surrogatepass") for each in texts):
        encoding = tokenizer.encode(text, add_special_tokens=False)
        ids = np.array(encoding.ids, np.int64)
        lost += int((ids == unknown).sum())
        own.append(ids.tobytes())
        changed |= _refuse_lost(tokenizer, text, encoding, unknown)
    total = sum(map(len, own)) // 8
    if strict and lost > FOREIGN * total:
        raise ValueError(f"is a tokenizer of another vocabulary: {lost} of {total} tokens of the text are unknown to it")
    if changed:
        notes = (*notes, "the tokens spell the text in another form: blanks, case, accents or other signs of one meaning differ")
    return [json.dumps({"alphabet": alphabet, "unknown": lost, "notes": notes}).encode(), *own]


def loaded(data: bytes) -> tuple[Tokenizer, tuple[str, ...]]:
    """The tokenizer of a file without what adds or removes tokens, and sentences about that. Raises ValueError.

    Its library may crash on the file: load it apart first.
    """
    try:
        found = library().from_buffer(data)
    except BaseException as error:  # its reader promises no kind of error, and panics
        if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        raise ValueError(f"is no tokenizer.json of the library tokenizers: {' '.join(str(error).split())[:100]}") from error
    _refuse_decoder(data)
    off = [name for name in ("truncation", "padding") if getattr(found, name) is not None]
    found.no_truncation()
    found.no_padding()
    found.post_processor = None  # of templates for single texts, which may repeat or lack them
    if getattr(found.decoder, "cleanup", False):
        found.decoder.cleanup = False  # it writes "don't" for "do not"
    notes = (f"the tokenizer's {' and '.join(off)} {'are' if len(off) > 1 else 'is'} switched off: texts are whole",) if off else ()
    return found, notes


def library() -> Any:
    """The class of tokenizers. Raises DataError where the library is missing."""
    try:
        from tokenizers import Tokenizer as found
    except ImportError as error:
        raise qs.DataError("source.level = 'tokens' needs the library tokenizers: pip install \"quasistatic[text]\"") from error
    return found


def _alphabet(tokenizer: Tokenizer) -> list[str]:
    numbers = tokenizer.get_vocab(with_added_tokens=True)
    count = len(numbers)
    if sorted(numbers.values()) != list(range(count)):
        raise ValueError(
            f"has {count} tokens with numbers up to {max(numbers.values(), default=0)}; expected each of 0 to {count - 1} once"
        )
    if long := [token for token in numbers if len(token) > LONGEST]:
        raise ValueError(f"has a token of {len(long[0])} characters, expected at most {LONGEST}: {long[0][:40]!r}...")
    return sorted(numbers, key=numbers.__getitem__)


def _unknown(data: bytes, alphabet: Sequence[str]) -> int:
    """The number of the token that stands for what is unknown, or -1."""
    model = json.loads(data)["model"]
    if isinstance(model.get("unk_id"), int):
        return int(model["unk_id"])
    return alphabet.index(model["unk_token"]) if model.get("unk_token") in alphabet else -1


def _refuse_decoder(data: bytes) -> None:
    """Raises ValueError where what spells tokens could take any time or space: samples are spelt in the user's process."""
    for step in _steps(json.loads(data).get("decoder")):
        pattern, content = step.get("pattern"), step.get("content")
        if step.get("type") == "Replace" and (not isinstance(pattern, Mapping) or "String" not in pattern):
            raise ValueError(f"its decoder has a regular expression, {pattern!s:.60}; expected one without")
        if isinstance(content, str) and len(content) > 16:
            raise ValueError(f"its decoder puts {content[:20]!r}..., {len(content)} characters, expected at most 16")


def _steps(decoder: Any) -> Iterator[Mapping[str, Any]]:
    found = [decoder]
    while found:
        step = found.pop()
        if isinstance(step, Mapping):
            yield step
            found += list(step.get("decoders") or ())


def _refuse_lost(tokenizer: Tokenizer, text: str, encoding: Any, unknown: int) -> bool:
    """Whether tokens spell their text in another form. Raises ValueError where it is another text: what is unknown is counted."""
    runs = list(_runs(text, encoding, unknown))
    spelt = tokenizer.decode_batch([run for run, _, _ in runs], skip_special_tokens=False)
    for (_, start, end), found in zip(runs, spelt, strict=True):
        there = text[start:end]
        if found == there:
            continue
        kept, own = _folded(found), _folded(there)
        if kept != own:
            place = next((k for k, (a, b) in enumerate(zip(kept, own, strict=False)) if a != b), min(len(kept), len(own)))
            raise ValueError(
                f"loses or adds text: its {len(encoding.ids)} tokens spell {kept[place : place + 20]!r} where the text of "
                f"{len(text)} characters has {own[place : place + 20]!r}; expected a tokenizer that decodes what it encodes"
            )
    return len(runs) > 1 or any(found != text for found in spelt)


def _runs(text: str, encoding: Any, unknown: int) -> Iterator[tuple[list[int], int, int]]:
    """The tokens between unknown ones, and the part of the text that they stand for."""
    run, start = list[int](), 0
    for number, (low, high) in zip(encoding.ids, encoding.offsets, strict=True):
        if number == unknown:
            yield run, start, max(low, start)
            run, start = [], max(high, start)
        else:
            run.append(number)
    yield run, start, len(text)


def _folded(text: str) -> str:
    """Without what normalisers change: case, accents, blanks, signs that cannot be seen, second forms of letters."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    out = {
        sign for sign in set(plain) if sign.isspace() or unicodedata.category(sign) in ("Mn", "Cc", "Cf", "Co") or sign == "\ufffd"
    }
    return plain.translate(dict.fromkeys(map(ord, out)))
