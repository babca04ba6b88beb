"""Strings of symbols: what is divided is whole, apart and in order, and events are what the strings hold."""

import gzip
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import quasistatic as qs
from quasistatic.kits import sequences
from quasistatic.kits.sequences.drawing import draw_lines
from quasistatic.kits.sequences.strings import repeated

SPLITS = ("train", "validation", "test")


def strings_of(counts, seed=0):
    rows = [np.random.RandomState(seed + number).randint(0, 7, count) for number, count in enumerate(counts)]
    passages = sequences.joined_strings(rows, 7)
    origin = qs.files.origin_of("nowhere", {})
    return sequences.Strings(origin, tuple("abcdefg"), passages, list(range(len(rows))), np.zeros(len(rows), int))


def places(passages):
    return [np.arange(start, start + count) for start, count in zip(passages.starts, passages.counts, strict=True)]


@given(st.lists(st.integers(0, 60), min_size=1, max_size=6), st.integers(1, 8), st.integers(0, 5))
def test_windows_of_a_split_lie_in_its_part_and_parts_are_in_order(counts, length, seed):
    strings, choices = strings_of(counts, seed), sequences.SymbolChoices(length=length, validation_share=0.2, test_share=0.3)
    try:
        division = sequences.windows(strings, choices)
    except qs.DataError:
        assert sum(count // length for count in counts) < 40  # some split has no window
        return
    parts = {name: np.concatenate(places(division.texts[name])) for name in SPLITS}
    everything = np.concatenate([parts[name] for name in SPLITS])
    np.testing.assert_array_equal(everything, np.arange(sum(counts)))  # all symbols, once, in their order
    owner = np.repeat(np.arange(len(counts)), counts)
    for name in SPLITS:
        found = places(division.events[name])
        joined = np.concatenate(found)
        assert len(np.unique(joined)) == len(joined) and np.isin(joined, parts[name]).all()
        assert [set(owner[each]) for each in found] == [{each} for each in division.owners[name]]
    rows = {tuple(each) for each in places(division.rows)}
    every = {tuple(range(first, first + length)) for first in parts["train"]}
    assert rows == {each for each in every if set(each) <= set(parts["train"]) and len(set(owner[list(each)])) == 1}


@given(st.lists(st.integers(1, 9), min_size=10, max_size=60), st.integers(0, 5))
def test_whole_strings_of_a_group_are_in_one_split_and_all_that_fit_are_somewhere(counts, seed):
    strings, choices = strings_of(counts, seed), sequences.SymbolChoices(length=7)
    groups = sequences.same_strings(strings.passages)
    try:
        division = sequences.whole(strings, choices, groups, seed)
    except qs.DataError:
        assert len(np.unique(groups[np.array(counts) <= 7])) < 5
        return
    owners = {name: set(division.owners[name].tolist()) for name in SPLITS}
    assert sorted(number for each in owners.values() for number in each) == np.flatnonzero(np.array(counts) <= 7).tolist()
    split_of = {number: name for name, each in owners.items() for number in each}
    assert len({(groups[number], split_of[number]) for number in split_of}) == len({groups[number] for number in split_of})


@given(st.integers(1, 6), st.integers(0, 9))
def test_windows_that_are_repeated_are_those_that_are_equal(length, seed):
    symbols = np.random.RandomState(seed).randint(0, 3, 80).astype(np.uint8)
    passages = [
        sequences.Passages(symbols, starts, np.full(len(starts), length)) for starts in (np.arange(0, 20), np.arange(30, 70, 3))
    ]
    texts = [[symbols[start : start + length].tobytes() for start in each.starts] for each in passages]
    assert repeated(*passages).tolist() == [text in texts[1] for text in texts[0]]


def test_equal_strings_have_one_number():
    passages = sequences.joined_strings([np.array(each, int) for each in ([1, 2], [1], [1, 2], [], [2], [])], 5)
    assert sequences.same_strings(passages).tolist() == [0, 1, 0, 2, 3, 2]
    assert passages.symbols.dtype == np.uint8 and sequences.joined_strings([np.array([299])], 300).symbols.dtype == np.uint16


def test_a_split_that_is_empty_is_named():
    with pytest.raises(qs.DataError, match="leave the validation split without a window of 8"):
        sequences.windows(strings_of([50]), sequences.SymbolChoices(length=8))
    with pytest.raises(qs.DataError, match="2 different strings of at most 8 symbols leave train empty"):
        sequences.whole(strings_of([3, 4, 20]), sequences.SymbolChoices(length=8), np.arange(3), 0)


def test_files_are_read_whole_or_refused(tmp_path, monkeypatch):
    plain, packed, pipe = tmp_path / "x.txt", tmp_path / "x.gz", tmp_path / "pipe"
    plain.write_bytes(b"abc")
    packed.write_bytes(gzip.compress(bytes(10**6)))
    os.mkfifo(pipe)
    assert qs.files.read_bytes(plain) == b"abc" and qs.files.read_bytes(packed) == bytes(10**6)
    for path, said in ((pipe, "not an ordinary file"), (tmp_path, "is a folder"), (tmp_path / "none", "No such file")):
        with pytest.raises(qs.DataError, match=said):
            qs.files.read_bytes(path)
    plain.rename(tmp_path / "y.gz")
    with pytest.raises(qs.DataError, match=r"is not a \.gz file, or is damaged"):
        qs.files.read_bytes(tmp_path / "y.gz")
    monkeypatch.setenv("QUASISTATIC_LIMIT_GB", "1e-5")  # ten times more than is packed, a hundredth of what it holds
    with pytest.raises(qs.DataError, match="above the limit"):
        qs.files.read_bytes(packed)


def test_lines_fill_the_axes_and_no_more_and_are_read_as_they_are():
    from matplotlib.figure import Figure

    axes = Figure(figsize=(2.0, 1.0)).add_subplot()
    draw_lines(["$x^2$ \\frac", "two\nlines", "漢\t", "a" * 1000], axes)
    (text,) = axes.texts
    lines = text.get_text().split("\n")
    assert lines[:5] == ["$x^2$ \\frac", "two", "lines", " ", "□□"] and not text.get_parse_math()
    across, down = 2.0 * 0.775 * 72 / (0.602 * 6), 0.77 * 72 / (1.25 * 6)  # matplotlib's margins
    assert len(lines[5]) == int(across) and len(lines) == int(down)


def test_a_masked_symbol_is_drawn_as_such() -> None:
    """The report draws noisy states too, which may have one symbol more than the data."""
    source = qs.make("source", "text", length=4)
    last = len(source.alphabet)
    assert source.spell(np.array([[0, last, 0, last]]))[0][1::2] == "\N{LOWER ONE EIGHTH BLOCK}" * 2
