"""What molecules are worth, as the field measures it: Polykovskiy et al. 2020, with the same of training molecules beside."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from quasistatic_plugins.molecules.notation import Molecule, parsed, rdkit, silent

RADIUS, BITS = 2, 2048  # of Morgan fingerprints
COMPARED = 1_000  # molecules at most of which properties are computed


def judged(samples: Sequence[str], train: Sequence[str], test: Sequence[str]) -> dict[str, float]:
    """Measures of SMILES: shares with what they are of, and distances to `test`, beside those of as many of `train`."""
    chem = rdkit()
    with silent():
        valid = [molecule for each in samples if (molecule := parsed(each)) is not None]
        unique = {chem.MolToSmiles(molecule) for molecule in valid}
        found = {
            "samples": float(len(samples)),
            "valid_of_samples": len(valid) / max(1, len(samples)),
            "unique_of_valid": len(unique) / max(1, len(valid)),
            "novel_of_unique": len(unique - set(train)) / max(1, len(unique)),
        }
        if not valid:
            return found
        known = [parsed(each) for each in train]
        scaffolds = {scaffold for molecule in valid if (scaffold := _scaffold(molecule))}
        found["new_of_scaffolds"] = len(scaffolds - {_scaffold(molecule) for molecule in known}) / max(1, len(scaffolds))
        held_out = [parsed(each) for each in test[:COMPARED]]
        alike = [known[number] for number in np.linspace(0, len(known) - 1, min(len(valid), COMPARED, len(known))).astype(int)]
        shown = valid[:COMPARED]
        for name, measure in _properties().items():
            ours, trained, wanted = ([measure(molecule) for molecule in each] for each in (shown, alike, held_out))
            found[f"distance_of_{name}"] = wasserstein(ours, wanted)
            found[f"distance_of_{name}_of_training"] = wasserstein(trained, wanted)
        found["internal_diversity"] = internal_diversity(shown)
        found["internal_diversity_of_training"] = internal_diversity(alike)
    if importlib.util.find_spec("fcd") is not None:
        found["fcd"] = float(importlib.import_module("fcd").get_fcd([chem.MolToSmiles(each) for each in valid], list(test)))
    return found


def _properties() -> Mapping[str, Callable[[Molecule], float]]:
    from rdkit.Chem import QED, Crippen, Descriptors

    return {"logp": Crippen.MolLogP, "qed": QED.qed, "weight": Descriptors.MolWt}


def _scaffold(molecule: Molecule) -> str:
    from rdkit.Chem.Scaffolds import MurckoScaffold

    return MurckoScaffold.MurckoScaffoldSmiles(mol=molecule)


def wasserstein(a: Sequence[float], b: Sequence[float]) -> float:
    """The mean distance by which the numbers `a` (N,) must be moved to be distributed as `b` (M,), in their own unit."""
    ordered = np.sort(np.concatenate([a, b]))
    shares = (np.searchsorted(np.sort(each), ordered[:-1], "right") / len(each) for each in (a, b))
    first, second = shares
    return float(np.abs(first - second) @ np.diff(ordered))


def internal_diversity(molecules: Sequence[Molecule]) -> float:
    """1 minus the mean Tanimoto similarity of Morgan fingerprints over all pairs, each molecule with itself among them."""
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=BITS)
    bits = np.stack([generator.GetFingerprintAsNumPy(molecule) for molecule in molecules]).astype(np.float64)
    shared, sizes = bits @ bits.T, bits.sum(axis=1)
    return float(1.0 - np.mean(shared / np.maximum(sizes[:, None] + sizes - shared, 1.0)))
