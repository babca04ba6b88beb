"""Text: nothing is lost, no split reads another's part, samples are text, and a run knows its text again."""

import gzip
import json
import re

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
    with pytest.raises(qs.QuasistaticError) as caught:
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
    why = "character 8: '?' is none of the 30 characters of this source"
    assert len(data) == 0 and data.outside[0] == qs.Outside(0, why, {"file": "other.txt.gz", "character": 0})
    (tmp_path / "short.txt").write_text("wall")
    (short,) = text(song, fewest=1).read_events(tmp_path / "short.txt").outside
    assert short.reason == "it has 4 symbols, a window has 10 (source.length)"


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
    again = component.load_restore()(source._choices, source.kept())
    np.testing.assert_array_equal(again.split("test").x, source.split("test").x)
    assert again.notes == source.notes and again.event == source.event
    song.write_text(LINES.replace("wall", "hall"))
    changed = component.load_restore()(source._choices, source.kept())
    assert changed.spell(source.split("test").x)[0] in LINES
    with pytest.raises(qs.DataError, match="other data than those that the run was trained on"):
        changed.split("test")
    with pytest.raises(qs.DataError, match="none that this version reads"):
        component.load_restore()(source._choices, qs.Kept({"path": "x"}))
