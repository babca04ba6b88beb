"""Biological sequences: every letter is where the file has it, bad files are named, samples are FASTA that reads again."""

import gzip
import pickle

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
    with pytest.raises(qs.errors.QuasistaticError) as caught:
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
    assert "holds no letters in its 2 records" in refused(fasta(path, [("a", ""), ("b", "")]))
    assert "holds no letters in its 2 records" in refused(fasta(path, [("a", "---"), ("b", "..")]))
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


def said(source):
    return "\n".join(source.notes)


@pytest.mark.parametrize(
    "written",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "  \t\n").encode(),
        lambda text: text.replace("\n", "\n\n").encode(),
        lambda text: ("\n\n" + text.removesuffix("\n")).encode(),
        lambda text: text.lower().encode(),
        lambda text: text.replace("AC", "A C").replace("GT", "G\tT").encode(),
        lambda text: text.replace("A", "A-").replace("G", ".G").encode(),
    ],
)
def test_however_a_file_is_written_its_letters_are_the_same(tmp_path, written):
    rows = {"one": letters(500), "two": letters(400, 1)}
    plain = sequences(fasta(tmp_path / "x.fa", rows.items()))
    text = (tmp_path / "x.fa").read_text().replace(" of a test", "")
    (tmp_path / "y.fa").write_bytes(written(text))
    found = sequences(tmp_path / "y.fa")
    for name in SPLITS:
        np.testing.assert_array_equal(found.split(name).x, plain.split(name).x)
        assert found.split(name).tags["record"].tolist() == plain.split(name).tags["record"].tolist()


def test_what_a_file_has_beside_letters_is_counted(tmp_path):
    row = letters(300)
    counted = "\n".join(f"{start + 1:9} {row[start : start + 10]} {row[start + 10 : start + 20]}" for start in range(0, 300, 20))
    text = f"; made by hand\n>a\n{counted}\n>b\n; a comment\n{letters(200, 1).lower()}\n>none\n>a again\n{row}\n"
    (tmp_path / "x.fa").write_text(text)
    source = sequences(tmp_path / "x.fa")
    assert "left out 2 lines of comments, which begin with ;" in source.notes
    assert "left out 15 numbers that stand between the letters" in source.notes
    assert "left out 1 records without letters: none" in source.notes
    assert "1 names are those of several records: a" in source.notes
    assert "1 of 3 records are exact copies of one before" in source.notes
    assert "200 letters are in lower case" in said(source) and "read 800 letters in 3 records" in said(source)
    (tmp_path / "x.fa").write_text(f">a\n{row[:50]}7{row[50:]}\n")  # no number of a line
    assert "record a, position 51: '7' is no letter of dna" in refused(tmp_path / "x.fa")


def proteins(count=30, end=""):
    return [(f"p{number}", letters(40 + number, number, "ACDEFGHIKLMNPQRSTVWY") + end) for number in range(count)]


def test_stops_follow_the_rule(tmp_path):
    path = fasta(tmp_path / "x.faa", proteins(end="*"))
    removed = sequences(path, alphabet="protein")
    np.testing.assert_array_equal(
        removed.split("test").x, sequences(fasta(tmp_path / "y.faa", proteins()), alphabet="protein").split("test").x
    )
    assert "30 stops, *: they are left out at the ends of records (source.stops)" in removed.notes
    symbol = sequences(path, alphabet="protein", stops="symbol")
    assert symbol.alphabet[-1] == "*" and symbol.event.categories == 21 and "30 stops, *: they are one symbol more" in symbol.notes
    message = refused(path, alphabet="protein", stops="error")
    assert "record p0, position 41: '*' is a stop; --set source.stops=remove" in message and "(30 of 30 records" in message
    inside = fasta(path, [*proteins(), ("q", "MKL*MKL" * 10)])
    assert "record q, position 4: '*' is a stop that does not end the record; --set source.stops=symbol" in refused(
        inside, alphabet="protein"
    )
    skipped = sequences(inside, alphabet="protein", unknown="skip-records")
    assert "left out 1 records with what is no letter: q" in skipped.notes
    # behind the stop of an aligned protein there are gaps
    aligned = sequences(fasta(path, proteins(end="*--")), alphabet="protein")
    np.testing.assert_array_equal(aligned.split("test").x, removed.split("test").x)
    assert "'*' is no letter of dna" in refused(fasta(tmp_path / "z.fa", [("a", "ACGT*")]))


def test_gaps_follow_the_rule(tmp_path):
    row = letters(300)
    path = fasta(tmp_path / "x.afa", [("a", row[:100] + "--.-" + row[100:])])
    assert "4 gaps, - or .: they are left out, and positions count without them (source.gaps)" in sequences(path).notes
    symbol = sequences(path, gaps="symbol")
    assert symbol.spell(symbol.split("train").x[5:6]) == ["----".join((row[:100], row[100:]))[100:120]]
    assert "record a, position 101: '-' is a gap; --set source.gaps=remove" in refused(path, gaps="error")
    # places are those of the file
    bad = fasta(path, [("a", row[:100] + "---" + row[100:200] + "Z" + row[200:])])
    assert "record a, position 204: 'Z' is no letter of dna" in refused(bad)
    assert "'\N{EN DASH}' is no letter of dna" in refused(fasta(path, [("a", row + "\N{EN DASH}")]))


