"""A letter is missing in the name of its hook."""

import quasistatic as qs


@qs.hookimpl
def quasistatic_componets():
    return []
