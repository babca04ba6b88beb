"""Did you mean?"""

from __future__ import annotations

from collections.abc import Iterable


def close_match(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like `name`, if any does."""
    import difflib  # only ever needed on the way to an error message

    matches = difflib.get_close_matches(name, list(known), n=1)
    return matches[0] if matches else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """'; did you mean 'gaussian'?', or nothing."""
    match = close_match(name, known)
    return f"; did you mean {match!r}?" if match else ""
