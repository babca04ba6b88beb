"""Uses a later hook where there is one: nothing is wrong with it."""

import quasistatic as qs


@qs.hookimpl(optionalhook=True)
def quasistatic_launch_everything():
    return []
