"""Molecules: every string is one, none is in two splits, augmentation touches training alone, measures are those of the field."""

import gzip
import pickle
import sys
import types

import jax
import numpy as np
import pytest

import quasistatic as qs

Chem = pytest.importorskip("rdkit.Chem")
selfies = pytest.importorskip("selfies")

from quasistatic_plugins.molecules.measures import internal_diversity, wasserstein  # noqa: E402
from quasistatic_plugins.molecules.notation import parsed, silent, tokens  # noqa: E402

SPLITS = ("train", "validation", "test")
# alcohols, amines and rings of several sizes, some twice in another order of their atoms
SMILES = [f"{'C' * n}{end}" for n in range(1, 12) for end in ("O", "N", "Cl", "c1ccccc1", "[NH3+]", "(=O)[O-]")]
SMILES += ["OCC", "C(C)O", "NCC", "Br/C=C\\Br", "C[C@H](N)O", "C1CC1.Cl"]


def molecules(path="", **options):
    return qs.make("source", "molecules", path=str(path), **{"length": 24, **options})


@pytest.fixture
def file(tmp_path):
    lines = [
        "smiles name",
        *(f"{smiles}\tm{number}" for number, smiles in enumerate(SMILES)),
        "",
        "# a comment",
        "C1CC",
        "foo(",
        "Br",
    ]
    (tmp_path / "x.smi").write_text("\n".join(lines))
    return tmp_path / "x.smi"


