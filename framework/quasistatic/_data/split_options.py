"""Options that sources share."""

from __future__ import annotations

import attrs
from attrs.validators import ge

from quasistatic._plugins.options import option

MOST = 0.8  # of the events that may be held out


@attrs.frozen(kw_only=True)
class SplitOptions:
    """For sources that generate: the seed and the sizes of the splits. To inherit from."""

    seed: int = option(0, "fixes the splits")
    validation_events: int = option(2_000, "events of the validation split", ge(1))
    test_events: int = option(10_000, "events of the test split", ge(1))


@attrs.frozen(kw_only=True, slots=False)  # without slots it can stand beside another class to inherit from
class Shares:
    """For sources of stored data: how much of them is held out. To inherit from; a subclass may have other defaults."""

    validation_share: float = option(0.1, "share of the events in the validation split; 0: the last weights are kept", ge(0))
    test_share: float = option(0.2, "share of the events in the test split; 0: no such events, K is of validation events", ge(0))

    def __attrs_post_init__(self) -> None:
        if self.validation_share + self.test_share > MOST:
            raise ValueError(
                f"validation_share and test_share: expected at most {MOST} together, "
                f"got {self.validation_share} and {self.test_share}"
            )
