"""Molecules of files, canonical, with what rdkit refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import quasistatic as qs
from quasistatic.kits.tables import read_table
from quasistatic_plugins.molecules.notation import LONGEST, Molecule, parsed, rdkit, silent

SHIPPED = "NCI/first_5K.smi"  # in the data folder of rdkit
LINES, TABLES, BLOCKS = (".smi", ".smiles", ".txt"), (".csv", ".tsv"), (".sdf", ".sd")
ENDINGS = (*LINES, *TABLES, *BLOCKS)
ALIKE = "smiles"  # in what a column of SMILES may be called
LARGE, STEPS = 300, 5e8  # signs of a molecule that takes long, and steps of all of those
LINES_OF_ATOMS = 5000  # of a molecule: rdkit takes n^2 steps
SIGN, RECORD = 48, 5000  # bytes that one takes on the way; those of a record stand for its time
NAMED = 20  # molecules that are named in a note


class Found(NamedTuple):
    """Of each record of a file its place, what is written there (`of` says what: 'smiles', 'name') and the canonical SMILES.

    That is None where rdkit reads no molecule. `counted` says what places are; `data` are the bytes of the file, `notes`
    sentences about it.
    """

    places: list[int]
    written: list[str]
    smiles: list[str | None]
    of: str
    counted: str
    data: bytes
    notes: tuple[str, ...]


def read_molecules(where: str, column: str = "") -> Found:
    """All molecules of a file. Raises DataError for one without records."""
    path = Path(where).expanduser() if where else shipped()
    ending = Path(path.name.lower().removesuffix(".gz")).suffix
    if ending not in ENDINGS:
        raise qs.DataError(f"{path}: expected a file that ends in {', '.join(ENDINGS)}, or .gz of these")
    if column and ending in BLOCKS:
        raise qs.DataError(f"{path}: has no columns, so source.column = {column!r} names nothing")
    data, chem, notes = qs.files.read_bytes(path, SIGN), rdkit(), tuple[str, ...]()
    counted = "molecule" if ending in BLOCKS else "line"
    with silent():
        if ending in BLOCKS:
            records = list(_of_blocks(path, data))
        else:
            lines, notes = _of_table(path, column) if ending in TABLES else _of_lines(path, data, column)
            rows = list(lines)
            _refuse_slow(path, [len(written) for _, written in rows])
            records = [(place, written, parsed(written) if written else None) for place, written in rows]
        smiles = [None if molecule is None else chem.MolToSmiles(molecule) for _, _, molecule in records]
    if not records:
        raise qs.DataError(f"{path}: holds no molecules")
    places, written = [each[0] for each in records], [each[1] for each in records]
    return Found(places, written, smiles, "name" if ending in BLOCKS else "smiles", counted, data, notes)


def named(bad: dict[int, str], counted: str) -> str:
    """Places and what stands there, some of them."""
    first = list(bad.items())[:NAMED]
    shown = ", ".join(f"{counted} {place}{f' ({reason[:60]!r})' if reason else ''}" for place, reason in first)
    return shown + (f" and {len(bad) - NAMED} more" if len(bad) > NAMED else "")


def shipped() -> Path:
    """The file of molecules that comes with rdkit. Raises DataError."""
    rdkit()
    from rdkit import RDConfig

    return Path(RDConfig.RDDataDir) / SHIPPED


def _of_lines(path: Path, data: bytes, column: str) -> tuple[Iterator[tuple[int, str]], tuple[str, ...]]:
    """A SMILES is the first word of its line, or the one below the word of a header that has 'smiles' in it or is the column.

    A line that begins with # is a comment; a header is the first line without one.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise qs.DataError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error
    lines = enumerate(re.split(r"\r\n|\r|\n", text), 1)
    filled = [(number, line) for number, line in lines if line.strip() and not line.lstrip().startswith("#")]
    header = _words(filled[0][1]) if filled else []
    if not column and not any(ALIKE in word.lower() for word in header):
        return ((number, _word(line, 0)) for number, line in filled), ()
    place = _column(path, header, column)
    return ((number, _word(line, place)) for number, line in filled[1:]), _about(header, place)


def _words(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("\t")] if "\t" in line else line.split()


def _word(line: str, place: int) -> str:
    """The first word in a place of a line, or nothing."""
    cell = [*_words(line), *[""] * (place + 1)][place]
    return (cell.split() or [""])[0]


def _of_table(path: Path, column: str) -> tuple[Iterator[tuple[int, str]], tuple[str, ...]]:
    table = read_table(path)
    place = _column(path, list(table.names), column)
    pieces = list(table.pieces())
    places = [number for piece in pieces for number in piece.places.tolist()]
    cells = [cell or "" for piece in pieces for cell in piece.frame[str(place)].to_list()]
    return zip(places, cells, strict=True), (*table.notes, *_about(table.names, place))


def _column(path: Path, names: list[str], column: str) -> int:
    """The number of the column of SMILES. Raises DataError where none is called so, or several."""
    if column:
        if column not in names:
            raise qs.DataError(f"{path}: there is no column {column!r} (source.column); it has {', '.join(names[:NAMED])}")
        return names.index(column)
    for fits in (lambda name: name == ALIKE, lambda name: name == f"canonical_{ALIKE}", lambda name: ALIKE in name):
        found = [number for number, name in enumerate(names) if fits(name.lower().replace(" ", "_"))]
        if len(found) == 1:
            return found[0]
    which = "several columns are" if found else "no column is"
    raise qs.DataError(f"{path}: {which} called {ALIKE}; name one with --set source.column=NAME: {', '.join(names[:NAMED])}")


def _about(names: list[str] | tuple[str, ...], place: int) -> tuple[str, ...]:
    return (f"molecules are those of the column {names[place]!r} (source.column)",)


def _refuse_slow(path: Path, sizes: Sequence[int]) -> None:
    """Raises DataError for molecules, by their numbers of signs or lines, that all together take too much time."""
    try:
        qs.files.refuse_costly(RECORD * len(sizes), path.stat().st_size)
    except OSError as error:
        raise qs.DataError(f"{path}: {len(sizes)} molecules: {error}") from error
    large = [size for size in sizes if LARGE < size <= LINES_OF_ATOMS]
    steps = sum(size**2 for size in large)
    if steps > STEPS:
        raise qs.DataError(
            f"{path}: {len(large)} molecules of more than {LARGE} signs take too long, some n^2 steps each, {steps:.2g} in all; "
            f"expected at most {STEPS:.2g}: leave some out"
        )


def _of_blocks(path: Path, data: bytes) -> Iterator[tuple[int, str, Molecule | None]]:
    blocks = data.split(b"$$$$")
    sizes = [block.partition(b"M  END")[0].count(b"\n") for block in blocks]
    _refuse_slow(path, sizes)
    for number, (block, size) in enumerate(zip(blocks, sizes, strict=True), 1):
        if size > LINES_OF_ATOMS or LONGEST < max(map(len, block.split(b"\n"))):
            what = f"{size} lines of atoms and bonds, expected at most {LINES_OF_ATOMS}"
            raise qs.DataError(f"{path}: molecule {number} has {what}, none of more than {LONGEST} signs")
    supplier = rdkit().SDMolSupplier()
    supplier.SetData(data.decode("latin-1"))
    for number, molecule in enumerate(supplier, 1):
        is_one = molecule is not None and molecule.GetNumAtoms()
        title = molecule.GetProp("_Name") if is_one and molecule.HasProp("_Name") else ""
        yield number, title, molecule if is_one else None
