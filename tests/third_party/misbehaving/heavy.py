"""Healthy, but imports jax when it is loaded."""

import jax  # noqa: F401
