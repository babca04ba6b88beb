"""Takes the name of a built-in kernel, and brings a sampler of its own."""

import attrs

import quasistatic as qs


@attrs.frozen
class Options:
    """Another kernel called gaussian."""


@qs.hookimpl
def quasistatic_components():
    return [
        qs.Component("kernel", "gaussian", Options, build="shadows_gaussian:build"),
        qs.Component("sampler", "own", Options, build="shadows_gaussian:build"),
    ]
