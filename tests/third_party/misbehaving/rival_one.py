"""Offers a sampler and a command that another plugin offers too."""

import attrs

import quasistatic as qs


@attrs.frozen
class Options:
    """A disputed sampler."""


@qs.hookimpl
def quasistatic_components():
    return [qs.Component("sampler", "disputed", Options, build="rival_one:build")]


@qs.hookimpl
def quasistatic_commands():
    return [qs.Command("quarrel", "Quarrel.", "rival_one:quarrel")]
