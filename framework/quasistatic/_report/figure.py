"""What all pictures are drawn on: figures of their own, so the global state of matplotlib stays as it is."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from quasistatic._report.page import Picture
from quasistatic.errors import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# one colour per meaning, in every picture: data and measurement, the learned way back, the truth
DATA, LEARNED, TRUTH = "#2f5d8c", "#c2542d", "#3d7a57"
TEXT, FRAME, PALE = "#3a3f47", "#c9ced6", "#d3dae4"
WIDTH = 10.5  # inches, of pictures with a column per time
SMALL, NORMAL = 7.5, 9.0  # points
LONGEST = 100  # characters of a label


def encode(figure: Figure, form: str = "png", dpi: int = 160) -> bytes:
    """The figure as a 'png', 'svg' or 'pdf' file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, dpi=dpi)
    return buffer.getvalue()


def as_picture(name: str, title: str, drawn: Figure, note: str, is_photo: bool = False, is_first: bool = False) -> Picture:
    """A figure as a page shows it."""
    return Picture(name, title, encode(drawn), drawn.get_figwidth(), note, is_photo, is_first)


class _PlainFigure(Figure):
    """All text in it is only text: names of columns come from files, and may hold what matplotlib would read as TeX."""

    def draw(self, renderer: Any) -> None:
        for text in self.findobj(Text):
            text.set_parse_math(False)
            text.set_text(printable(text.get_text())[:LONGEST])
        with rc_context({"text.parse_math": False}), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from")  # a box is drawn
            super().draw(renderer)


def new_figure(width: float, height: float) -> Figure:
    """A figure of `width` x `height` inches in the style of the report; it is not registered with pyplot."""
    figure = _PlainFigure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def quiet(axes: Axes) -> None:
    """No more ink than needed."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FRAME)
    axes.tick_params(labelsize=SMALL, color=FRAME, labelcolor=TEXT)
