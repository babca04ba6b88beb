"""Text: characters, bytes or tokens of your files, in windows."""

from __future__ import annotations

from typing import Literal

import attrs

import quasistatic as qs
from quasistatic.kits import sequences


@attrs.frozen(kw_only=True)
class TextOptions(sequences.SymbolChoices):
    """Windows of text: a file, a folder of .txt, the standard input (-), or by default what Python's help knows of its topics."""

    path: str = qs.option("", "the file or folder, - for the standard input; by default pydoc's topics", is_path=True)
    level: Literal["characters", "bytes", "tokens"] = qs.option("characters", "what a symbol is")
    tokenizer: str = qs.option(
        "", "a tokenizer.json of the library tokenizers, for level = 'tokens' (needs quasistatic[text])", is_path=True
    )
    fewest: int = qs.option(20, "characters that the text has less often are one symbol together, 'other'", attrs.validators.ge(1))

    encoding: str = qs.option("utf-8", "of the files, such as latin-1 or utf-16; one that is marked as UTF-8 is UTF-8")
    normalise: Literal["none", "nfc"] = qs.option("none", "nfc: one form for letters that Unicode writes in several ways")
    line_ends: Literal["keep", "unix"] = qs.option(
        "keep", "unix: one form, the line feed, for the line ends of Windows and of old Macs too"
    )

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        try:
            "".encode(self.encoding)
        except LookupError as error:
            raise ValueError(f"encoding: expected an encoding that Python knows, such as latin-1, got {self.encoding!r}") from error
        if self.level == "bytes" and (self.encoding, self.normalise, self.line_ends) != ("utf-8", "none", "keep"):
            raise ValueError('encoding, normalise and line_ends: with level = "bytes" the bytes are taken as they are')
        if (self.level == "tokens") != bool(self.tokenizer):
            raise ValueError('level and tokenizer: expected a file of a tokenizer where level = "tokens", and only there')


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    here = "quasistatic_plugins.text.source"
    repeats = "text has some passages more than once: its notes count them; Python's own help has more of them in some releases"
    return [
        qs.Component(
            "source",
            "text",
            TextOptions,
            build=f"{here}:build",
            restore=f"{here}:restore",
            expected_failures={"copies": repeats},
            references=("Witten & Bell 1991, The zero-frequency problem (the interpolated n-grams)",),
        )
    ]
