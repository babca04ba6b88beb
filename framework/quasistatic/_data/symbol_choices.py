"""How strings of symbols become events: options that sources of them share, light to import."""

from __future__ import annotations

import attrs
from attrs.validators import ge, gt


@attrs.frozen(kw_only=True)
class SymbolChoices:
    """For sources of sequences of symbols. To inherit from."""

    length: int = attrs.field(default=64, validator=ge(1), metadata={"help": "symbols of an event"})
    validation_share: float = attrs.field(
        default=0.1, validator=gt(0), metadata={"help": "share of the data in the validation split"}
    )
    test_share: float = attrs.field(default=0.1, validator=gt(0), metadata={"help": "share of the data in the test split"})

    def __attrs_post_init__(self) -> None:
        if self.validation_share + self.test_share > 0.8:
            raise ValueError(
                f"validation_share and test_share: expected at most 0.8 together, got {self.validation_share} and {self.test_share}"
            )
