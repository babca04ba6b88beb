"""Fields of options classes."""

from __future__ import annotations

from typing import Any

import attrs


def option(default: Any = attrs.NOTHING, help: str = "", *validators: Any, **more: Any) -> Any:
    """A field of an options class of attrs, with its help text and `validators`; without a default it must be given.

    `more` goes to `attrs.field`, such as `factory=dict`.
    """
    return attrs.field(default=default, validator=list(validators) or None, metadata={"help": help}, **more)
