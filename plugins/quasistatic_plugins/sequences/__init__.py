"""Biological sequences: DNA, RNA and proteins of your files."""

from __future__ import annotations

from typing import Literal

import attrs

import quasistatic as qs
from quasistatic.kits import sequences


@attrs.frozen(kw_only=True)
class SequencesOptions(sequences.SymbolChoices):
    """Windows of biological sequences, or whole short ones, from FASTA, FASTQ or GenBank, also .gz (needs quasistatic[biology])."""

    path: str = attrs.field(default="", metadata={"help": "the file; must be given"})
    alphabet: Literal["dna", "rna", "protein"] = attrs.field(default="dna", metadata={"help": "which letters there are"})
    events: Literal["windows", "records"] = attrs.field(
        default="windows", metadata={"help": "windows of `length` letters, or whole records of at most so many"}
    )
    ambiguous: Literal["refuse", "skip-windows", "symbol"] = attrs.field(
        default="refuse",
        metadata={"help": "what becomes of letters such as N or X: an error, no event that has one, or one symbol more for all"},
    )
    gaps: Literal["error", "remove", "symbol"] = attrs.field(
        default="remove", metadata={"help": "what becomes of - and . of alignments: an error, nothing, or one symbol more"}
    )
    stops: Literal["error", "remove", "symbol"] = attrs.field(
        default="remove", metadata={"help": "what becomes of * at the end of a protein; within one it is a symbol or an error"}
    )
    unknown: Literal["refuse", "skip-records"] = attrs.field(
        default="refuse", metadata={"help": "what becomes of what is no letter: an error, or no event of records that have some"}
    )
    split_seed: int = attrs.field(
        default=0, validator=attrs.validators.ge(0), metadata={"help": "fixes which records are in which split, for whole ones"}
    )


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
