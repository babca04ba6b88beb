"""The recipes that come with quasistatic, and the data that each of them opens."""

from __future__ import annotations

from typing import Any

import quasistatic as qs
from quasistatic.kits.tables.options import ENDINGS


def packed(*endings: str) -> tuple[str, ...]:
    """Endings, and those of such files packed."""
    return (*endings, *(f"{ending}.gz" for ending in endings))


SUMMARIES = {
    "swiss-roll": "points on a spiral, T = 40, with the truth beside K",
    "swiss-roll-2015": "the same with the 2015 paper's radial basis network and schedule",
    "heartbeat": "bits with a pulse every five bins, base rate 0.2, all steps learned",
    "heartbeat-2015": "the same with the 2015 paper's fixed first step, T = 2000",
    "digits": "binarised 8x8 digits (needs scikit-learn)",
    "digits-grey": "8x8 digits in 17 levels of grey, with K in bits per dimension (needs scikit-learn)",
    "mnist-2015": "MNIST by the 2015 paper's reference code: --set source.path=FOLDER, for an accelerator",
    "cifar10-2015": "CIFAR-10 by the same: --set source.path=FOLDER, for an accelerator",
    "bark-2015": "patches of your photographs of a texture, T = 500: --set source.path=FOLDER, for an accelerator",
    "textures": "patches of photographs of grass, gravel and brick, in minutes on a CPU (needs scikit-image)",
    "dead-leaves": "occluding discs with a mixer of patches, in minutes on a CPU",
    "dead-leaves-2015": "occluding discs with the 2015 paper's network, T = 1000, for an accelerator",
    "mixed": "events of three parts: a category, bits and real numbers, with the truth beside K",
    "dna": "DNA of a hidden Markov chain, with the truth beside K",
    # those that open data; one that stands before another is tried first
    "images": "a folder of your own pictures: quasistatic run FOLDER",
    "sequences": "DNA, RNA or proteins of your file: quasistatic run my.fasta",
    "molecules": "SMILES of 4,999 molecules that ship with rdkit, or of yours: quasistatic run my.smi",
    "text": "characters of Python's own help, or of your files: quasistatic run my.txt",
    "array": "your own array: quasistatic run my.npy",
    "table": "a table with missing cells, of scikit-learn, or yours: quasistatic run my.csv",
}
HERE = "quasistatic_plugins"
OPENS: dict[str, dict[str, Any]] = {
    "images": {"folder": True, "accepts": f"{HERE}.images.look:accepts"},
    "sequences": {
        "opens": packed(".fasta", ".fa", ".fna", ".ffn", ".faa", ".frn", ".fas", ".fastq", ".fq", ".gb", ".gbk", ".genbank"),
        "accepts": f"{HERE}.sequences.look:accepts",
        "inspects": f"{HERE}.sequences.look:inspects",
    },
    "molecules": {"opens": packed(".smi", ".smiles", ".sdf", ".sd")},
    "text": {"opens": packed(".txt", ".text", ".md", ".rst", ".tex"), "folder": True, "accepts": f"{HERE}.text.look:accepts"},
    "array": {"opens": (".npy", ".npz")},
    "table": {"opens": ENDINGS, "inspects": "quasistatic.kits.tables:inspect_table"},
}


@qs.hookimpl
def quasistatic_recipes() -> list[qs.NamedRecipe]:
    return [qs.NamedRecipe(name, __name__, f"{name}.toml", summary, **OPENS.get(name, {})) for name, summary in SUMMARIES.items()]
