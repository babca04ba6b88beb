"""quasistatic photons"""

from __future__ import annotations

import click

from quasistatic.cli import parts


@click.command()
@parts.number_option(4, "Number of events.")
def photons(number: int) -> None:
    """Draw photon counts from the toy lamp, one event a line."""
    from quasistatic_thinning import PhotonsOptions
    from quasistatic_thinning.source import Photons

    for event in Photons(PhotonsOptions()).split("test", number).x:
        parts.echo(" ".join(str(int(count)) for count in event))
