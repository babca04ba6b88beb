"""Observers that raise when they are called, or when they are built."""

from typing import Literal

import attrs

import quasistatic as qs


@attrs.frozen
class Options:
    """Fails on one occasion."""

    when: Literal["build", "start", "progress", "validation", "finish"] = qs.option("progress", "occasion of the failure")
    exits: bool = qs.option(False, "whether it fails by ending the program")
    every: int = qs.option(1, "nothing, but a plugin of others has it too", attrs.validators.ge(1))


class Raising(qs.AbstractObserver):
    def __init__(self, options, out):
        self.options = options
        self._fail("build")

    def start(self, info):
        self._fail("start")

    def progress(self, update, metrics):
        metrics.clear()  # changes of the metrics stay here
        self._fail("progress")

    def validation(self, update, ledger, diffusion):
        self._fail("validation")

    def finish(self, update, reason):
        self._fail("finish")

    def _fail(self, occasion):
        if occasion == self.options.when:
            raise SystemExit(4) if self.options.exits else KeyError(occasion)


@qs.hookimpl
def quasistatic_observers():
    return [qs.Component("observer", "raising", Options, Raising)]
