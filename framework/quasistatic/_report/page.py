"""A page of numbers and pictures that opens without a server, a script or a network. All text in it is escaped."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Iterator, Sequence

import attrs

from quasistatic.errors import printable

STYLE = """
:root { color-scheme: light dark; --text: #23272e; --faint: #6b7280; --line: #dfe3e8; --page: #fff; --tile: #f5f7f9; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e2e5ea; --faint: #98a0ab; --line: #363c45; --page: #16191d; --tile: #1f242a; }
}
* { box-sizing: border-box; }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--text); background: var(--page);
  max-width: 66rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0; }
h2 { font-size: 1.1rem; margin: 2.75rem 0 .6rem; }
p { margin: .4rem 0; max-width: 48rem; }
.faint { color: var(--faint); font-size: .9rem; }
.tiles { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.5rem 0 0; padding: 0; }
.tiles div { background: var(--tile); border-radius: 8px; padding: .7rem 1rem; }
.tiles dt { color: var(--faint); font-size: .85rem; }
.tiles dd { margin: 0; font-size: 1.15rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.advice { border-left: 4px solid #c2542d; padding: .2rem 0 .2rem .9rem; margin-top: 1.5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem 1.4rem .3rem 0; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { font-weight: 400; } thead th { color: var(--faint); font-size: .85rem; }
th:first-child { text-align: left; } .leads tbody tr:first-child :is(th, td) { font-weight: 600; }
figure { margin: 0; } figcaption { margin-top: .4rem; max-width: 48rem; }
img { display: block; max-width: 100%; background: #fff; border: 1px solid var(--line); border-radius: 8px;
  padding: .75rem; }
@media (prefers-color-scheme: dark) { img:not(.as-is) { filter: invert(.89) hue-rotate(180deg); border-color: #ccc; } }
@media (max-width: 40rem) {
  body { padding: 1.25rem .75rem 2rem; } th:first-child { white-space: normal; }
  figure { overflow-x: auto; } img { max-width: none; }
}
@media print {
  :root { color-scheme: light; --text: #000; --faint: #444; --line: #ccc; --page: #fff; --tile: #f5f5f5; }
  body { max-width: none; padding: 0; font-size: 11pt; }
  img { filter: none; } .scroll { overflow: visible; } table { font-size: 8pt; } pre { white-space: pre-wrap; }
  h2 { break-after: avoid; } figure, table, .tiles div { break-inside: avoid; }
}
details { margin-top: 2.75rem; } summary { cursor: pointer; }
pre { overflow-x: auto; font-size: .82rem; line-height: 1.45; background: var(--tile); border-radius: 8px;
  padding: 1rem; }
"""
# for the browser too: nothing is fetched, nothing runs
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@attrs.frozen
class HtmlTable:
    """Rows of text below a header of the same length; the first column names the row, the first row `leads` or not."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    leads: bool = True


@attrs.frozen
class Picture:
    """A PNG file `png` of a picture `width` inches wide, with a line that says how to read it.

    `is_photo`: its colours mean themselves, and stay in dark mode. `is_first`: it stands before the other pictures of a run.
    """

    name: str
    title: str
    png: bytes
    width: float
    note: str = ""
    is_photo: bool = False
    is_first: bool = False


def page(
    title: str,
    subtitle: str,
    tiles: Iterable[tuple[str, str]],
    advice: Iterable[str],
    sections: Iterable[HtmlTable | Picture],
    recipe: str,
    remarks: Sequence[str],
) -> str:
    """One HTML file: what was run, its main values with labels, advice, tables and pictures, the recipe as TOML, remarks."""
    body = [f"<h1>{_text(title)}</h1>", _paragraph(subtitle), _tiles(tiles)]
    body += (f'<p class="advice">{_text(text)}</p>' for text in advice)
    for section in sections:
        body += _table(section) if isinstance(section, HtmlTable) else _picture(section)
    body.append(f"<details><summary>The recipe, with every option</summary><pre>{_text(recipe)}</pre></details>")
    body += map(_paragraph, remarks)
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{_text(title)}</title><style>{STYLE}</style>"
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(body) + "\n</body></html>\n"


def _tiles(tiles: Iterable[tuple[str, str]]) -> str:
    cells = (f"<div><dt>{_text(label)}</dt><dd>{_text(value)}</dd></div>" for label, value in tiles)
    return f'<dl class="tiles">{"".join(cells)}</dl>'


def _table(table: HtmlTable) -> Iterator[str]:
    yield f"<h2>{_text(table.title)}</h2>"
    header = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in table.header)
    kind = ' class="leads"' if table.leads else ""
    yield f'<div class="scroll"><table{kind}><thead><tr>{header}</tr></thead><tbody>'
    for name, *cells in table.rows:
        yield f'<tr><th scope="row">{_text(name)}</th>' + "".join(f"<td>{_text(cell)}</td>" for cell in cells) + "</tr>"
    yield "</tbody></table></div>"
    if table.note:
        yield _paragraph(table.note)


def _picture(picture: Picture) -> Iterator[str]:
    data = base64.b64encode(picture.png).decode()
    yield f"<h2>{_text(picture.title)}</h2>"
    size = f'style="width: {6.2 * picture.width:.1f}rem"'  # so that text has one size in all pictures
    kind = ' class="as-is"' if picture.is_photo else ""
    yield f'<figure><img{kind} {size} alt="{_text(picture.title)}" src="data:image/png;base64,{data}">'
    yield f'<figcaption class="faint">{_text(picture.note)}</figcaption></figure>'


def _paragraph(text: str) -> str:
    return f'<p class="faint">{_text(text)}</p>'


def _text(text: str) -> str:
    return html.escape(printable(text))
