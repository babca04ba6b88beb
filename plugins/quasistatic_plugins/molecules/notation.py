"""Molecules as strings of tokens, and back, by rdkit and selfies."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import quasistatic as qs

Molecule = Any  # of rdkit
# rdkit calls itself for each branch, until the process has no room to, and takes n^2 steps
LONGEST = 2000  # signs of a SMILES
TOKENS = re.compile(r"\[[^\]]+\]|Br|Cl|->|<-|[BCNOSPFIbcnosp*]|[()=#\-+\\/:~@?.$]|%\d\d|\d")


def rdkit() -> ModuleType:
    """The module rdkit.Chem. Raises DataError where it is missing."""
    try:
        from rdkit import Chem
    except ImportError as error:
        raise qs.DataError("source 'molecules' needs rdkit: pip install \"quasistatic[molecules]\"") from error
    return Chem


def selfies() -> ModuleType:
    """The module selfies. Raises DataError where it is missing."""
    try:
        import selfies as found
    except ImportError as error:
        raise qs.DataError("source.notation = 'selfies' needs selfies: pip install \"quasistatic[molecules]\"") from error
    return found


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Without what rdkit prints of every string that is no molecule."""
    from rdkit import rdBase

    with rdBase.BlockLogs():
        yield


def parsed(smiles: str) -> Molecule | None:
    """The molecule, or None for a string that is not a molecule, one without atoms, or one of more than LONGEST signs."""
    if len(smiles) > LONGEST:
        return None
    molecule = rdkit().MolFromSmiles(smiles)
    return molecule if molecule is not None and molecule.GetNumAtoms() else None


def tokens(smiles: str, notation: str) -> list[str]:
    """The tokens of a molecule that is written as SMILES. Raises ValueError for one that the notation cannot write."""
    if notation == "selfies":
        coder = selfies()
        try:
            return list(coder.split_selfies(coder.encoder(smiles)))
        except coder.EncoderError as error:
            raise ValueError("SELFIES cannot write it") from error
    found: list[str] = TOKENS.findall(smiles)
    if "".join(found) != smiles:
        raise ValueError(f"no tokens are known for all of {smiles[:40]!r}")
    return found


def smiles_of(texts: Sequence[str], notation: str) -> list[str]:
    """Strings of a notation as SMILES; what a SMILES is not, it stays."""
    return [selfies().decoder(text) for text in texts] if notation == "selfies" else list(texts)
