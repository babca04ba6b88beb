"""Changes the working folder when it is imported."""

import os

import quasistatic as qs

os.chdir(os.sep)


@qs.hookimpl
def quasistatic_components():
    return []
