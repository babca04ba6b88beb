"""Asks for an argument that the hook does not have."""

import quasistatic as qs


@qs.hookimpl
def quasistatic_components(registry):
    return []
