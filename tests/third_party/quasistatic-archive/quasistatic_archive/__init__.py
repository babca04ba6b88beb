"""A command that writes samples of a run as plain numbers."""

import quasistatic as qs


@qs.hookimpl
def quasistatic_commands() -> list[qs.Command]:
    return [qs.Command("archive", "Write samples of a run as .npy or .csv.", "quasistatic_archive.command:archive")]
