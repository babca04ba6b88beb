"""What can go wrong, as exceptions whose messages a person can act on.

A message says what, where (a dotted path or Class.field), the value found, what would be accepted, and the next
command. The command line maps them to exit codes: 2 for what the user gave (a recipe, a file, a plugin, a checkpoint,
an argument), 1 for what failed on the way (a diverged training, a full disk).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar


class QuasistaticError(Exception):
    """Base of every error that this library raises on purpose. Pickled it is whole, whatever its constructor takes."""

    exit_code: ClassVar[int] = 1

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (type(self), *self.args), self.__dict__


def _unpickled(kind: type[QuasistaticError], *args: Any) -> QuasistaticError:
    """An error with these `args`, which are what it says; its constructor is not called, as it may take something else."""
    return kind.__new__(kind, *args)


class InputError(QuasistaticError):
    """Something that the user gave cannot be used."""

    exit_code: ClassVar[int] = 2


class RecipeError(InputError):
    """A recipe has problems; all of them are in `problems`, each with its dotted path."""

    def __init__(self, problems: Sequence[str]):
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class ComponentNotFound(InputError):
    """No loaded plugin provides a component of this kind and name."""


class ComponentConflict(InputError):
    """Two plugins provide the same kind and name."""


class PluginError(InputError):
    """A plugin that is needed is broken, blocked or incompatible."""


class IncompatibleError(InputError):
    """Two choices that cannot work together, named, with choices that would fit."""


class DataError(InputError):
    """A data file or array that cannot be used, and why."""


class RunError(InputError):
    """A run folder that cannot be used in this way."""


class CheckpointError(InputError):
    """A checkpoint that is damaged, incomplete or of another model."""


class ArithmeticFault(QuasistaticError):
    """The installed jax computes wrong values on this machine."""

    # keeps XLA from handing operations on a CPU to a library that it uses wrongly; set to nothing
    flag: ClassVar[str] = "--xla_cpu_experimental_ynn_fusion_type"


class TrainingDiverged(QuasistaticError):
    """A loss or a parameter stopped being finite at this `update`."""

    def __init__(self, update: int, message: str):
        self.update = update
        super().__init__(message)


def printable(text: str) -> str:
    r"""Text without characters that a terminal or a page would obey, such as \u001b: names in files may hold them."""
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\u{ord(c):04x}" for c in text)


def one_line(error: BaseException) -> str:
    """'KeyError: x', in one line of at most some 300 characters."""
    try:
        text = " ".join(str(error).split())
    except BaseException:  # a foreign error may fail at this too, and end the program if it likes
        text = ""
    return f"{type(error).__name__}: {text:.300}".removesuffix(": ")


def close_match(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like `name`, if any does."""
    import difflib  # only ever needed on the way to an error message

    matches = difflib.get_close_matches(name, list(known), n=1)
    return matches[0] if matches else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """'; did you mean 'gaussian'?', or nothing."""
    match = close_match(name, known)
    return f"; did you mean {match!r}?" if match else ""
