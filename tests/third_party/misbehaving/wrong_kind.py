"""Invents a kind of component."""

import attrs

import quasistatic as qs


@attrs.frozen
class Options:
    """Nothing."""


@qs.hookimpl
def quasistatic_components():
    return [qs.Component("engine", "warp", Options, build="wrong_kind:build")]
