"""From a path to a run: which recipe opens it, what it says, and what becomes of a path that nobody opens."""

import gzip
import json
import os
import shlex
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import quasistatic as qs

TINY = [
    *("--set", "training.updates=2", "--set", "training.batch=4", "--set", "training.validate_every=2"),
    *("--set", "training.validation_events=4", "--set", "model.width=8", "--set", "trajectory.steps=3"),
    *("--set", "training.observers=[]"),
]
RNG = np.random.default_rng(0)


def letters(alphabet, count):
    return "".join(RNG.choice(list(alphabet), count))


def records(alphabet, count, length):
    return "".join(f">r{number} some words\n{letters(alphabet, length)}\n" for number in range(count))


DNA, PROTEIN, RNA = records("ACGT", 3, 900), records("ACDEFGHIKLMNPQRSTVWY", 30, 90), records("acgu", 3, 900)
PROSE = "The quick brown fox, it jumps.\nOver a lazy dog.\n\nAnd so on; it ends.\n" * 60
ROWS = "height,town\n" + "".join(f"{150 + 0.7 * number},{'Aix' if number % 2 else 'Bonn'}\n" for number in range(60))
SMILES = "".join("C" * (1 + number % 9) + "O" + "N" * (number % 4) + f" m{number}\n" for number in range(80))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def opened(cli, name, *more):
    """The source with its options, and what is said of it."""
    result = cli("config", name, "--json", *more)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["source"], result.stderr


@pytest.mark.parametrize(
    ("name", "data", "source", "options"),
    [
        ("my.fasta", DNA, "sequences", {"alphabet": "dna"}),
        ("my.FA.gz", DNA, "sequences", {"alphabet": "dna"}),
        ("my.faa", PROTEIN, "sequences", {"alphabet": "protein"}),
        ("my.fna", RNA, "sequences", {"alphabet": "rna"}),
        ("my.fastq", "@a\nACGT\n+\nIIII\n", "sequences", {"alphabet": "dna"}),
        ("my.fastq", "@a\nMKVL\n+\nIIII\n", "sequences", {"alphabet": "protein"}),
        ("my.gb", "LOCUS a 8 bp\nFEATURES x\nORIGIN\n        1 acgttacg\n//\n", "sequences", {"alphabet": "dna"}),
        ("my.gb", "LOCUS a 8 bp\nFEATURES x\nORIGIN\n        1 acguuacg\n//\n", "sequences", {"alphabet": "rna"}),
        ("my.smi", SMILES, "molecules", {"augment": True}),
        ("my.SMILES.gz", SMILES, "molecules", {}),
        ("my.txt", PROSE, "text", {"length": 64}),
        ("my.md", PROSE, "text", {}),
        ("my.txt", "1.5 2\n3 4e-2\n" * 20, "table", {}),
        ("my.txt", ROWS, "table", {}),
        ("my.CSV", ROWS, "table", {}),
        ("my.npy", np.zeros((20, 3)), "array", {}),
    ],
)
def test_a_path_is_opened_by_the_recipe_that_fits(cli, here, name, data, source, options):
    if isinstance(data, str):
        (here / name).write_bytes(gzip.compress(data.encode()) if name.endswith(".gz") else data.encode())
    else:
        np.save(here / name, data)
    found, _ = opened(cli, name)
    assert (found["use"], found["path"]) == (source, name)
    assert {key: found[key] for key in options} == options
    assert qs.load_recipe(here / name).choices["source"].component.name == source


def test_what_a_look_has_found_is_said_and_the_user_has_the_last_word(cli, here):
    (here / "my.faa").write_text(PROTEIN)
    _, said = opened(cli, "my.faa")
    assert said == "my.faa: opened by recipe 'sequences' with source.alphabet=protein\n"
    found, _ = opened(cli, "my.faa", "--set", "source.alphabet=dna", "--set", "source.length=8")
    assert (found["alphabet"], found["length"], found["path"]) == ("dna", 8, "my.faa")
    found, _ = opened(cli, "my.faa", "--set", "source.use=text")  # which has no alphabet
    assert (found["use"], found["path"]) == ("text", "my.faa")


def test_other_recipes_that_accept_it_are_named_with_their_command(cli, here):
    (here / "my prose.txt").write_text(PROSE)
    _, said = opened(cli, "my prose.txt")
    (line,) = said.splitlines()
    assert line.startswith("my prose.txt: opened by recipe 'text'; 'table' opens it too: quasistatic run table --set ")
    words = shlex.split(line.partition("quasistatic run ")[2])
    found, silent = opened(cli, *words)
    assert (found["use"], found["path"], silent) == ("table", "my prose.txt", "")


