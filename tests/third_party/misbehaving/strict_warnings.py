"""Healthy, but wants every warning of the program to be an error."""

import warnings

import quasistatic as qs

warnings.simplefilter("error")


@qs.hookimpl
def quasistatic_components():
    return []
