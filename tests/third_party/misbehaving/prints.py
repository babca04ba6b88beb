"""Healthy, but talkative: it prints when it is imported and when it is asked."""

import quasistatic as qs

print("a banner that nobody asked for")


@qs.hookimpl
def quasistatic_components():
    print("no components today")
    return []
