"""How strings of symbols become events: options that sources of them share, light to import."""

from __future__ import annotations

import attrs
from attrs.validators import ge, gt

import quasistatic as qs


@attrs.frozen(kw_only=True)
class SymbolChoices(qs.Shares):
    """For sources of sequences of symbols. To inherit from."""

    length: int = qs.option(64, "symbols of an event", ge(1))
    validation_share: float = qs.option(0.1, "share of the data in the validation split", gt(0))
    test_share: float = qs.option(0.1, "share of the data in the test split", gt(0))
