"""The heartbeat: sequences of bits with one pulse every few bins."""

from __future__ import annotations

import attrs

import quasistatic as qs

at_least_one = attrs.validators.ge(1)


@attrs.frozen
class HeartbeatOptions:
    """A pulse every few bins, the first one anywhere in the first period: as many sequences as a period has bins."""

    period: int = attrs.field(default=5, validator=at_least_one, metadata={"help": "bins from one pulse to the next"})
    length: int = attrs.field(default=20, validator=at_least_one, metadata={"help": "bins of a sequence"})
    seed: int = attrs.field(default=0, metadata={"help": "fixes the splits"})
    validation_events: int = attrs.field(
        default=500, validator=at_least_one, metadata={"help": "sequences of the validation split"}
    )
    test_events: int = attrs.field(default=2_000, validator=at_least_one, metadata={"help": "sequences of the test split"})


@qs.hookimpl
def quasistatic_components() -> list[qs.Component]:
    return [
        qs.Component(
            "source",
            "heartbeat",
            HeartbeatOptions,
            build="quasistatic_plugins.heartbeat.source:Heartbeat",
            references=("Sohl-Dickstein et al. 2015, section 3.1.2",),
        )
    ]
