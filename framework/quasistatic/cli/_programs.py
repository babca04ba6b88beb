"""Which programs jax compiles while a command runs: what `run --trace-programs` lists."""

from __future__ import annotations

import contextlib
import logging
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import attrs

from quasistatic.cli.parts import echo

# jax names what it compiles, and the types of its inputs, nowhere but in its log
_LOG = "jax._src.interpreters.pxla"
_COMPILED, _READ = "/jax/core/compile/backend_compile_duration", "/jax/compilation_cache/cache_hits"
_TYPE = re.compile(r"ShapedArray\(([^)]*)\)")
SHOWN = 6  # types of inputs at most


@attrs.define
class Program:
    """One program: its name, its inputs as 'float32[32,6]', the seconds that it took, and whether it was read from disk."""

    name: str
    inputs: tuple[str, ...]
    seconds: float = 0.0
    is_read: bool = False


class Programs(logging.Handler):
    """All programs that are compiled, or read from disk, while it listens; in `found`, in their order.

    What this process has compiled before does not count.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: list[Program] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg.startswith("Compiling ") and isinstance(record.args, tuple) and len(record.args) > 1:
            self.found.append(Program(str(record.args[0]), tuple(_TYPE.findall(str(record.args[1])))))

    def timed(self, event: str, duration_secs: float, **_: Any) -> None:
        """A listener to how long jax takes for something."""
        if event == _COMPILED and self.found:
            self.found[-1].seconds = duration_secs

    def counted(self, event: str, **_: Any) -> None:
        """A listener to what happens in jax."""
        if event == _READ and self.found:
            self.found[-1].is_read = True

    def lines(self) -> Iterator[str]:
        """What was compiled, and the types that it was compiled for: a program is one for each name and types of its inputs."""
        compiled = [program for program in self.found if not program.is_read]
        took = sum(program.seconds for program in compiled)
        yield f"{len(compiled)} programs compiled in {took:.1f} s, {len(self.found) - len(compiled)} read from disk"
        for program in compiled:
            kinds = Counter(program.inputs)
            most = sorted(kinds, key=len, reverse=True)[:SHOWN]  # those with axes
            more = " ..." if len(kinds) > len(most) else ""
            yield f"  {program.seconds:6.2f} s  {program.name}: {' '.join(sorted(most, key=program.inputs.index))}{more}"


@contextlib.contextmanager
def listening_to_programs() -> Iterator[Programs]:
    """The programs of what is done inside."""
    from jax import monitoring

    programs, log = Programs(), logging.getLogger(_LOG)
    before = log.level, log.propagate
    log.addHandler(programs)
    log.setLevel(logging.DEBUG)
    log.propagate = False
    monitoring.register_event_duration_secs_listener(programs.timed)
    monitoring.register_event_listener(programs.counted)
    try:
        yield programs
    finally:
        log.removeHandler(programs)
        log.level, log.propagate = before
        monitoring.unregister_event_duration_listener(programs.timed)
        monitoring.unregister_event_listener(programs.counted)


@contextlib.contextmanager
def traced(wanted: bool) -> Iterator[None]:
    """With --trace-programs: the programs of what is done inside, on stderr, also where it ends with an error."""
    if not wanted:
        yield
        return
    with listening_to_programs() as programs:
        try:
            yield
        finally:
            for line in programs.lines():
                echo(line, err=True)
