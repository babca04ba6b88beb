"""A model card: what an exported model is, as far as the run knows it, and what its maker has to add."""

from __future__ import annotations

from pathlib import Path

import quasistatic as qs
from quasistatic_plugins.export.programs import BOUND, SAMPLER, WEIGHTS, Exported

NAME = "README.md"

USE = """```python
from pathlib import Path

import jax
import numpy as np
from jax import export

draw = export.deserialize(bytearray(Path("{sampler}").read_bytes()))
xs = draw.call(jax.random.key_data(jax.random.key(0)), np.arange(100, dtype=np.int32){side})
```"""


def card(run: qs.Run, made: Exported) -> str:
    """Markdown, with the figures of the run and their errors."""
    about, recipe = made.about, run.recipe
    chosen = {kind: recipe.choices[kind].component for kind in ("source", "kernel", "model", "objective")}
    references = dict.fromkeys(each for component in chosen.values() for each in component.references)
    has_side = len(about["inputs"][SAMPLER]) > 2
    lines = [
        f"# {recipe.name}",
        "",
        f"A diffusion model of {about['event']}, trained with quasistatic {about['versions']['quasistatic']}: "
        + ", ".join(f"{kind} {component.name}" for kind, component in chosen.items())
        + ".",
        "",
        "## Use",
        "",
        f"`{SAMPLER}` and `{BOUND}` need jax {about['versions']['jax']} or a later one that reads it, and flatbuffers; they run on "
        f"{', '.join(about['platforms'])}. What goes in and comes out is in `export.json`; events are in model units, and so is K.",
        "",
        USE.format(sampler=SAMPLER, side=", side" if has_side else ""),
        "",
        f"`{WEIGHTS}` holds the same weights, for programs of your own.",
        "",
        "## Data",
        "",
        *(f"- {_without_folder(note, recipe.choices['source'].options)}" for note in run.source.notes),
        "- Where they come from, who may use them, and whom they describe: *to be filled in*",
        "",
        "## Figures",
        "",
        *_figures(run),
        f"- draws: T = {about['steps']['sampler']} by {about['sampler']}",
        "",
        "## Limits",
        "",
        "- K is a lower bound on the mean log-likelihood of held-out events like those of training; it says little of others.",
        "- A high log-likelihood does not make an event likely to be real, nor a low one make it unusual.",
        "- What it must not be used for: *to be filled in*",
        "",
        "## License",
        "",
        "*to be filled in*",
    ]
    if references:
        lines += ["", "## References", "", *(f"- {each}" for each in references)]
    return "\n".join(lines) + "\n"


def _without_folder(note: str, options: object) -> str:
    """A note without where the data lay on the machine of whoever trained."""
    path = getattr(options, "path", None)
    return note.replace(f"{Path(path).absolute().parent}/", "") if isinstance(path, str) and path else note


def _figures(run: qs.Run) -> list[str]:
    """K of held-out events, beside what it should be read against."""
    try:
        found = run.evaluate()
    except qs.DataError as error:
        return [f"- K was not measured: {error}"]
    values = {"K": found.bound, "K in the units of the data": found.user_bound, "log-likelihood of the reference": found.mean_null}
    values["true log-likelihood"] = found.mean_truth
    shown = [f"- {name}: {value.customary()} per event, {len(found.data)} events" for name, value in values.items() if value]
    return [*shown, f"- T of the chain: {found.ledger.steps}"]
