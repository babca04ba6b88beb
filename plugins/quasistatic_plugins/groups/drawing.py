"""The picture of groups: the surest members of each."""

from __future__ import annotations

import jax
import numpy as np

import quasistatic as qs
from quasistatic_plugins.groups.clustering import Clustering

MEMBERS = 16  # of a group that are drawn
MOST = 1000  # and of events that are no pictures
COLUMNS = 5

look = qs.pictures


def picture(run: qs.Run, found: Clustering, ending: str) -> bytes:
    """Encoded as the ending of the file has it."""
    count, source = found.found.count, run.source
    rows = -(-count // COLUMNS)
    figure = look.new_figure(2.2 * min(count, COLUMNS), 2.5 * rows)
    part = next(iter(source.event.parts()))
    is_picture = qs.sources.capability(source, qs.sources.AbstractPictures) is not None
    for number, axes in enumerate(figure.subplots(rows, min(count, COLUMNS), squeeze=False).ravel()):
        if number >= count:
            axes.set_axis_off()
            continue
        members = np.flatnonzero(found.groups == number)
        surest = members[np.argsort(-found.probabilities[members, number], kind="stable")][: MEMBERS if is_picture else MOST]
        axes.set_title(f"group {number}: {len(members)} events", fontsize=look.NORMAL, color=look.TEXT)
        if not len(surest):
            axes.set_axis_off()
            continue
        axes.set_prop_cycle(color=[look.DATA])
        look.draw_part(source, jax.tree.map(lambda leaf, surest=surest: leaf[surest], found.data.x), part, axes)
    return look.encode(figure, ending.lower().removeprefix("."))
