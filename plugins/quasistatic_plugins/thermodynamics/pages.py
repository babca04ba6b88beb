"""What the commands leave in the folder of a run: a picture, and a page with it and the table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import quasistatic as qs
from quasistatic_plugins.thermodynamics.lines import Line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEADER = ("", "value", "per", "of")


def kept(
    run: qs.Run,
    folder: Path,
    name: str,
    title: str,
    figure: Figure,
    lines: Iterable[Line],
    notes: Iterable[str],
    out: Path | None = None,
) -> dict[str, str]:
    """Writes the picture to `out`, or else pictures/NAME.png and NAME.html to the run. The places, by kind."""
    if out is not None:
        qs.files.write_durably(out, qs.pictures.encode(figure, out.suffix.lower()[1:]))
        return {"picture": str(out)}
    picture = qs.pictures.as_picture(name, title, figure, _sentences(notes))
    place, page = folder / "pictures" / f"{name}.png", folder / f"{name}.html"
    place.parent.mkdir(exist_ok=True)
    qs.files.write_durably(place, picture.png)
    lines = tuple(lines)
    # reasons are long: in a cell they would push the values off the page
    rows = tuple((line.label, "refused" if line.doubt is not None else line.shown(), line.per, line.samples) for line in lines)
    reasons = _sentences(f"{line.label.strip()}, refused: {line.doubt}" for line in lines if line.doubt is not None)
    table = qs.pictures.HtmlTable("Values, with standard errors", HEADER, rows, reasons, leads=False)
    about = f"{run.updates_done} updates, seed {run.recipe.seed}"
    text = qs.pictures.page(run.recipe.name, about, (), (), [picture, table], run.recipe.to_toml(), ())
    qs.files.write_durably(page, text.encode())
    return {"picture": str(place), "page": str(page)}


def _sentences(notes: Iterable[str]) -> str:
    return " ".join(f"{note[:1].upper()}{note[1:].rstrip('.')}." for note in notes)
