"""Tokenizers of strangers: none of the text is lost or made up in silence, and none ends or holds the process."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

import quasistatic as qs

tokenizers = pytest.importorskip("tokenizers")

PATIENCE = 60.0  # seconds of a busy machine: an idle one takes less than 20
LINES = "Ninety-nine bottles of beer do not hang on the wall.\n\nTake one down, pass it around!\n" * 60


def by_bytes(**changes: Any) -> dict[str, Any]:
    """A tokenizer of bytes that loses nothing, as its file has it, with these entries."""
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    made = tokenizers.Tokenizer(tokenizers.models.BPE({letter: k for k, letter in enumerate(letters)}, []))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    return {**json.loads(made.to_str()), **changes}


def read(folder: Any, about: Any) -> Any:
    (folder / "song.txt").write_text(LINES)
    (folder / "t.json").write_text(about if isinstance(about, str) else json.dumps(about))
    named = {"path": str(folder / "song.txt"), "tokenizer": str(folder / "t.json")}
    return qs.make("source", "text", level="tokens", length=8, **named)


def refused(folder: Any, about: Any) -> str:
    start = time.perf_counter()
    with pytest.raises(qs.DataError) as found:
        read(folder, about)
    assert time.perf_counter() - start < PATIENCE and "\n" not in str(found.value)
    return str(found.value)


TRUNCATION = {"direction": "Right", "max_length": 512, "strategy": "LongestFirst", "stride": 0}
PADDING = {
    "strategy": {"Fixed": 9000},
    "direction": "Right",
    "pad_to_multiple_of": None,
    "pad_id": 0,
    "pad_type_id": 0,
    "pad_token": "!",
}


@pytest.mark.parametrize(
    "switched", [{"truncation": TRUNCATION}, {"padding": PADDING}, {"truncation": TRUNCATION, "padding": PADDING}]
)
def test_no_token_is_dropped_or_made_up(tmp_path: Any, switched: Any) -> None:
    source = read(tmp_path, by_bytes(**switched))
    assert f"{len(LINES.encode())} tokens of 256 kinds" in source.notes
    names = " and ".join(switched)
    assert any(note.startswith(f"the tokenizer's {names} ") and "switched off" in note for note in source.notes)
    assert source.spell(source.split("train", 1).x)[0] == LINES[:8]
    assert len(source.read_events(tmp_path / "song.txt").x) == len(LINES) // 8


def test_padding_of_two_billion_is_no_matter(tmp_path: Any) -> None:
    assert read(tmp_path, by_bytes(padding={**PADDING, "strategy": {"Fixed": 2_000_000_000}})).event.categories == 256


def replace(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def removed(text: str) -> dict[str, Any]:
    split = {"type": "Split", "pattern": {"String": text}, "behavior": "Removed", "invert": False}
    plain = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {"type": "Sequence", "pretokenizers": [split, plain]}


TWICE = {
    "type": "TemplateProcessing", "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
    "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "special_tokens": {},
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"normalizer": replace({"String": "beer"}, "")},
        {"normalizer": replace({"String": "beer"}, "wine")},
        {"normalizer": replace({"Regex": "[a-z]+"}, "")},
        {"normalizer": {"type": "Prepend", "prepend": "x"}},
        {"pre_tokenizer": removed("bottles")},
        {"decoder": replace({"String": "e"}, "")},
        {"decoder": None},
    ],
    ids=str,
)
def test_a_tokenizer_that_loses_or_adds_text_is_refused(tmp_path: Any, changes: Any) -> None:
    assert "loses or adds text: its " in refused(tmp_path, by_bytes(**changes))


def test_templates_and_case_change_no_word(tmp_path: Any) -> None:
    assert f"{len(LINES)} tokens of 256 kinds" in read(tmp_path, by_bytes(post_processor=TWICE)).notes
    source = read(tmp_path, by_bytes(normalizer={"type": "Lowercase"}))
    assert any("in another form" in note for note in source.notes)


def pieces(cleanup: bool) -> Any:
    words = [
        "[UNK]",
        *sorted({*LINES.replace("\n", " ").replace(".", "").replace(",", "").replace("!", "").replace("-", " ").split()}),
        *".,!-",
    ]
    made = tokenizers.Tokenizer(tokenizers.models.WordPiece(dict(zip(words, range(99), strict=False)), unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    made.decoder = tokenizers.decoders.WordPiece(cleanup=cleanup)
    return made.to_str()


@pytest.mark.parametrize("cleanup", [True, False])
def test_words_are_spelt_as_they_are(tmp_path: Any, cleanup: bool) -> None:
    source = read(tmp_path, pieces(cleanup))
    assert "do not" in " ".join(source.spell(source.split("train").x))


def split(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


@pytest.mark.parametrize(
    "changes",
    [
        {"normalizer": {"type": "Sequence", "normalizers": [replace({"Regex": "."}, "aaaaaaaaaa")] * 12}},
        {"normalizer": replace({"Regex": r"(([^#]|\n)+)+([^#]+)+(?!.|\n)(?<=#)"}, "x")},
        {"pre_tokenizer": split(r"([a-z ]+)*([a-z ]+)*\1\2\2!")},
        {"decoder": replace({"Regex": "(a*)*b"}, "x")},
        {"decoder": {"type": "Sequence", "decoders": [replace({"String": "e"}, "e" * 10**6)]}},
        {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "////AAAA"}},
        {"normalizer": replace({"Regex": "(((a{1000}){1000}){1000}"}, "x")},
    ],
    ids=lambda changes: str(changes)[:60],
)
def test_a_tokenizer_that_grows_hangs_or_panics_is_one_sentence(tmp_path: Any, changes: Any) -> None:
    said = refused(tmp_path, by_bytes(**changes))
    assert "t.json: " in said


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", "{" * 100_000, "[" * 100_000 + "]" * 100_000, '{"version": "1.0", "model": 3}']
)
def test_what_is_no_tokenizer_is_one_sentence(tmp_path: Any, text: str) -> None:
    assert "is no tokenizer.json" in refused(tmp_path, text)


def test_a_token_of_a_million_letters(tmp_path: Any) -> None:
    about = by_bytes()
    about["model"]["vocab"] = {**about["model"]["vocab"], "b" * 10**6: 256}
    assert "has a token of 1000000 characters, expected at most 1000" in refused(tmp_path, about)
