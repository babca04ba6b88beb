"""Text as symbols: every split has a part of it for itself, and samples come back as text."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

import quasistatic as qs
from quasistatic.kits import sequences
from quasistatic_plugins.text import TextOptions
from quasistatic_plugins.text.forms import SEPARATOR, about_forms, decoded, in_one_form, samples_in, written
from quasistatic_plugins.text.tokens import loaded, numbered

TOPICS = "pydoc_data"  # the place of what Python's help knows
INPUT = "-"
OTHER = "\N{REPLACEMENT CHARACTER}"
ORDERS = 5
SYMBOL = 48  # bytes that one of a text takes on the way
PARAGRAPH, SHORT = "\n\n", 40  # characters of what is no whole paragraph


def build(options: TextOptions) -> Text:
    """The source of the text that the options name. Raises DataError, which names the file, the place and a way out."""
    beside = {"input": _all_of(sys.stdin.buffer)} if options.path == INPUT else {}
    if options.tokenizer:
        beside["tokenizer"] = qs.files.read_bytes(options.tokenizer)
    return Text(options, options.path, beside)


def restore(options: TextOptions, kept: qs.sources.Kept) -> Text:
    """The source of a run that is reopened; its files are read when their text is used."""
    return Text.restored(options, INPUT if "input" in kept.arrays else "", kept)


class Text(sequences.AbstractSymbolSource):
    """Events (length,) are windows that begin anywhere in the training part, and side by side elsewhere.

    What was read from the standard input, and the tokenizer, are kept by a run.
    """

    shipped = TOPICS
    named = "file"
    endings = (".txt",)

    def read(self, choices: TextOptions, where: str, alphabet: tuple[str, ...] | None = None) -> sequences.Strings:
        files, notes = self._files(where)
        origin = qs.files.origin_of(where or TOPICS, files)
        if alphabet is not None:
            return self._scored(choices, files, origin, alphabet)
        kind = "topics" if not where else "files"
        size = f"read {sum(map(len, files.values()))} bytes in {len(files)} {kind} of {origin.path}"
        if choices.level == "bytes":
            alphabet, rows = _of_bytes(), [np.frombuffer(data, np.uint8) for data in files.values()]
        else:
            found = {name: decoded(where if len(files) == 1 else name, data, choices.encoding) for name, data in files.items()}
            texts = {name: in_one_form(text, choices) for name, text in found.items()}
            notes = (*notes, *about_forms(files, found, choices))
            if choices.level == "tokens":
                alphabet, rows, made = self._tokens(choices, texts)
            else:
                alphabet, made = _alphabet(texts, choices.fewest)
                rows = [_codes(text, alphabet, {}) for text in texts.values()]
            notes = (*notes, *made)
        if len(alphabet) < 2:
            raise qs.DataError(
                f"{origin.path}: holds fewer than two different symbols, where characters that are rarer than source.fewest = "
                f"{choices.fewest} are one: there is nothing to learn"
            )
        passages = sequences.joined_strings(rows, len(alphabet))
        return sequences.Strings(origin, alphabet, passages, list(files), np.zeros(len(rows), np.int64), (size, *notes))

    def _scored(
        self, choices: TextOptions, files: Mapping[str, bytes], origin: Any, alphabet: tuple[str, ...]
    ) -> sequences.Strings:
        """All texts of files, and of a file that `write_events` wrote its texts one by one."""
        if not any(files.values()):
            raise qs.DataError(f"{origin.path}: is empty")
        rows, names, offsets, foreign = [], [], [], dict[str, int]()
        for name, data in files.items():
            for start, row in self._pieces(choices, name, data, alphabet, foreign):
                rows.append(row)
                names.append(name)
                offsets.append(start)
        passages = sequences.joined_strings(rows, len(alphabet) + len(foreign))
        what = tuple(f"{letter!r} is not one of the {len(alphabet)} characters of this source" for letter in foreign)
        return sequences.Strings(origin, alphabet, passages, names, np.array(offsets, np.int64), foreign=what)

    def _pieces(
        self, choices: TextOptions, name: str, data: bytes, alphabet: tuple[str, ...], foreign: dict[str, int]
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Where each text of a file begins, and its symbols."""
        step = choices.length + len(SEPARATOR)
        if choices.level == "bytes":
            parts = samples_in(data, choices.length, SEPARATOR.encode()) or [data]
            yield from ((step * number, np.frombuffer(part, np.uint8)) for number, part in enumerate(parts))
            return
        text = decoded(name, data, choices.encoding)
        if choices.level == "tokens":
            whole = text.removesuffix("\n").split(SEPARATOR) if SEPARATOR in text else [text]
            texts, start = [in_one_form(each, choices) for each in whole], 0
            for row in numbered("source.tokenizer", self.beside["tokenizer"], texts, strict=False).rows:
                yield start, row
                start += len(row)
            return
        samples = samples_in(text, choices.length, SEPARATOR)
        for number, part in enumerate(samples or [in_one_form(text, choices)]):
            yield step * number, _codes(part, alphabet, foreign)

    def divide(self, choices: TextOptions, strings: sequences.Strings) -> sequences.Division:
        return sequences.windows(strings, choices)

    def side_of(self, choices: TextOptions) -> None:
        return None

    @property
    def counted(self) -> str:  # type: ignore[override]
        return self._choices.level.removesuffix("s")

    def _files(self, where: str) -> tuple[dict[str, bytes], tuple[str, ...]]:
        """The bytes of each file, or of what else the text is, by name; and sentences about them."""
        if not where:
            return _topics()
        if where == INPUT:
            return {INPUT: self.beside["input"]}, ()
        path = Path(where).expanduser()
        if not path.is_dir():
            return {path.name: qs.files.read_bytes(path, SYMBOL)}, ()
        # a link could lead anywhere, a pipe would be waited for
        found = sorted(each for each in path.rglob("*.txt") if each.is_file() and not each.is_symlink())
        if not found:
            raise qs.DataError(f"{path}: is a folder without a .txt in it or below it; expected some, or a file of text")
        files: dict[str, bytes] = {}
        for each in found:
            files[each.relative_to(path).as_posix()] = qs.files.read_bytes(each)
            _refuse_large(path, sum(map(len, files.values())))
        return files, ()

    def _tokens(self, choices: TextOptions, texts: Mapping[str, str]) -> tuple[tuple[str, ...], list[np.ndarray], tuple[str, ...]]:
        found = numbered(choices.tokenizer, self.beside["tokenizer"], list(texts.values()))
        total, lost = sum(map(len, found.rows)), found.unknown
        more = (
            f"{total} tokens of {len(found.alphabet)} kinds",
            *((f"{lost} tokens are unknown to the tokenizer",) if lost else ()),
        )
        return found.alphabet, found.rows, (*more, *found.notes)

    @functools.cached_property
    def _tokenizer(self) -> Any:
        """For spelling alone. It is loaded in another process first, which it may end."""
        data = self.beside["tokenizer"]
        numbered("source.tokenizer", data, ())
        return loaded(data)[0]

    def spell(self, xs: np.ndarray) -> list[str]:
        """Events (N, length) as text, one each."""
        level = self._choices.level
        if level == "bytes":
            return [np.asarray(x, np.uint8).tobytes().decode(errors="replace") for x in xs]
        if level == "tokens":
            return [self._tokenizer.decode(np.asarray(x).tolist(), skip_special_tokens=False) for x in xs]
        return super().spell(xs)

    def write_events(self, xs: np.ndarray, ending: str) -> bytes:
        """A text for each event, with a line of % between them, in UTF-8, or the very bytes.

        `read_events` gives these events again; not so tokens, of which other ones may spell the same text.
        """
        if self._choices.level == "bytes":
            return SEPARATOR.encode().join(np.asarray(x, np.uint8).tobytes() for x in xs) + b"\n"
        return written(SEPARATOR.join(self.spell(xs)) + "\n", self._choices.encoding)

    def baselines(self, xs: np.ndarray) -> dict[str, np.ndarray]:
        """Interpolated n-grams of the training part; as for K, nothing is known before a window."""
        texts = self.division.texts
        found = sequences.ngrams(texts["train"], texts["validation"], self.passages_of(xs), len(self.alphabet), ORDERS)
        return {f"{order}-gram": values for order, values in enumerate(found, 1)}


