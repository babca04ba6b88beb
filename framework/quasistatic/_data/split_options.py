"""Options that sources share."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class SplitOptions:
    """For sources that generate: the seed and the sizes of the splits. To inherit from."""

    seed: int = attrs.field(default=0, metadata={"help": "fixes the splits"})
    validation_events: int = attrs.field(
        default=2_000, validator=attrs.validators.ge(1), metadata={"help": "events of the validation split"}
    )
    test_events: int = attrs.field(default=10_000, validator=attrs.validators.ge(1), metadata={"help": "events of the test split"})
