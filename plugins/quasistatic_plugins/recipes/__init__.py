"""The recipes that come with quasistatic."""

from __future__ import annotations

import quasistatic as qs

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
    "text": "characters of Python's own help, or of your files: --set source.path=FILE",
    "dna": "DNA of a hidden Markov chain, with the truth beside K",
    "molecules": "SMILES of 4,999 molecules that ship with rdkit, or of yours: --set source.path=FILE",
    "table": "a table of mixed columns with missing cells, of scikit-learn, or yours: --set source.path=FILE",
    "array": "your own .npy, .npz or .csv file: --set source.path=FILE",
    "images": "a folder of your own pictures: --set source.path=FOLDER",
}


@qs.hookimpl
def quasistatic_recipes() -> list[qs.NamedRecipe]:
    return [qs.NamedRecipe(name, __name__, f"{name}.toml", summary) for name, summary in SUMMARIES.items()]
