"""Text: nothing is lost, no split reads another's part, samples are text, and a run knows its text again."""

import gzip
import json
import pickle
import re
import unicodedata

import numpy as np
import pytest

import quasistatic as qs

SPLITS = ("train", "validation", "test")
LINES = "".join(f"{number} bottles of beer on the wall, {number} bottles of béer.\n" for number in range(200))
TINY = [
    *("--set", "source.length=6", "--set", "training.updates=4", "--set", "training.batch=8", "--set", "training.fuse=2"),
    *("--set", "training.validate_every=4", "--set", "training.validation_events=8", "--set", "model.width=8"),
    *("--set", "model.depth=1", "--set", "evaluation.events=16", "--set", "evaluation.trajectory_steps=[]"),
    *("--set", "trajectory.steps=3", "--set", "training.observers=[]"),
]


@pytest.fixture
def song(tmp_path):
    (tmp_path / "song.txt").write_text(LINES)
    return tmp_path / "song.txt"


def text(path="", **options):
    return qs.make("source", "text", path=str(path), **{"length": 10, **options})


def refused(**options):
    with pytest.raises(qs.errors.QuasistaticError) as caught:
        text(**options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("level", ["characters", "bytes"])
def test_windows_are_the_text_in_order_and_training_reads_its_part_alone(song, level):
    source = text(song, level=level, fewest=1)
    told = LINES if level == "characters" else LINES.encode().decode("latin-1")
    first = {name: source.split(name) for name in SPLITS}
    for data in first.values():
        assert data.x.shape[1:] == (10,) and data.x.dtype == np.int32 and data.side is None
        for x, place in zip(data.x, data.tags[source.counted], strict=True):
            spelt = source.spell(x[None])[0] if level == "characters" else x.astype(np.uint8).tobytes().decode("latin-1")
            assert spelt == told[place : place + 10]
    rows = source.stored()
    cut = round(0.8 * len(told))
    assert len(rows) == cut - 9
    last = rows[np.array([len(rows) - 1])]["x"]
    assert source.spell(last) == [LINES[cut - 10 : cut]] if level == "characters" else True
    assert min(first["validation"].tags[source.counted]) >= cut


def test_rare_characters_are_one_symbol_and_that_is_said(song):
    song.write_text(LINES + "ÄÖ\N{REPLACEMENT CHARACTER}")
    source = text(song, fewest=3)
    assert source.alphabet[-1] == "\N{REPLACEMENT CHARACTER}" and "Ä" not in source.alphabet and "é" in source.alphabet
    assert "the 3 kinds that occur less than 3 times are one symbol" in " ".join(source.notes)
    assert source.spell(source.read(source._choices, str(song)).passages.padded(len(LINES) + 3)[0])[0] == LINES + 3 * "\ufffd"
    assert len(text(song, fewest=1).alphabet) == len(set(LINES)) + 3


def test_a_folder_is_its_files_in_order_and_no_window_spans_two(tmp_path):
    for number, name in enumerate(("b.txt", "a.txt", "below/c.txt")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("abc"[number] * 95 + "xyz"[number] * 30)
    (tmp_path / "link.txt").symlink_to(tmp_path / "a.txt")
    source = text(tmp_path, fewest=1, validation_share=0.2, test_share=0.3)
    assert list(dict.fromkeys(source.split("train").tags["file"])) == ["a.txt", "b.txt"]
    assert set(source.split("test").tags["file"]) == {"below/c.txt"}
    for x in source.spell(source.stored()[np.arange(len(source.stored()))]["x"]):
        assert set(x) <= set("by") or set(x) <= set("ax")


def test_texts_are_parted_by_lines_of_percent(song):
    source = text(song)
    x = source.split("train", 3).x
    parts = source.write_events(x, ".txt").decode().removesuffix("\n").split("\n%\n")
    assert parts == source.spell(x) == [LINES[:10], LINES[10:20], LINES[20:30]]


def test_simple_models_are_scored_on_the_same_windows(song):
    source = text(song)
    found = source.baselines(source.split("test").x)
    assert list(found) == ["1-gram", "2-gram", "3-gram", "4-gram", "5-gram"]
    means = [values.mean() for values in found.values()]
    assert means == sorted(means) and means[-1] > 0.4 * means[0]


def test_the_text_that_every_python_has_is_the_default():
    source = text()
    assert len(source.split("test")) > 1000 and "topics of pydoc_data" in source.notes[0]
    assert 60 < len(source.alphabet) < 200
    found = re.search(r"(\d+) of (\d+) test windows are in the training part", " ".join(text(length=64).notes))
    assert int(found[1]) < 0.02 * int(found[2])


def test_another_file_is_spelt_with_the_same_alphabet(song, tmp_path):
    song.write_text(LINES + "#")  # one rare character, so that there is a symbol for others
    source, other = text(song), tmp_path / "other.txt.gz"
    other.write_bytes(gzip.compress(b"bottles on the wall! "))
    data = source.read_events(other)
    assert source.spell(data.x) == ["bottles on", " the wall\ufffd"]
    other.write_bytes(gzip.compress(b"bottles on ?"))
    data = text(song, fewest=1).read_events(other)
    assert len(data) == 1 and [each.reason for each in data.outside] == []
    other.write_bytes(gzip.compress(b"bottles ? " * 2))
    data = text(song, fewest=1).read_events(other)
    why = "character 8: '?' is not one of the 28 characters of this source"
    assert len(data) == 0 and data.outside[0] == qs.sources.Outside(0, why, {"file": "other.txt.gz", "character": 0})
    (tmp_path / "short.txt").write_text("wall")
    (short,) = text(song, fewest=1).read_events(tmp_path / "short.txt").outside
    assert short.reason == "it has 4 symbols, a window has 10 (source.length)"
    (tmp_path / "short.txt").write_text("")
    with pytest.raises(qs.DataError, match="is empty"):
        source.read_events(tmp_path / "short.txt")


def test_what_cannot_be_read_is_one_message(tmp_path, monkeypatch):
    latin, empty, folder = tmp_path / "latin.txt", tmp_path / "empty.txt", tmp_path / "folder"
    latin.write_bytes("é".encode("latin-1") * 40)
    empty.touch()
    folder.mkdir()
    assert "not UTF-8 text" in refused(path=latin) and "source.level=bytes" in refused(path=latin)
    assert text(latin, level="bytes", length=2).alphabet[-1] == "ff"
    assert "fewer than two different symbols" in refused(path=empty)
    assert "is a folder without a .txt" in refused(path=folder)
    assert "No such file" in refused(path=tmp_path / "none.txt")
    assert 'where level = "tokens"' in refused(level="tokens")
    (tmp_path / "short.txt").write_text("to be or not to be")
    assert "leave the validation split without a window of 10" in refused(path=tmp_path / "short.txt", fewest=1)
    monkeypatch.setenv("QUASISTATIC_LIMIT_GB", "1e-8")
    assert "above the limit" in refused(path=latin)


def test_line_ends_and_marks_are_counted(song):
    song.write_bytes(b"\xef\xbb\xbf" + LINES[:400].replace("\n", "\r\n").encode() + LINES[400:].encode() + b"\r")
    source = text(song, fewest=1)
    assert "a byte order mark is left out at the beginning of 1 of 1 texts" in source.notes
    ends = LINES[:400].count("\n"), LINES[400:].count("\n")
    found = f"line ends: {ends[0]} CRLF, {ends[1]} LF, 1 CR, "
    assert f"{found}kept as they are; --set source.line_ends=unix makes all of them LF" in source.notes
    assert source.alphabet[:2] == ("\n", "\r") and "\ufeff" not in source.alphabet
    unix = text(song, fewest=1, line_ends="unix")
    assert f"{found}all made LF" in unix.notes and "\r" not in unix.alphabet
    assert unix.spell(unix.split("train").x[40:41]) == [LINES[400:410]]
    assert not any("line ends" in note for note in text().notes)


def test_letters_of_two_forms_are_counted_and_can_be_made_one(song):
    pieces = unicodedata.normalize("NFD", LINES[:2000])
    song.write_text(pieces + LINES[2000:])
    source = text(song, fewest=1)
    count = LINES[:2000].count("é")
    two = f"{count} letters are written with a combining mark or in another second form, of which é is also there as one"
    assert f"{two}: --set source.normalise=nfc makes them one character each" in source.notes and "\u0301" in source.alphabet
    one = text(song, fewest=1, normalise="nfc")
    assert f"{two}: made one character each" in one.notes and "\u0301" not in one.alphabet
    song.write_text(LINES)
    plain = text(song, fewest=1)
    np.testing.assert_array_equal(plain.split("test").x, one.split("test").x)
    assert not any("second form" in note for note in plain.notes)
    song.write_text(pieces)
    assert one.spell(one.read_events(song).x)[0] == LINES[:10]


def test_another_encoding_is_named_and_read(song):
    song.write_bytes(LINES.encode("latin-1"))
    byte = LINES.encode("latin-1").index(b"\xe9")
    assert f"not UTF-8 text (invalid continuation byte at byte {byte}, 0xe9); --set source.encoding=latin-1" in refused(path=song)
    source = text(song, encoding="latin-1", fewest=1)
    assert source.spell(source.split("train").x[2:3]) == [LINES[20:30]]
    song.write_bytes(LINES.encode("utf-16"))
    assert "source.encoding=utf-16" in refused(path=song)
    np.testing.assert_array_equal(text(song, encoding="utf-16", fewest=1).split("test").x, source.split("test").x)
    assert "expected an encoding that Python knows, such as latin-1, got 'klingon'" in refused(path=song, encoding="klingon")
    assert "the bytes are taken as they are" in refused(path=song, level="bytes", normalise="nfc")


@pytest.mark.parametrize(
    "options",
    [
        {"fewest": 1},
        {"fewest": 30},
        {"level": "bytes"},
        {"encoding": "latin-1", "fewest": 1},
        {"normalise": "nfc", "line_ends": "unix", "fewest": 1},
    ],
    ids=str,
)
def test_texts_that_are_written_are_read_again_exactly(song, tmp_path, options):
    whole = LINES + "%\n" * 40 + "e\u0301\r\n\r" + "%"
    song.write_bytes(whole.encode("latin-1", "replace") if "encoding" in options else whole.encode())
    source = text(song, **options)
    random, alphabet = np.random.RandomState(0), source.event.categories
    drawn = random.randint(0, alphabet, (60, 10)).astype(np.int32)
    separators = [source.alphabet.index(each) for each in ("%", "\n") if each in source.alphabet] or [37, 10]
    drawn[:20] = random.choice(separators, (20, 10))
    for x in (drawn, drawn[:1], source.split("test").x):
        (tmp_path / "x.txt").write_bytes(source.write_events(x, ".txt"))
        again = source.read_events(tmp_path / "x.txt")
        np.testing.assert_array_equal(again.x, x)
        assert not again.outside and set(again.tags["file"]) == {"x.txt"}
    data = source.read_events(song)
    (tmp_path / "x.txt").write_bytes(source.write_events(data.x, ".txt"))
    np.testing.assert_array_equal(source.read_events(tmp_path / "x.txt").x, data.x)


def test_windows_with_a_strange_character_are_outside_and_the_others_are_not(song, tmp_path):
    source = text(song, fewest=1)
    (tmp_path / "x.txt").write_text("bottles onZ the wall s the beerof")
    data = source.read_events(tmp_path / "x.txt")
    assert source.spell(data.x) == ["bottles on", " s the bee"] and data.numbers.tolist() == [0, 2]
    assert [each.reason for each in data.outside] == ["character 10: 'Z' is not one of the 27 characters of this source"]
    assert data.outside[0].tags == {"file": "x.txt", "character": 10}


def test_a_source_can_be_pickled(song):
    for source in (
        text(song),
        qs.plugins().component("source", "text").load_restore()(text(song)._choices, text(song).kept().at(song)),
    ):
        again = pickle.loads(pickle.dumps(source))
        np.testing.assert_array_equal(again.split("test").x, source.split("test").x)
        assert again.notes == source.notes


def words(path, vocabulary):
    """A tokenizer of whole words."""
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.save(str(path))
    return str(path)


def test_tokens_are_those_of_the_tokenizer_and_a_foreign_one_is_refused(song, tmp_path):
    known = ("[UNK]", "bottles", "of", "beer", "on", "the", "wall", ",", "béer", ".")
    source = text(song, level="tokens", length=4, tokenizer=words(tmp_path / "t.json", dict(zip(known, range(10), strict=True))))
    assert source.event == qs.Categorical((4,), 10) and source.alphabet == known
    assert source.spell(source.split("train").x[1:3]) == ["on the wall ,", "[UNK] bottles of béer"]
    assert "400 tokens are unknown to the tokenizer" in source.notes
    again = qs.plugins().component("source", "text").load_restore()(source._choices, source.kept())
    assert again.spell(source.split("test").x) == source.spell(source.split("test").x)
    foreign = words(tmp_path / "f.json", {"[UNK]": 0, "flasks": 1})
    assert "is a tokenizer of another vocabulary" in refused(path=song, level="tokens", tokenizer=foreign)
    gap = words(tmp_path / "g.json", {"[UNK]": 0, "bottles": 7})
    assert "has 2 tokens with numbers up to 7" in refused(path=song, level="tokens", tokenizer=gap)
    (tmp_path / "no.json").write_text(json.dumps({"version": "1.0"}))
    assert "is no tokenizer.json" in refused(path=song, level="tokens", tokenizer=str(tmp_path / "no.json"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A tiny run on text from the standard input."""
    from click.testing import CliRunner

    from quasistatic.cli import main

    folder = tmp_path_factory.mktemp("text") / "run"
    result = CliRunner().invoke(main, ["train", "text", "--set", "source.path=-", "--out", str(folder), *TINY], input=LINES)
    assert result.exit_code == 0, result.output
    return folder


def test_samples_come_back_as_text(trained, cli, tmp_path):
    result = cli("sample", trained, "-n", 5, "-o", tmp_path / "x.txt")
    assert result.exit_code == 0, result.output
    parts = (tmp_path / "x.txt").read_text().removesuffix("\n").split("\n%\n")
    assert [len(part) for part in parts] == 5 * [6]
    assert cli("sample", trained, "-n", 5, "-o", tmp_path / "x.npz").exit_code == 0
    run = qs.open_run(trained)
    assert run.source.spell(np.load(tmp_path / "x.npz")["x"]) == parts
    result = cli("sample", trained, "-o", tmp_path / "x.doc")
    assert result.exit_code == 2 and "expected a name that ends with .txt, .npz, .csv" in result.stderr


def test_what_came_from_the_standard_input_is_kept(trained):
    source = qs.open_run(trained).source
    shown = source.spell(source.split("validation").x)
    assert "".join(shown) in LINES and "\nread 10780 bytes in 1 files of" in "\n" + "\n".join(source.notes)


def test_a_run_whose_text_was_changed_gives_no_figures(song):
    source = text(song)
    component = qs.plugins().component("source", "text")
    again = component.load_restore()(source._choices, source.kept().at(song))
    np.testing.assert_array_equal(again.split("test").x, source.split("test").x)
    assert again.notes == source.notes and again.event == source.event
    song.write_text(LINES.replace("wall", "hall"))
    changed = component.load_restore()(source._choices, source.kept().at(song))
    assert changed.spell(source.split("test").x)[0] in LINES
    with pytest.raises(qs.DataError, match="these are not the data of the run"):
        changed.split("test")
    with pytest.raises(qs.DataError, match="cannot be read by this version"):
        component.load_restore()(source._choices, qs.sources.Kept({"path": "x"}))
