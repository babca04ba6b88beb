"""Molecules as strings: SMILES or SELFIES of your files."""

from __future__ import annotations

from typing import Literal

import attrs

import quasistatic as qs
from quasistatic.kits import sequences


@attrs.frozen(kw_only=True)
class MoleculesOptions(sequences.SymbolChoices):
    """Molecules as SMILES or SELFIES, from .smi, .csv or .sdf, by default 4,999 of rdkit (needs quasistatic[molecules])."""

    path: str = qs.option(
        "", "the file: .smi, a SMILES in each line, a table (.csv, .tsv), or .sdf; also .gz of these", is_path=True
    )
    column: str = qs.option("", "the column of the SMILES, by its name; by default one called smiles, or like it")
    unreadable: Literal["skip", "refuse"] = qs.option(
        "skip", "what becomes of molecules that cannot be read: they are left out and named, or an error"
    )
    notation: Literal["smiles", "selfies"] = qs.option("smiles", "how molecules are written")
    length: int = qs.option(48, "tokens of an event; longer molecules are left out", attrs.validators.ge(1))
    augment: bool = qs.option(
        False,
        "write half of the training molecules in another order of their atoms; the network knows which, K and samples are of the "
        "others",
    )
    versions: int = qs.option(8, "random orders of each training molecule, where these are wanted", attrs.validators.ge(1))
    split_seed: int = qs.option(0, "fixes which molecules are in which split, and random orders", attrs.validators.ge(0))


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    here = "quasistatic_plugins.molecules.source"
    return [
        qs.Component(
            "source",
            "molecules",
            MoleculesOptions,
            build=f"{here}:build",
            restore=f"{here}:restore",
            references=(
                "Weininger 1988, SMILES",
                "Krenn et al. 2020, SELFIES",
                "Arus-Pous et al. 2019, Randomized SMILES strings improve the quality of molecular generative models",
                "Polykovskiy et al. 2020, Molecular Sets (MOSES): the measures of samples",
            ),
        )
    ]