def test_letters_of_another_alphabet_are_one_message_with_its_option(tmp_path):
    path = fasta(tmp_path / "x.faa", proteins(end="*"))
    assert "is it protein? then --set source.alphabet=protein" in refused(path)
    genes = fasta(tmp_path / "y.fa", [("a", letters(300))])
    assert "all letters are A, C, G, T: is it dna? then --set source.alphabet=dna" in sequences(genes, alphabet="protein").notes
    rna = fasta(tmp_path / "z.fa", [("a", letters(300)), ("b", letters(300, of="ACGU"))])
    message = refused(rna)
    assert "record b, position" in message and "'U' is no letter of dna" in message and "is it rna?" in message
    assert "source.unknown=skip-records" in message


def scored(source, path, records):
    """Whether each record is inside, in the order of the file, with the reasons."""
    data = source.read_events(fasta(path, records))
    answers = dict(zip(data.numbers.tolist(), data.tags["record"], strict=True))
    answers |= {each.number: (each.tags["record"], each.reason) for each in data.outside}
    return [answers[number] for number in range(len(answers))]


def test_every_window_that_is_scored_has_an_answer(genome, tmp_path):
    source = sequences(genome[0])
    row = letters(60, 3)
    strange = row[:25] + "Z" + row[26:]
    found = scored(source, tmp_path / "y.fa", [("a", row), ("b", strange), ("c", "ACG"), ("d", ""), ("e", row[:20])])
    assert found[:3] == ["a", "a", "a"] and found[3] == "b" and found[5] == "b" and found[8] == "e"
    assert found[4] == ("b", "position 26: 'Z' is no letter of dna (it has ACGT, and for several of them RYSWKMBDHVN)")
    assert found[6:8] == [("c", "it has 3 symbols, a window has 20 (source.length)"), ("d", "it has no letters")]
    assert scored(source, tmp_path / "y.fa", [("a", "N" + row[1:20])]) == [("a", "position 1: 'N' may stand for several of ACGT")]
    assert scored(source, tmp_path / "y.fa", [("a", "")]) == [("a", "it has no letters")]
    none = source.read_events(fasta(tmp_path / "y.fa", [("a", "ACG")]))
    assert len(none) == 0 and none.x.shape == (0, 20) and none.x.dtype == np.int32


def test_every_record_that_is_scored_has_an_answer(tmp_path):
    source = sequences(fasta(tmp_path / "x.faa", proteins(60)), alphabet="protein", events="records", length=80)
    rows = [("a", "MKL*"), ("b", "MK1L"), ("c", "M" * 81), ("d", "M" * 80), ("e", "*"), ("f", "mX")]
    found = scored(source, tmp_path / "y.faa", rows)
    assert found[0] == "a" and found[3] == "d"
    assert [why for _, why in (found[1], found[2], found[4])] == [
        "position 3: '1' is no letter of protein (it has ACDEFGHIKLMNPQRSTVWY, and for several of them BZJXUO)",
        "it has 81 symbols, expected 1 to 80 (source.length)",
        "it has no letters",
    ]
    assert found[5] == ("f", "position 2: 'X' may stand for several of ACDEFGHIKLMNPQRSTVWY")


def test_records_that_are_written_are_read_again_in_their_order(tmp_path):
    rows = proteins(60)
    source = sequences(fasta(tmp_path / "x.faa", rows), alphabet="protein", events="records", length=100)
    random = np.random.RandomState(0)
    counts = random.randint(1, 101, 50)
    x = np.where(np.arange(100) < counts[:, None], random.randint(1, 21, (50, 100)), 0).astype(np.int32)
    (tmp_path / "y.fasta").write_bytes(source.write_events(x, ".fasta"))
    again = source.read_events(tmp_path / "y.fasta")
    np.testing.assert_array_equal(again.x, x)
    np.testing.assert_array_equal(again.side["padding"], x == 0)
    data = source.read_events(tmp_path / "x.faa")  # in the order of the file, of which the names are lost
    lines = source.write_events(data.x, ".fa").decode().split(">")[1:]
    assert ["".join(each.split("\n")[1:]) for each in lines] == [row for _, row in rows]


def test_a_source_can_be_pickled(genome):
    for source in (sequences(genome[0]), restored(sequences(genome[0]))):
        again = pickle.loads(pickle.dumps(source))
        np.testing.assert_array_equal(again.split("test").x, source.split("test").x)
        assert again.notes == source.notes and again.event == source.event


def restored(source):
    return qs.plugins().component("source", "sequences").load_restore()(source._choices, source.kept().at(source._where))


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
    again = restore(source._choices, source.kept().at(path))
    np.testing.assert_array_equal(again.split("test").x, source.split("test").x)
    fasta(path, [("one", rows["one"])])
    with pytest.raises(qs.DataError, match="these are not the data of the run"):
        restore(source._choices, source.kept().at(path)).split("test")


def test_a_kernel_that_cannot_take_padding_says_so_before_a_folder_is_made(tmp_path):
    path = fasta(tmp_path / "short.fasta", [(f"r{n}", letters(10 + n % 8, n)) for n in range(60)])
    source = {"source.use": "sequences", "source.path": str(path), "source.events": "records", "source.length": 20}
    recipe = qs.load_recipe("dna", {**source, "kernel.use": "substitution"})
    with pytest.raises(qs.InputError, match="take events of one length"):
        qs.train(recipe, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
