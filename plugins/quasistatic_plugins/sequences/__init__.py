"""Biological sequences: DNA, RNA and proteins of your files."""

from __future__ import annotations

from typing import Literal

import attrs

import quasistatic as qs
from quasistatic.kits import sequences


@attrs.frozen(kw_only=True)
class SequencesOptions(sequences.SymbolChoices):
    """Windows of biological sequences, or whole short ones, from FASTA, FASTQ or GenBank, also .gz (needs quasistatic[biology])."""

    path: str = qs.option("", "the file; must be given", is_path=True)
    alphabet: Literal["dna", "rna", "protein"] = qs.option("dna", "which letters there are")
    events: Literal["windows", "records"] = qs.option("windows", "windows of `length` letters, or whole records of at most so many")
    ambiguous: Literal["refuse", "skip-windows", "symbol"] = qs.option(
        "refuse", "what becomes of letters such as N or X: an error, no event that has one, or one symbol more for all"
    )
    gaps: Literal["error", "remove", "symbol"] = qs.option(
        "remove", "what becomes of - and . of alignments: an error, nothing, or one symbol more"
    )
    stops: Literal["error", "remove", "symbol"] = qs.option(
        "remove", "what becomes of * at the end of a protein; within one it is a symbol or an error"
    )
    unknown: Literal["refuse", "skip-records"] = qs.option(
        "refuse", "what becomes of what is no letter: an error, or no event of records that have some"
    )
    split_seed: int = qs.option(0, "fixes which records are in which split, for whole ones", attrs.validators.ge(0))


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    here = "quasistatic_plugins.sequences.source"
    return [
        qs.Component(
            "source",
            "sequences",
            SequencesOptions,
            build=f"{here}:build",
            restore=f"{here}:restore",
            references=("Lin 1991, Divergence measures based on the Shannon entropy (distances of k-mer spectra)",),
        )
    ]
