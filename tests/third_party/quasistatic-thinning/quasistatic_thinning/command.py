"""quasistatic photons"""

from __future__ import annotations

import click


@click.command()
@click.option("-n", "--number", type=click.IntRange(1), default=4, show_default=True, help="Number of events.")
def photons(number: int) -> None:
    """Draw photon counts from the toy lamp, one event a line."""
    from quasistatic_thinning import PhotonsOptions
    from quasistatic_thinning.source import Photons

    for event in Photons(PhotonsOptions()).split("test", number).x:
        click.echo(" ".join(str(int(count)) for count in event))
