"""Biological sequences: every letter is where the file has it, bad files are named, samples are FASTA that reads again."""

import gzip

import numpy as np
import pytest

import quasistatic as qs
from quasistatic_plugins.sequences.source import spectral_distance

pytest.importorskip("Bio")
SPLITS = ("train", "validation", "test")


def letters(count, seed=0, of="ACGT"):
    """From a chain: the next letter is the same with probability a half."""
    random = np.random.RandomState(seed)
    moves = np.where(random.rand(count) < 0.5, 0, random.randint(len(of), size=count))
    return "".join(np.array(list(of))[np.cumsum(moves) % len(of)])


def fasta(path, records):
    text = "".join(
        f">{name} of a test\n" + "\n".join(row[i : i + 60] for i in range(0, len(row), 60)) + "\n" for name, row in records
    )
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def sequences(path, **options):
    return qs.make("source", "sequences", path=str(path), **{"length": 20, **options})


def refused(path, **options):
    with pytest.raises(qs.QuasistaticError) as caught:
        sequences(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def genome(tmp_path):
    rows = {"one": letters(1500), "two": letters(900, 1).lower(), "tiny": "ACGT", "three": letters(600, 2)}
    return fasta(tmp_path / "genome.fasta", rows.items()), rows


def test_windows_are_where_the_file_has_them(genome):
    path, rows = genome
    source = sequences(path)
    assert source.event == qs.Categorical((20,), 4) and source.side is None
    for name in SPLITS:
        data = source.split(name)
        spelt = source.spell(data.x)
        for text, record, position in zip(spelt, data.tags["record"], data.tags["position"], strict=True):
            assert rows[record].upper()[position - 1 : position + 19] == text
    assert "left out 1 records that have no window of 20 letters: tiny" in source.notes
    assert set(source.split("train").tags["record"]) == {"one", "two"} and set(source.split("test").tags["record"]) == {"three"}


def test_the_same_records_are_the_same_in_every_format(genome, tmp_path):
    from Bio import SeqIO
    from Bio.Seq import Seq
    from Bio.SeqRecord import SeqRecord

    path, rows = genome
    wanted = sequences(path).split("train")
    records = [SeqRecord(Seq(row.upper()), id=name, annotations={"molecule_type": "DNA"}) for name, row in rows.items()]
    for record in records:
        record.letter_annotations["phred_quality"] = [30] * len(record)
    for ending, form in ((".fq", "fastq"), (".gb", "genbank")):
        SeqIO.write(records, tmp_path / f"x{ending}", form)
        packed = tmp_path / f"x{ending}.gz"
        packed.write_bytes(gzip.compress((tmp_path / f"x{ending}").read_bytes()))
        for each in (tmp_path / f"x{ending}", packed):
            found = sequences(each).split("train")
            np.testing.assert_array_equal(found.x, wanted.x)
            assert found.tags["position"].tolist() == wanted.tags["position"].tolist()


def test_letters_that_may_stand_for_several_follow_the_rule(tmp_path):
    row = letters(1000)
    path = fasta(tmp_path / "x.fa", [("chr", row[:300] + "NNNR" + row[300:])])
    assert "4 letters may stand for several, the first in record chr, position 301" in refused(path)
    skipped = sequences(path, ambiguous="skip-windows")
    data = skipped.split("train")
    whole = row[:300] + "...." + row[300:]
    for text, position in zip(skipped.spell(data.x), data.tags["position"], strict=True):
        assert whole[position - 1 : position + 19] == text
    rows = skipped.stored()
    assert len(rows) == (300 - 19) + (500 - 19) and skipped.event.categories == 4  # 800 certain letters to train on, in two runs
    symbol = sequences(path, ambiguous="symbol")
    assert symbol.event.categories == 5 and symbol.spell(symbol.split("train").x[15:16]) == [
        "NNNR".replace("R", "N") + row[300:316]
    ]


def test_whole_records_are_padded_and_copies_are_in_one_split(tmp_path):
    random = np.random.RandomState(0)
    rows = [letters(random.randint(3, 15), seed, "ACDEFGHIKLMNPQRSTVWY") for seed in range(60)]
    path = fasta(tmp_path / "x.faa", [(f"p{number}", row) for number, row in enumerate([*rows, *rows, "A" * 30])])
    source = sequences(path, alphabet="protein", events="records", length=14)
    assert source.event == qs.Categorical((14,), 21) and source.side == qs.Fields({"padding": qs.Binary((14,))})
    seen = {}
    for name in SPLITS:
        data = source.split(name)
        assert source.spell(data.x) == [([*rows, *rows])[int(record[1:])] for record in data.tags["record"]]
        np.testing.assert_array_equal(data.side["padding"], data.x == 0)
        for text in source.spell(data.x):
            assert seen.setdefault(text, name) == name
    assert "left out 1 records that are longer than 14 letters: p120" in source.notes
    assert "K is that of the symbols of an event, given how many there are" in source.notes
    row = {part: value[0] for part, value in source.stored()[np.array([3])].items()}
    x, side = source.draw(row, key=None)
    np.testing.assert_array_equal(x, source.split("train").x[3])
    np.testing.assert_array_equal(side["padding"], source.split("train").side["padding"][3])
    assert (1 - source.split("test").side["padding"]).sum() == source.passages_of(source.split("test").x).counts.sum()


def test_samples_are_fasta_that_reads_again(genome, tmp_path):
    source = sequences(genome[0], length=130)
    x = source.split("train").x[:3]
    (tmp_path / "x.fasta").write_bytes(source.write_events(x, ".fasta"))
    lines = (tmp_path / "x.fasta").read_text().split("\n")
    assert lines[0] == ">sample-1" and max(map(len, lines)) == 60
    again = source.read_events(tmp_path / "x.fasta")
    np.testing.assert_array_equal(again.x, x)
    assert again.tags["record"].tolist() == ["sample-1", "sample-2", "sample-3"]


def test_bad_files_are_one_message_that_names_the_place(tmp_path):
    rows = [("one", letters(400)), ("two", letters(90) + "Z" + letters(9))]
    path = fasta(tmp_path / "x.fa", rows)
    assert "record two, position 91: 'Z' is no letter of dna" in refused(path)
    assert "is it rna? then --set source.alphabet=rna" in refused(fasta(path, [("r", letters(90, of="ACGU"))]))
    assert "is it protein?" in refused(fasta(path, [("r", letters(90, of="MKLV"))]))
    assert "record b (2 in the file) has no letters" in refused(fasta(path, [("a", "ACG"), ("b", ""), ("c", "ACG")]))
    path.write_text("id,sequence\n1,ACGT\n")
    assert "is no FASTA file: it begins with 'id,sequence" in refused(path)
    path.write_text("")
    assert "is no FASTA file: it is empty" in refused(path)
    (tmp_path / "x.fq").write_text("@a\nACGT\n+\nII\n")
    assert "is no FASTQ file, or is damaged: Lengths of sequence and quality" in refused(tmp_path / "x.fq")
    (tmp_path / "x.fa.gz").write_bytes(gzip.compress(b">a\nACGT\n" * 99)[:-9])
    assert "is not a .gz file, or is damaged" in refused(tmp_path / "x.fa.gz")
    assert "expected a file that ends in .fasta, .fa" in refused(tmp_path / "x.txt")
    assert "No such file" in refused(tmp_path / "none.fa")
    assert "source.path: must be given" in refused("")


def test_spectra_are_apart_by_the_root_of_the_divergence():
    # p = (1/2, 1/2, 0), q = (0, 1/2, 1/2): half of the probability is shared
    assert spectral_distance(np.array([0, 1]), np.array([1, 2])) == pytest.approx(np.sqrt(0.5))
    assert (
        spectral_distance(np.array([0, 1, 0, 1]), np.array([1, 0])) == 0.0
        and spectral_distance(np.array([0]), np.array([7])) == 1.0
    )
    assert spectral_distance(np.array([], int), np.array([7])) == 1.0


def test_samples_are_judged_beside_training_events(genome):
    source = sequences(genome[0])
    even = np.random.RandomState(0).randint(0, 4, (100, 20)).astype(np.int32)
    found, of_data = source.judge(even), source.judge(source.split("train").x[:75])
    assert set(found) == {f"distance_of_{k}-mers{name}" for k in (3, 6) for name in ("", "_of_training_events")}
    assert found["distance_of_3-mers"] > 1.5 * found["distance_of_3-mers_of_training_events"]
    assert of_data["distance_of_3-mers"] < 1.5 * of_data["distance_of_3-mers_of_training_events"]


def test_chains_are_scored_on_the_same_events(genome):
    source = sequences(genome[0])
    found = source.baselines(source.split("test").x)
    assert list(found) == ["independent symbols", *(f"Markov chain of order {order}" for order in range(1, 6))]
    assert found["Markov chain of order 1"].mean() > found["independent symbols"].mean() + 1


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"events": "records", "length": 1600}])
def test_the_laws_hold(genome, options, tmp_path):
    random = np.random.RandomState(0)
    rows = [(str(number), letters(random.randint(20, 80), number)) for number in range(200)]
    path = genome[0] if not options else fasta(tmp_path / "y.fa", rows)
    for law in qs.testing.laws_of("source", sequences(path, **options)):
        law()


def test_a_run_knows_its_file_again(genome):
    path, rows = genome
    source = sequences(path)
    restore = qs.plugins().component("source", "sequences").load_restore()
    again = restore(source._choices, source.kept())
    np.testing.assert_array_equal(again.split("test").x, source.split("test").x)
    fasta(path, [("one", rows["one"])])
    with pytest.raises(qs.DataError, match="other data than those that the run was trained on"):
        restore(source._choices, source.kept()).split("test")


def test_a_kernel_that_cannot_take_padding_says_so_before_a_folder_is_made(tmp_path):
    path = fasta(tmp_path / "short.fasta", [(f"r{n}", letters(10 + n % 8, n)) for n in range(60)])
    source = {"source.use": "sequences", "source.path": str(path), "source.events": "records", "source.length": 20}
    recipe = qs.load_recipe("dna", {**source, "kernel.use": "substitution"})
    with pytest.raises(qs.InputError, match="take events of one length"):
        qs.train(recipe, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
