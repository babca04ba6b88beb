"""Ends the program in a hook."""

import quasistatic as qs


@qs.hookimpl
def quasistatic_recipes():
    raise SystemExit("enough")