def test_quiet_is_silent(cli, here):
    (here / "my.csv").write_text(ROWS)
    sets = ["--set", 'source.drop=["town"]', "--set", "model.depth=1"]
    result = cli("train", "my.csv", "--quiet", *TINY, *sets, "--out", "run")
    assert (result.exit_code, result.output) == (0, "")


@pytest.mark.parametrize(
    ("command", "name", "data", "sets"),
    [
        ("train", "genome.fasta", DNA, ("source.length=8",)),
        ("run", "proteins.faa", PROTEIN, ("source.length=8", "evaluation.events=8", "evaluation.trajectory_steps=[]")),
        ("train", "mols.smi", SMILES, ("source.length=20", "trajectory.steps=20")),
    ],
)
def test_sequences_and_molecules_are_runs_of_their_path(cli, here, command, name, data, sets):
    pytest.importorskip("rdkit" if name.endswith(".smi") else "Bio")
    (here / name).write_text(data)
    told = cli(command, name, *TINY, "--set", "model.depth=1", *(word for each in sets for word in ("--set", each)))
    assert told.exit_code == 0, told.output
    assert (here / "runs" / f"{name.partition('.')[0]}-001" / "recipe.toml").exists()


def test_folders(cli, here):
    for name in ("pictures", "texts", "nothing", "run"):
        (here / name / "below").mkdir(parents=True)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(here / "pictures" / "below" / "a.PNG")
    (here / "texts" / "below" / "a.txt").write_text(PROSE)
    (here / "run" / "seal.json").write_text("{}")
    assert opened(cli, "pictures")[0]["use"] == "images"
    assert opened(cli, "texts")[0]["use"] == "text"
    for command in ("run", "inspect"):
        said = cli(command, "nothing").stderr
        assert said.startswith("Error: nothing: recipe 'images' does not open it: holds no pictures, expected files that ")
        assert "recipe 'text' does not open it: holds no .txt" in said
        assert "run: is the folder of a run, which goes on with: quasistatic resume run" in cli(command, "run").stderr


@pytest.mark.parametrize(("name", "encoding"), [("a.txt", "windows-1252"), ("a.md", "utf-16"), ("a.tex", "utf-8")])
def test_prose_in_any_encoding_is_text(cli, here, name, encoding):
    (here / name).write_text("Straßen, die man geht; und\nein Weg zurück.\n" * 200, encoding=encoding)
    found, said = opened(cli, name)
    assert found["use"] == "text" and found.get("encoding", "utf-8") == encoding
    assert encoding == "utf-8" or f"opened by recipe 'text' with source.encoding={encoding}" in said


def test_a_name_of_a_recipe_is_no_path_and_a_path_with_a_separator_is_one(cli, here):
    (here / "digits").mkdir()
    (here / "digits" / "a.png").write_bytes(b"")
    assert opened(cli, "digits")[0]["use"] == "digits"
    assert opened(cli, "./digits")[0]["use"] == "images"
    assert qs.load_recipe(Path("digits")).choices["source"].component.name == "images"


@pytest.mark.parametrize("command", ["run", "train", "config", "inspect"])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gone.csv", "gone.csv: there is no such file in "),
        ("gone.FASTA.gz", "gone.FASTA.gz: there is no such file in "),
        ("my.xyz", "my.xyz: no recipe opens it, expected a file that ends in .arrow, .csv, .dat, .fa"),
        ("my", "my: no recipe opens it, expected a file that ends in .arrow, .csv, .dat, .fa"),
        ("my.fasta", "my.fasta: recipe 'sequences' does not open it: it begins with 'no record"),
        ("bytes.md", "bytes.md: recipe 'text' does not open it: is not text: it is not UTF-8"),
        ("broken.fa.gz", "broken.fa.gz: recipe 'sequences' does not open it: Not a gzipped file"),
        ("cut.fa.gz", "cut.fa.gz: recipe 'sequences' does not open it: it is a damaged .gz file"),
        ("pipe.fasta", "pipe.fasta: is a pipe, expected a file or a folder"),
    ],
)
def test_what_nobody_opens_is_one_message(cli, here, command, name, said):
    for file in ("my.xyz", "my", "my.fasta"):
        (here / file).write_text("no record\n")
    (here / "bytes.md").write_bytes(b"caf\xe9\x00 au lait")
    (here / "broken.fa.gz").write_bytes(b"no gz")
    (here / "cut.fa.gz").write_bytes(gzip.compress(DNA.encode())[:40])
    os.mkfifo(here / "pipe.fasta")
    result = cli(command, name)
    assert result.exit_code == 2 and result.stdout == ""
    assert result.stderr.startswith(f"Error: {said}") and len(result.stderr.splitlines()) == 1


