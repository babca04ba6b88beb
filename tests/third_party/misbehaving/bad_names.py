"""Offers a command whose name cannot be typed."""

import quasistatic as qs


@qs.hookimpl
def quasistatic_commands():
    return [qs.Command("--help me", "Help.", "bad_names:command")]
