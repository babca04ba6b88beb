"""Molecules as symbols: no molecule is in two splits, however it is written, and samples come back as SMILES and as drawings."""

from __future__ import annotations

import functools
import importlib.util
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs
from quasistatic.kits import sequences
from quasistatic_plugins.molecules import MoleculesOptions
from quasistatic_plugins.molecules.measures import judged
from quasistatic_plugins.molecules.notation import LONGEST, parsed, rdkit, silent, smiles_of, tokens
from quasistatic_plugins.molecules.reading import Found, named, read_molecules, shipped

PLACE = "rdkit"  # of the molecules that ship with it
ORDERS = 5
DRAWN, PIXELS = 16, 180  # molecules on a sheet, and the side of each
CODE = "code"


def build(options: MoleculesOptions) -> Molecules:
    """The source of the file that the options name. Raises DataError, which names the line and what is wrong with it."""
    return Molecules(options, options.path)


def restore(options: MoleculesOptions, kept: qs.sources.Kept) -> Molecules:
    """The source of a run that is reopened; its file is read when its molecules are used."""
    return Molecules.restored(options, options.path, kept)


class Molecules(sequences.AbstractSymbolSource, qs.sources.AbstractJudge):
    """Events (length,) are the tokens of canonical molecules, symbol 0 beyond their end.

    With `augment`, stored rows have the canonical string and random ones, and the part 'code' of the side information is 1 for
    these; it is 0 outside of training, so that what is modelled is the canonical string.
    """

    endings = (".smi",)
    shipped = PLACE
    named = "line"
    counted = "token"
    _choices: MoleculesOptions

    def read(self, choices: MoleculesOptions, where: str, alphabet: tuple[str, ...] | None = None) -> sequences.Strings:
        found = read_molecules(where, choices.column)
        origin = qs.files.origin_of(where or PLACE, {"": found.data})
        spelt = [_tokens(choices, *each) for each in zip(found.written, found.smiles, strict=True)]
        if alphabet is not None:
            return _scored(found, spelt, origin, alphabet)
        notes = _lost(choices, found, spelt, str(where or shipped()))
        chosen = [number for number, each in enumerate(spelt) if not isinstance(each, str)]
        known = ("", *sorted({token for number in chosen for token in spelt[number]}))
        numbers = {token: number for number, token in enumerate(known)}
        rows = [np.array([numbers[token] for token in spelt[number]], np.int64) for number in chosen]
        if too_long := sum(len(row) > choices.length for row in rows):
            notes.append(f"left out {too_long} molecules of more than {choices.length} tokens (source.length)")
        if copies := len(chosen) - len({found.smiles[number] for number in chosen}):
            notes.append(f"{copies} of {len(chosen)} molecules are copies of one before, in the same split as it")
        if importlib.util.find_spec("fcd") is None:
            notes.append("the Frechet ChemNet distance is missing from what is measured: it needs the package fcd")
        passages = sequences.joined_strings(rows, len(known))
        places, tags = [found.places[number] for number in chosen], {found.of: np.array(found.written, object)[chosen]}
        return sequences.Strings(origin, known, passages, places, np.ones(len(rows), np.int64), tuple(notes), tags)

    def divide(self, choices: MoleculesOptions, strings: sequences.Strings) -> sequences.Division:
        # molecules are written canonically: equal strings are equal molecules
        return sequences.whole(strings, choices, sequences.same_strings(strings.passages), choices.split_seed)

    def side_of(self, choices: MoleculesOptions) -> qs.Fields:
        own = sequences.padding(choices.length)
        return qs.Fields({**own.parts(), CODE: qs.Real((1,))}) if choices.augment else own

    def stored(self) -> qs.sources.Rows:
        return qs.sources.ArrayRows(self._versions) if self._choices.augment else super().stored()

    @functools.cached_property
    def _versions(self) -> dict[str, np.ndarray]:
        """Of each training molecule the canonical string and random ones (N, 1 + versions, length); `code` is 1 for the latter.

        Random ones that have a token too many, or one that no canonical string has, are left out, and the others taken again.
        """
        train, choices, chem = self.split("train"), self._choices, rdkit()
        numbers = {token: number for number, token in enumerate(self.alphabet)}
        x = np.repeat(train.x[:, None], 1 + choices.versions, axis=1)
        code = np.zeros((*x.shape[:2], 1), np.float32)
        for row, smiles in enumerate(self.smiles(train.x)):
            seed = 1 + choices.split_seed + row
            drawn = chem.MolToRandomSmilesVect(parsed(smiles), choices.versions, randomSeed=seed % 2**31)
            fitting = [each for text in drawn if (each := self._numbered(text, numbers)) is not None]
            for place in range(choices.versions if fitting else 0):
                each = fitting[place % len(fitting)]
                x[row, 1 + place] = np.pad(each, (0, choices.length - len(each)))
                code[row, 1 + place] = 1.0
        return {"x": x, qs.PADDING: (x == 0).astype(np.float32), CODE: code}

    def _numbered(self, smiles: str, numbers: Mapping[str, int]) -> np.ndarray | None:
        try:
            found = [numbers.get(token, 0) for token in tokens(smiles, self._choices.notation)]
        except ValueError:
            return None
        return np.array(found) if len(found) <= self._choices.length and all(found) else None

    def draw(self, row: Mapping[str, Any], *, key: jax.Array) -> tuple[Any, Any]:
        if not self._choices.augment:
            return super().draw(row, key=key)
        key_touch, key_version = jr.split(key)
        version = jr.randint(key_version, (), 1, 1 + self._choices.versions, jnp.int32)
        chosen = jnp.where(jr.bernoulli(key_touch, jnp.float32(0.5)), version, 0)
        return jnp.asarray(row["x"])[chosen], {name: jnp.asarray(row[name])[chosen] for name in (qs.PADDING, CODE)}

    def smiles(self, xs: np.ndarray) -> list[str]:
        """Events (N, length) as SMILES, also those that are no molecules."""
        return smiles_of(self.spell(xs), self._choices.notation)

    def write_events(self, xs: np.ndarray, ending: str) -> bytes:
        """A SMILES in each line as it was drawn, with a name; nothing is left out.

        `read_events` gives these molecules again, each in its canonical form, as of any file.
        """
        return "".join(f"{smiles}\tsample-{number}\n" for number, smiles in enumerate(self.smiles(xs), 1)).encode()

    def baselines(self, xs: np.ndarray) -> dict[str, np.ndarray]:
        """Interpolated n-grams of the training molecules; as for K, how many tokens there are is given."""
        texts = self.division.texts
        found = sequences.ngrams(texts["train"], texts["validation"], self.passages_of(xs), len(self.alphabet), ORDERS)
        return {f"{order}-gram": values for order, values in enumerate(found, 1)}

    def judge(self, xs: np.ndarray) -> dict[str, float]:
        """Shares that are valid, unique and novel, and how far properties are from those of test molecules.

        `..._of_training` is the same of training molecules. Distances are 1-D Wasserstein distances, in the unit of the property.
        """
        train, test = (self._canonical(name) for name in ("train", "test"))
        return judged(self.smiles(xs), train, test)

    def _canonical(self, name: qs.Split) -> list[str]:
        written = self.smiles(self.split(name).x)
        if self._choices.notation == "smiles":
            return written
        with silent():
            return [rdkit().MolToSmiles(parsed(each)) for each in written]

    def render(self, xs: np.ndarray, axes: Any) -> None:
        """A sheet of molecules; as lines of text where none of the strings is one."""
        with silent():
            drawn = [parsed(each) for each in self.smiles(xs[:DRAWN])]
            if not any(drawn):
                super().render(xs, axes)
                return
            axes.imshow(_sheet(drawn))
        axes.set_axis_off()