def refused(path, **options):
    with pytest.raises(qs.errors.QuasistaticError) as caught:
        molecules(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("notation", ["smiles", "selfies"])
def test_events_are_the_molecules_of_the_file_and_none_is_in_two_splits(file, notation):
    source = molecules(file, notation=notation)
    lines, where = file.read_text().splitlines(), {}
    for name in SPLITS:
        data = source.split(name)
        np.testing.assert_array_equal(data.side["padding"], data.x == 0)
        for smiles, line in zip(source.smiles(data.x), data.tags["line"], strict=True):
            canonical = Chem.CanonSmiles(lines[line - 1].split()[0])
            assert Chem.CanonSmiles(smiles) == canonical and (notation == "selfies" or smiles == canonical)
            assert where.setdefault(canonical, name) == name
    assert sum(len(source.split(name)) for name in SPLITS) == len(SMILES) + 1  # and bromane
    said = " ".join(source.notes)
    assert "left out 2 of 75 lines that rdkit refuses: line 76 ('C1CC'), line 77 ('foo(')" in said
    assert "given how many there are" in said


def test_molecules_that_are_too_long_are_counted(file):
    longer = sum(len(tokens(Chem.CanonSmiles(smiles), "smiles")) > 8 for smiles in SMILES)
    assert longer and f"left out {longer} molecules of more than 8 tokens (source.length)" in molecules(file, length=8).notes


def test_an_sdf_file_has_the_same_molecules(file, tmp_path):
    with silent(), Chem.SDWriter(str(tmp_path / "x.sdf")) as writer:
        for smiles in SMILES:
            writer.write(Chem.MolFromSmiles(smiles))
    (tmp_path / "x.sdf.gz").write_bytes(gzip.compress((tmp_path / "x.sdf").read_bytes()))
    found = molecules(tmp_path / "x.sdf.gz")
    every = sorted(smiles for name in SPLITS for smiles in found.smiles(found.split(name).x))
    assert every == sorted(map(Chem.CanonSmiles, SMILES))
    broken = (tmp_path / "x.sdf").read_text().replace("V2000", "V1000", 2).replace("V1000", "V2000", 1)
    (tmp_path / "y.sdf").write_text(broken)
    (outside,) = found.read_events(tmp_path / "y.sdf").outside
    assert outside == qs.sources.Outside(1, "it has no molecule that can be read", {"line": 2, "name": ""})


def test_augmentation_writes_training_molecules_in_other_orders_and_no_others(file):
    source = molecules(file, augment=True, versions=3)
    rows, train = source.stored(), source.split("train")
    assert len(rows) == len(train)
    table = rows[np.arange(len(rows))]
    assert table["x"].shape == (len(train), 4, 24)
    np.testing.assert_array_equal(table["x"][:, 0], train.x)
    for number in range(4):
        written = source.smiles(table["x"][:, number])
        assert list(map(Chem.CanonSmiles, written)) == source.smiles(train.x)
    assert table["code"][:, 0].max() == 0 and table["code"][:, 1:].mean() > 0.9
    assert not np.array_equal(table["x"][:, 1], train.x)
    assert all(source.split(name).side["code"].max() == 0 for name in SPLITS)
    row = {part: value[5] for part, value in table.items()}
    drawn = [source.draw(row, key=key) for key in jax.random.split(jax.random.key(0), 40)]
    codes = np.array([side["code"][0] for _, side in drawn])
    assert 8 < codes.sum() < 32
    for x, side in drawn:
        np.testing.assert_array_equal(side["padding"], x == 0)
    np.testing.assert_array_equal(molecules(file, augment=True, versions=3).stored()[np.arange(9)]["x"], table["x"][:9])


@pytest.mark.parametrize(
    "smiles", ["[13CH4]", "C%10CC%10", "c1cc[nH]c1", "C[C@@H](Br)Cl", "N->[Pt+2]", "C/C=C/C", "*C$C", "[Cl-].[Na+]"]
)
def test_tokens_are_whole_and_join_again(smiles):
    assert "".join(tokens(smiles, "smiles")) == smiles
    assert all(token.startswith("[") or len(token) < 3 or token.startswith("%") for token in tokens(smiles, "smiles"))


def test_what_no_notation_can_write_is_left_out_and_named(tmp_path):
    path = tmp_path / "x.smi"
    path.write_text("\n".join([*SMILES, "Fc1ccc([I]c2ccc(F)cc2)cc1"]))
    assert "left out 1 molecules that SELFIES cannot write: line 73" in " ".join(
        molecules(path, notation="selfies", length=99).notes
    )
    with pytest.raises(ValueError, match="no tokens are known"):
        tokens("C!C", "smiles")


def test_nearly_any_selfies_is_a_molecule_or_nothing():
    source = molecules(notation="selfies")
    xs = np.random.RandomState(0).randint(0, source.event.categories, (300, 24)).astype(np.int32)
    with silent():
        found = [Chem.MolFromSmiles(smiles) for smiles in source.smiles(xs)]
    # of metals selfies allows valences that rdkit refuses; there are none among the tokens that are frequent
    assert np.mean([molecule is not None for molecule in found]) > 0.98
    assert np.mean([molecule is not None and molecule.GetNumAtoms() > 0 for molecule in found]) > 0.9


def test_samples_are_written_line_by_line_and_read_again(file, tmp_path):
    source = molecules(file)
    data = source.split("train", 5)
    (tmp_path / "y.smi").write_bytes(source.write_events(data.x, ".smi"))
    assert (tmp_path / "y.smi").read_text().splitlines()[0] == f"{source.smiles(data.x)[0]}\tsample-1"
    again = source.read_events(tmp_path / "y.smi")
    np.testing.assert_array_equal(again.x, data.x)
    np.testing.assert_array_equal(again.side["padding"], data.side["padding"])
    (tmp_path / "y.smi").write_text("CC\nC[Si](C)C\n")
    again = source.read_events(tmp_path / "y.smi")
    why = f"token 2: '[Si]' is not one of the {len(source.alphabet) - 1} tokens of this source"
    assert len(again) == 1 and again.outside == (qs.sources.Outside(1, why, {"line": 2, "smiles": "C[Si](C)C"}),)


def test_every_record_that_is_scored_has_an_answer(file, tmp_path):
    source = molecules(file)
    lines = ["# made", "OCC\tethanol", "", "C1CC", "C" * 30, "\tnothing", "C[Si]", "[Na+].[Cl-]", "NCC amine"]
    (tmp_path / "y.smi").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    data = source.read_events(tmp_path / "y.smi")
    assert source.smiles(data.x) == ["CCO", "CCN"] and data.numbers.tolist() == [0, 6]
    assert data.tags["line"].tolist() == [2, 9] and data.tags["smiles"].tolist() == ["OCC", "NCC"]
    assert [each.tags["line"] for each in data.outside] == [4, 5, 6, 7, 8]
    reasons = [each.reason for each in data.outside]
    assert reasons[0] == "'C1CC' is no molecule to rdkit" and reasons[2] == "it has no molecule that can be read"
    assert reasons[1] == "it has 30 symbols, expected 1 to 24 (source.length)"
    assert "token 2: '[Si]' is not one of the" in reasons[3] and "token 1: '[Cl-]' is not one of the" in reasons[4]
    (tmp_path / "y.smi").write_text("foo\n")
    assert len(source.read_events(tmp_path / "y.smi")) == 0


@pytest.mark.parametrize("notation", ["smiles", "selfies"])
def test_molecules_that_are_written_are_read_again_in_their_order(file, tmp_path, notation):
    source = molecules(file, notation=notation)
    x = np.concatenate([source.split(name).x for name in SPLITS])
    (tmp_path / "y.smi").write_bytes(source.write_events(x, ".smi"))
    again = source.read_events(tmp_path / "y.smi")
    np.testing.assert_array_equal(again.x, x)
    assert not again.outside and again.tags["smiles"].tolist() == source.smiles(x)
    drawn = np.random.RandomState(0).randint(0, source.event.categories, (200, 24)).astype(np.int32)
    (tmp_path / "y.smi").write_bytes(source.write_events(drawn, ".smi"))  # hardly one of these is a molecule
    again = source.read_events(tmp_path / "y.smi")
    assert len(again) + len(again.outside) == 200
    for number, smiles in zip(again.numbers, source.smiles(again.x), strict=True):
        assert Chem.CanonSmiles(smiles) == Chem.CanonSmiles(source.smiles(drawn[number : number + 1])[0])


@pytest.mark.parametrize(
    ("name", "header", "row", "options"),
    [
        ("x.csv", "id,SMILES,weight", "{0},{1},{0}.5", {}),
        ("x.tsv", "id\tcanonical_smiles\tother_smiles", "{0}\t{1}\tC", {}),
        ("x.csv", "id;structure", "{0};{1}", {"column": "structure"}),
        ("x.csv.gz", "smiles,name", '"{1}","m, {0}"', {}),
        ("x.smi", "id smiles", "m{0} {1}", {}),
        ("x.smi", "name\tstructure", "m {0}\t{1}", {"column": "structure"}),
        ("x.txt", "SMILES", "{1}", {}),
    ],
)
def test_the_column_of_a_table_is_found_or_named(file, tmp_path, name, header, row, options):
    text = "\n".join([header, *(row.format(number, smiles) for number, smiles in enumerate(SMILES))])
    (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    source = molecules(tmp_path / name, **options)
    found = {line: smiles for split in SPLITS for line, smiles in zip(
        source.split(split).tags["line"], source.smiles(source.split(split).x), strict=True)}  # fmt: skip
    assert found == {number: Chem.CanonSmiles(smiles) for number, smiles in enumerate(SMILES, 2)}
    assert "molecules are those of the column" in " ".join(source.notes)


def test_a_column_that_is_not_there_is_one_message(file, tmp_path):
    (tmp_path / "x.csv").write_text("id,structure\n1,CC\n")
    assert "no column is called smiles; name one with --set source.column=NAME: id, structure" in refused(tmp_path / "x.csv")
    assert "there is no column 'mol' (source.column); it has id, structure" in refused(tmp_path / "x.csv", column="mol")
    (tmp_path / "x.csv").write_text("smiles_a,smiles_b\nC,CC\n")
    assert "several columns are called smiles" in refused(tmp_path / "x.csv")
    assert "has no columns" in refused(tmp_path / "x.sdf", column="mol")


def test_what_cannot_be_read_is_refused_where_that_is_wanted(file):
    message = refused(file, unreadable="refuse")
    assert "line 76: 'C1CC' is no molecule to rdkit (2 of 75 lines cannot be read); --set source.unreadable=skip" in message
    copies = len(SMILES) - len(set(map(Chem.CanonSmiles, SMILES)))
    assert copies and f"{copies} of 73 molecules are copies of one before, in the same split as it" in molecules(file).notes


def test_a_source_can_be_pickled(file):
    source = molecules(file, augment=True)
    source.stored()
    again = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(again.split("test").x, source.split("test").x)
    assert again.notes == source.notes


def test_measures_have_the_values_of_their_definitions(file, monkeypatch):
    source = molecules(file)
    train = source.split("train").x
    wrong = np.full((10, 24), source.alphabet.index("("), np.int32)
    found = source.judge(np.concatenate([train[:20], train[:10], wrong]))
    unique = len(set(source.smiles(train[:20])))
    assert found["samples"] == 40 and found["valid_of_samples"] == 0.75
    assert found["unique_of_valid"] == pytest.approx(unique / 30) and found["novel_of_unique"] == 0
    assert found["new_of_scaffolds"] == 0
    nothing = source.judge(wrong)
    assert nothing["valid_of_samples"] == 0 and "distance_of_logp" not in nothing
    assert source.judge(source.split("test").x)["distance_of_weight"] == 0
    monkeypatch.setitem(sys.modules, "fcd", fake := types.ModuleType("fcd"))
    fake.__spec__, fake.get_fcd = types.SimpleNamespace(), lambda ours, theirs: 100 * len(ours) + len(theirs)
    assert source.judge(train[:3])["fcd"] == 300 + len(source.split("test"))


def test_the_measures_themselves():
    assert wasserstein([0.0, 1.0, 3.0], [5.0, 6.0, 8.0]) == pytest.approx(5)
    assert wasserstein([0.0, 1.0], [0.0, 0.0, 1.0, 1.0]) == 0 and wasserstein([0.0], [1.0, 3.0]) == pytest.approx(2)
    same, other = parsed("CCO"), parsed("c1ccccc1")
    assert internal_diversity([same, same]) == 0 and internal_diversity([same, other]) == pytest.approx(0.5)


def test_a_sheet_is_drawn_and_noise_is_text():
    from matplotlib.figure import Figure

    source = molecules(length=30)
    axes = Figure().add_subplot()
    source.render(source.split("test").x[:5], axes)
    assert axes.images[0].get_array().shape == (2 * 180, 3 * 180, 3) and not axes.texts
    axes = Figure().add_subplot()
    source.render(np.full((5, 30), source.alphabet.index("("), np.int32), axes)
    assert not axes.images and axes.texts[0].get_text().startswith("((((")


def test_bad_files_are_one_message(tmp_path):
    path = tmp_path / "x.smi"
    path.write_text("foo\nbar\n")
    assert "none of 2 lines is a molecule to rdkit: line 1 ('foo'), line 2 ('bar')" in refused(path)
    path.write_text("")
    assert "holds no molecules" in refused(path)
    assert "expected a file that ends in .smi" in refused(tmp_path / "x.pdb")
    path.write_bytes(b"\xff\xfe")
    assert "not UTF-8" in refused(path)
    path.write_text("CCO\nCCN\n")
    assert "2 different strings of at most 24 symbols leave train empty" in refused(path)


def test_a_run_knows_its_file_again(file):
    source = molecules(file, augment=True)
    restore = qs.plugins().component("source", "molecules").load_restore()
    again = restore(source._choices, source.kept().at(file))
    assert again.side == source.side and again.notes == source.notes
    np.testing.assert_array_equal(again.split("test").x, source.split("test").x)
    file.write_text("\n".join(SMILES[::-1]))
    with pytest.raises(qs.DataError, match="these are not the data of the run"):
        restore(source._choices, source.kept().at(file)).split("test")


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"notation": "selfies"}, {"augment": True}], ids=str)
def test_the_laws_hold(options):
    for law in qs.testing.laws_of("source", molecules(**options)):
        law()
