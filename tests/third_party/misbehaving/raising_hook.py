"""Provides a component, then fails in another hook."""

import attrs

import quasistatic as qs


@attrs.frozen
class Options:
    """A sampler that is never seen."""


@qs.hookimpl
def quasistatic_components():
    return [qs.Component("sampler", "half", Options, build="raising_hook:build")]


@qs.hookimpl
def quasistatic_commands():
    raise RuntimeError("no\ncommands   today")
