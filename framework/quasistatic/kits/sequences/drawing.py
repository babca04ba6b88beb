"""Texts as pictures."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FONT, POINTS = "DejaVu Sans Mono", 6.0  # it comes with matplotlib


def draw_lines(texts: Sequence[str], axes: Axes) -> None:
    """Texts one below the other, each folded to the width of the axes, as many as there is room for."""
    width, height = (72.0 * pixels / axes.figure.dpi for pixels in axes.get_window_extent().size)
    across, down = max(1, int(width / (0.602 * POINTS))), max(1, int(height / (1.25 * POINTS)))
    lines = [line[start : start + across] for text in texts for line in _folded(text) for start in range(0, len(line), across)]
    shown = "\n".join(lines[:down])
    axes.text(0.0, 1.0, shown, fontsize=POINTS, family=FONT, va="top", linespacing=1.2, parse_math=False, clip_on=True)
    axes.set(xlim=(0.0, 1.0), ylim=(0.0, 1.0))
    axes.set_axis_off()


def _folded(text: str) -> list[str]:
    """The lines of a text, after each text an empty one where it has several; what the font lacks is a box."""
    lines = "".join(letter if letter == "\n" or _is_drawn(letter) else "\u25a1" for letter in text).split("\n")
    return [line or " " for line in (lines if len(lines) == 1 else [*lines, ""])]


@functools.cache
def _is_drawn(letter: str) -> bool:
    from matplotlib.font_manager import findfont, get_font

    return letter.isprintable() and get_font(findfont(FONT)).get_char_index(ord(letter)) != 0