def _tokens(choices: MoleculesOptions, written: str, smiles: str | None) -> list[str] | str:
    """The tokens of a record, or why it has none."""
    if smiles is None and len(written) > LONGEST:
        return f"{written[:20]!r}... has {len(written)} signs, expected at most {LONGEST}"
    if smiles is None:
        return f"{written[:60]!r} is no molecule to rdkit" if written else "it has no molecule that can be read"
    try:
        return tokens(smiles, choices.notation)
    except ValueError:
        return f"{choices.notation.upper()} cannot write {smiles[:60]!r}"


def _lost(choices: MoleculesOptions, found: Found, spelt: Sequence[list[str] | str], where: str) -> list[str]:
    """Sentences about what was read and what is left out. Raises DataError where that is all, or is refused."""
    counted, total = found.counted, len(spelt)
    bad = {number: each for number, each in enumerate(spelt) if isinstance(each, str)}
    refused, unwritten = (
        {found.places[number]: found.written[number] for number in bad if (found.smiles[number] is None) is is_bad}
        for is_bad in (True, False)
    )
    if len(refused) == total:
        raise qs.DataError(f"{where}: none of {total} {counted}s is a molecule to rdkit: {named(refused, counted)}")
    if bad and (choices.unreadable == "refuse" or len(bad) == total):
        first, why = next(iter(bad.items()))
        what = f"{counted} {found.places[first]}: {why} ({len(bad)} of {total} {counted}s cannot be read)"
        raise qs.DataError(f"{where}: {what}; --set source.unreadable=skip leaves such out")
    notes = [f"read {total - len(refused)} molecules from {where}", *found.notes]
    if refused:
        notes.append(f"left out {len(refused)} of {total} {counted}s that rdkit refuses: {named(refused, counted)}")
    if unwritten:
        what = f"{len(unwritten)} molecules that {choices.notation.upper()} cannot write"
        notes.append(f"left out {what}: {named(unwritten, counted)}")
    return notes


def _scored(found: Found, spelt: Sequence[list[str] | str], origin: Any, alphabet: tuple[str, ...]) -> sequences.Strings:
    """All records, with what is no token of the source in its place."""
    numbers = {token: number for number, token in enumerate(alphabet)}
    each = [[] if isinstance(record, str) else record for record in spelt]
    rows = [np.array([numbers.setdefault(token, len(numbers)) for token in record], np.int64) for record in each]
    strange = list(numbers)[len(alphabet) :]
    return sequences.Strings(
        origin,
        alphabet,
        sequences.joined_strings(rows, len(numbers)),
        found.places,
        np.ones(len(rows), np.int64),
        tags={found.of: np.array(found.written, object)},
        foreign=tuple(f"{token!r} is not one of the {len(alphabet) - 1} tokens of this source" for token in strange),
        refused={number: record for number, record in enumerate(spelt) if isinstance(record, str)},
    )


def _sheet(molecules: Sequence[Any]) -> np.ndarray:
    """Molecules side by side, (height, width, 3); an empty place for what is no molecule."""
    from rdkit.Chem import Draw

    across = math.ceil(math.sqrt(len(molecules)))
    shown = [rdkit().MolFromSmiles("") if each is None else each for each in molecules]
    how = Draw.rdMolDraw2D.MolDrawOptions()
    how.drawMolsSameScale = False
    size = (PIXELS, PIXELS)
    sheet = Draw.MolsToGridImage(shown, molsPerRow=across, subImgSize=size, drawOptions=how, returnPNG=False)
    return np.asarray(sheet.convert("RGB"))
