"""Offers a component whose description raises."""

import attrs

import quasistatic as qs


class Raising(type):
    @property
    def __doc__(cls):
        raise RuntimeError("no text today")


@attrs.frozen
class Options(metaclass=Raising):
    pass


@qs.hookimpl
def quasistatic_components():
    return [qs.Component("sampler", "untold", Options, build="raising_text:build")]
