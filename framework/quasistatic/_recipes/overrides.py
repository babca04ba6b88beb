"""Settings: texts such as 'training.updates=3000', to dotted paths with values and back."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from quasistatic.errors import RecipeError

Overrides = Iterable[str] | Mapping[str, Any]


def override_pairs(overrides: Overrides) -> list[tuple[str, Any]]:
    """Dotted paths and TOML values. Raises RecipeError for texts that are no settings."""
    if isinstance(overrides, Mapping):
        return list(overrides.items())
    pairs = [text.partition("=") for text in overrides]
    wrong = ["".join(pair) for pair in pairs if not (pair[1] and pair[0].strip())]
    if wrong:
        raise RecipeError([f"{text}: expected section.option=value, such as training.updates=3000" for text in wrong])
    return [(key.strip(), _value(text.strip())) for key, _, text in pairs]


def as_override(path: str, value: Any) -> str:
    """The text of a setting: a plain word as it is, all else as TOML."""
    is_word = isinstance(value, str) and re.fullmatch(r"[A-Za-z./~][\w./~-]*|[,.]", value) and _value(value) == value
    return f"{path}={value if is_word else json.dumps(value, ensure_ascii=False)}"


def _value(text: str) -> Any:
    """A TOML value, or the bare text where it is not one."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError, ValueError):
        return text
    return parsed["value"] if len(parsed) == 1 else text
