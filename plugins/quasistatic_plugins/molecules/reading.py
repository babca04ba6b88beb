"""Molecules of files, canonical; what rdkit refuses is named and left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import quasistatic as qs
from quasistatic_plugins.molecules.notation import Molecule, parsed, rdkit, silent

SHIPPED = "NCI/first_5K.smi"  # in the data folder of rdkit
LINES, BLOCKS = (".smi", ".smiles", ".txt"), (".sdf", ".sd")
NAMED = 20  # molecules that are named in a note


class Found(NamedTuple):
    """The canonical SMILES in a file with their places, the bytes of it, and sentences about it."""

    smiles: list[str]
    places: list[int]
    counted: str
    data: bytes
    notes: tuple[str, ...]


def read_molecules(where: str) -> Found:
    """All molecules of a file. Raises DataError where none can be read."""
    path = Path(where).expanduser() if where else shipped()
    ending = Path(path.name.lower().removesuffix(".gz")).suffix
    if ending not in (*LINES, *BLOCKS):
        raise qs.DataError(f"{path}: expected a file that ends in {', '.join((*LINES, *BLOCKS))}, or .gz of these")
    data, chem = qs.read_bytes(path), rdkit()
    counted = "line" if ending in LINES else "molecule"
    good, bad = {}, {}
    with silent():
        for place, said, molecule in _of_lines(path, data) if ending in LINES else _of_blocks(data):
            if molecule is None:
                bad[place] = said
            else:
                good[place] = chem.MolToSmiles(molecule)
    if not good:
        what = f"none of {len(bad)} {counted}s is a molecule to rdkit: {named(bad, counted)}" if bad else "holds no molecules"
        raise qs.DataError(f"{path}: {what}")
    notes = [f"read {len(good)} molecules from {path}"]
    if bad:
        notes.append(f"left out {len(bad)} of {len(good) + len(bad)} {counted}s that rdkit refuses: {named(bad, counted)}")
    return Found(list(good.values()), list(good), counted, data, tuple(notes))


def named(bad: dict[int, str], counted: str) -> str:
    """Places and what stands there, some of them."""
    shown = ", ".join(f"{counted} {place} ({said[:60]!r})" for place, said in list(bad.items())[:NAMED])
    return shown + (f" and {len(bad) - NAMED} more" if len(bad) > NAMED else "")


def shipped() -> Path:
    """The file of molecules that comes with rdkit. Raises DataError."""
    rdkit()
    from rdkit import RDConfig

    return Path(RDConfig.RDDataDir) / SHIPPED


def _of_lines(path: Path, data: bytes) -> Iterator[tuple[int, str, Molecule | None]]:
    """The first word of each line is a SMILES; a line that begins with # is a comment, a first one that has 'smiles' a header."""
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise qs.DataError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error
    for number, line in enumerate(lines, 1):
        words = line.split()
        if words and not words[0].startswith("#") and not (number == 1 and "smiles" in words[0].lower()):
            yield number, words[0], parsed(words[0])


def _of_blocks(data: bytes) -> Iterator[tuple[int, str, Molecule | None]]:
    supplier = rdkit().SDMolSupplier()
    supplier.SetData(data.decode("latin-1"))
    for number, molecule in enumerate(supplier, 1):
        is_one = molecule is not None and molecule.GetNumAtoms()
        yield number, "no molecule that can be read", molecule if is_one else None
