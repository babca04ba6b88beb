"""Healthy, but imports jax when it is loaded."""

import jax  # noqa: F401

import quasistatic as qs


@qs.hookimpl
def quasistatic_components():
    return []
