"""The heartbeat: sequences of bits with one pulse every few bins."""

from __future__ import annotations

import attrs

import quasistatic as qs

at_least_one = attrs.validators.ge(1)


@attrs.frozen
class HeartbeatOptions:
    """A pulse every few bins, the first one anywhere in the first period: as many sequences as a period has bins."""

    period: int = qs.option(5, "bins from one pulse to the next", at_least_one)
    length: int = qs.option(20, "bins of a sequence", at_least_one)
    seed: int = qs.option(0, "fixes the splits")
    validation_events: int = qs.option(500, "sequences of the validation split", at_least_one)
    test_events: int = qs.option(2_000, "sequences of the test split", at_least_one)


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
