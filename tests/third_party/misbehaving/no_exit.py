"""Takes sys.exit away from everybody."""

import sys

import quasistatic as qs

sys.exit = print


@qs.hookimpl
def quasistatic_components():
    return []