# inspect


def inspected(cli, *arguments):
    result = cli("inspect", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_inspect_keeps_what_the_user_has_set_and_adds_what_is_needed(cli, here):
    (here / "people.csv").write_text("id,height,town,note\n" + "".join(f"{i},{150 + i % 7}.5,{i % 3}x,n{i}\n" for i in range(60)))
    told = inspected(cli, "people.csv", "--set", 'source.drop=["town"]', "--set", "seed=3")
    assert told["options"] == {} and told["recipe"] == "table"
    assert told["command"] == """quasistatic run people.csv --set 'source.drop=["town"]' --set seed=3"""
    np.save(here / "bits.npy", np.arange(60).reshape(20, 3) % 2)
    told = inspected(cli, "bits.npy", "--set", "seed=3", "--set", "kernel.use=gaussian")
    assert told["options"] == {"kernel.use": "binomial"} and told["recipe"] == "array"
    assert told["command"] == "quasistatic run bits.npy --set seed=3 --set kernel.use=binomial"
    again = inspected(cli, *shlex.split(told["command"])[2:])
    assert again["options"] == {} and again["command"] == told["command"]


def test_inspect_of_sequences_has_what_ambiguous_letters_need(cli, here):
    pytest.importorskip("Bio")
    (here / "genome.fasta").write_text(DNA + f">n\n{letters('ACGT', 300)}NNN{letters('ACGT', 300)}\n")
    result = cli("inspect", "genome.fasta", "--set", "source.length=16", "-o", "some.png")
    assert result.exit_code == 0, result.output
    first, *_, suggested, last, picture = result.stdout.splitlines()
    assert first == "events: 16 of 4 categories" and "  3 letters may stand for several: no event has one" in result.stdout
    assert suggested == "suggested: --set source.ambiguous=skip-windows"
    assert last == "next: quasistatic run genome.fasta --set source.length=16 --set source.ambiguous=skip-windows"
    assert picture == "picture: some.png" and (here / "some.png").stat().st_size > 1000
    trained = cli("train", *shlex.split(last)[3:], *TINY, "--set", "model.depth=1", "--out", "run")
    assert trained.exit_code == 0, trained.output


def test_inspect_for_a_recipe_builds_its_source(cli, here):
    (here / "people.csv").write_text(ROWS)
    told = inspected(cli, "people.csv", "--recipe", "table", "--set", "source.test_share=0.5")
    assert (told["recipe"], told["event"]) == ("table", "bits: 1 binary, numbers: 1 real")
    assert told["splits"] == {"train": 24, "validation": 6, "test": 30}
    assert told["notes"][-1] == "splits: 24 train, 6 validation, 30 test"
    assert told["command"] == "quasistatic run table --set source.path=people.csv --set source.test_share=0.5"
    assert told["options"] == {}
    (here / "numbers.csv").write_text("a,b\n" + "".join(f"{number}.5,{number**2}.5\n" for number in range(30)))
    other = inspected(cli, "numbers.csv", "--set", "source.use=array")  # not the source for which the recipe looks itself
    assert other["command"] == "quasistatic run numbers.csv --set source.use=array --set kernel.use=gaussian"
    result = cli("inspect", "people.csv", "--recipe", "tabel")
    assert result.exit_code == 2 and "no recipe is called 'tabel'; did you mean 'table'" in result.stderr


def test_inspect_of_what_its_recipe_refuses_is_one_message(cli, here):
    pytest.importorskip("rdkit")
    (here / "my.smi").write_text("no molecules here\n")
    result = cli("inspect", "my.smi")
    assert (result.exit_code, result.stdout) == (2, "") and "my.smi: none of 1 lines is a molecule" in result.stderr


# those of others


def recording(path):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes((8000 * np.sin(np.arange(4000)) + RNG.normal(0, 500, 4000)).astype("<i2").tobytes())


def test_the_recipe_of_a_stranger_opens_its_own_files(cli, here):
    recording(here / "hum.wav")
    alone = cli("run", "hum.wav")
    assert alone.exit_code == 2 and "hum.wav: no recipe opens it" in alone.stderr
    sets = ("--set", "source.length=8", "--set", "model.depth=1", "--set", "evaluation.events=8")
    told = cli("-p", "quasistatic_windows", "run", "hum.wav", *TINY, *sets, "--json")
    assert told.exit_code == 0 and json.loads(told.stdout)["evaluations"][0]["source"] == "windows", told.output
    found = inspected(lambda *more: cli("-p", "quasistatic_windows", *more), "hum.wav", "--set", "source.length=8")
    assert found["event"] == "8 real" and found["command"] == "quasistatic run hum.wav --set source.length=8"
    (here / "fake.wav").write_text("RIFF")
    fake = cli("-p", "quasistatic_windows", "run", "fake.wav")
    assert fake.exit_code == 2 and "fake.wav: recipe 'windows' does not open it: it is no .wav file" in fake.stderr
    listed = {each["name"]: each for each in json.loads(cli("-p", "quasistatic_windows", "recipes", "--json").stdout)}
    assert listed["windows"]["opens"] == [".wav"] and listed["images"]["opens"] == ["a folder"]


PLUGIN = """
import quasistatic as qs

def look(path):
    raise RuntimeError("oh\\nno")

def found(path):
    return {"seed": 7}

def inspects(path, options):
    return 3

@qs.hookimpl
def quasistatic_recipes():
    here = "quasistatic_plugins.recipes"
    return [
        qs.NamedRecipe("plain", here, "array.toml", opens=(".csv", ".odd"), inspects=inspects),
        qs.NamedRecipe("raises", here, "array.toml", opens=(".csv", ".worse"), accepts=look),
        qs.NamedRecipe("looks", here, "array.toml", opens=(".csv.gz", ".csv"), accepts="opener:found"),
    ]
"""


def test_recipes_are_asked_in_order_and_one_that_fails_is_passed_over(cli, here, monkeypatch):
    (here / "opener.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(here)
    order = [named.name for named in qs.PluginManager(["opener"]).openers()]
    # first those that look inside, of these ours; a plugin's own order stays
    assert order == ["images", "sequences", "text", "raises", "looks", "molecules", "array", "table", "plain"]
    (here / "my.csv").write_text(ROWS)
    result = cli("-p", "opener", "config", "my.csv", "--json")
    assert json.loads(result.stdout)["seed"] == 7
    assert "my.csv: opened by recipe 'looks' with seed=7; 'table' opens it too: " in result.stderr
    (here / "my.worse").write_text("")
    said = cli("-p", "opener", "run", "my.worse").stderr
    assert "recipe 'raises' does not open it: its look inside failed, a defect of plugin 'opener'" in said
    assert "RuntimeError: oh no" in said
    (here / "my.odd").write_text(ROWS)
    said = cli("-p", "opener", "inspect", "my.odd").stderr
    assert "recipe 'plain' of plugin 'opener'" in said and "its `inspects` gave a int, expected an Inspection" in said


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"opens": "csv"}, "expected a tuple of endings"),
        ({"opens": ("csv",)}, "expected endings in lower case such as '.csv'"),
        ({"opens": (".CSV",)}, "expected endings in lower case such as '.csv'"),
        ({"opens": (".toml",)}, "expected endings in lower case such as '.csv', not '.toml'"),
        ({"accepts": print}, "opens no path that it could look at"),
        ({"inspects": print}, "opens no path that it could look at"),
    ],
)
def test_what_a_recipe_cannot_open(fields, said):
    with pytest.raises((TypeError, ValueError), match=said):
        qs.NamedRecipe("mine", "my_plugin", "mine.toml", **fields)


def test_looking_imports_nothing_heavy(python, here):
    for name, data in (("my.fasta", DNA), ("my.txt", PROSE), ("my.csv", ROWS)):
        (here / name).write_text(data)
    python(
        "import sys; from click.testing import CliRunner; from quasistatic.cli import main\n"
        "for name in ('my.fasta', 'my.txt', 'my.csv'):\n"
        "    assert CliRunner().invoke(main, ['config', name]).exit_code == 0\n"
        "    assert 'jax' not in sys.modules, name\n"
    )
