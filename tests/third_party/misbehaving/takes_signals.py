"""Takes Ctrl-C away from everybody."""

import signal

import quasistatic as qs

signal.signal(signal.SIGINT, signal.SIG_IGN)


@qs.hookimpl
def quasistatic_components():
    return []
