"""Offers one name twice."""

import attrs

import quasistatic as qs


@attrs.frozen
class Options:
    """Nothing."""


@qs.hookimpl
def quasistatic_components():
    return [qs.Component("sampler", "twin", Options, build="twice:build")] * 2
