"""Windows of a recording or a time series."""

from pathlib import Path

import attrs

import quasistatic as qs

at_least_one = attrs.validators.ge(1)


@attrs.frozen
class WindowsOptions:
    """Pieces of equal length of a recording (.wav) or a time series (.csv), centred and scaled by one constant."""

    path: str = qs.option(help="a .wav or .csv file")
    column: str = qs.option("", "which column of a .csv that has several")
    length: int = qs.option(64, "samples of a window", at_least_one)
    hop: int = qs.option(64, "samples from a window to the next", at_least_one)
    seed: int = qs.option(0, "fixes which blocks of the file are in which split", attrs.validators.ge(0))


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [qs.Component("source", "windows", WindowsOptions, "quasistatic_windows.source:Windows")]


@qs.hookimpl
def quasistatic_recipes() -> list[qs.NamedRecipe]:
    summary = "pieces of a recording: quasistatic run my.wav"
    return [qs.NamedRecipe("windows", "quasistatic_windows", "windows.toml", summary, opens=(".wav",), accepts=accepts)]


def accepts(path: Path) -> bool | str:
    """Whether a file is a recording, by its first bytes."""
    return qs.files.read_head(path, 12)[8:] == b"WAVE" or "it is no .wav file"
