"""Fields of options classes."""

from __future__ import annotations

from typing import Any

import attrs


def option(default: Any = attrs.NOTHING, help: str = "", *validators: Any) -> Any:
    """A field of an options class, with its help text and `validators` of attrs. Without a default it must be given."""
    if callable(default) and default in (dict, list):
        return attrs.field(factory=default, validator=list(validators) or None, metadata={"help": help})
    return attrs.field(default=default, validator=list(validators) or None, metadata={"help": help})
