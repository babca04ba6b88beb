"""Offers a component whose module changes a flag of jax."""

import attrs

import quasistatic as qs


@attrs.frozen
class Options:
    """A sampler that is never built."""


@qs.hookimpl
def quasistatic_components():
    return [qs.Component("sampler", "flagged", Options, build="jax_flags:build")]