def _topics() -> tuple[dict[str, bytes], tuple[str, ...]]:
    """What Python's help knows of its topics, without paragraphs that were there before: a copy would be in two splits."""
    from pydoc_data.topics import topics

    seen: set[str] = set()
    kept: dict[str, bytes] = {}
    for name in sorted(topics):
        fresh = [each for each in topics[name].split(PARAGRAPH) if len(each) < SHORT or each.strip() not in seen]
        seen.update(each.strip() for each in fresh)
        kept[name] = PARAGRAPH.join(fresh).encode()
    lost = 1.0 - sum(map(len, kept.values())) / sum(len(text.encode()) for text in topics.values())
    return kept, (f"left out {100 * lost:.0f} % of the bytes: paragraphs that a topic before has too",)


def _all_of(stream: IO[bytes]) -> bytes:
    found = bytearray()
    while chunk := stream.read(2**20):
        found += chunk
        _refuse_large(Path("the standard input"), len(found))
    return bytes(found)


def _refuse_large(path: Path, size: int) -> None:
    try:
        qs.files.refuse_large(size)
    except OSError as error:
        raise qs.DataError(f"{path}: {error}") from error


def _points(text: str) -> np.ndarray:
    """The number of each character in Unicode."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def _alphabet(texts: Mapping[str, str], fewest: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The characters, in their order, and the symbol of rare ones where there are any; and sentences about these."""
    points, counts = np.unique(_points("".join(texts.values())), return_counts=True)
    is_rare = (counts < fewest) | (points == ord(OTHER))
    kept = tuple(map(chr, points[~is_rare].tolist()))
    if not is_rare.any():
        return kept, (f"{counts.sum()} characters of {len(kept)} kinds",)
    rare = "".join(map(chr, points[is_rare].tolist()))
    made = (
        f"{counts.sum()} characters of {len(points)} kinds; the {len(rare)} kinds that occur less than {fewest} times are one "
        f"symbol, {OTHER}, {counts[is_rare].sum()} times: {rare[:40]!r}{'...' if len(rare) > 40 else ''}"
    )
    return (*kept, OTHER), (made,)


def _codes(text: str, alphabet: Sequence[str], foreign: dict[str, int]) -> np.ndarray:
    """The number of each character in the alphabet; where no symbol is for others, `foreign` numbers these from its end on."""
    points, known = _points(text), np.array(list(map(ord, alphabet)), np.int64)
    order = np.argsort(known)
    place = order[np.minimum(np.searchsorted(known, points, sorter=order), len(known) - 1)]
    is_known = known[place] == points
    if OTHER in alphabet[-1:]:
        return np.where(is_known, place, len(known) - 1)
    for point in np.unique(points[~is_known]).tolist():
        place = np.where(points == point, len(known) + foreign.setdefault(chr(point), len(foreign)), place)
    return place


def _of_bytes() -> tuple[str, ...]:
    return tuple(f"{byte:02x}" for byte in range(256))
