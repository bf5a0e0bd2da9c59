"""The `[detect]` section."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class DetectSettings(msgspec.Struct, frozen=True):
    """Which rules run, and how closely they follow the journal."""

    rules: Annotated[
        str,
        Meta(description="A folder with more Sigma rules, beside those that come with the product; empty for none."),
    ] = ""
    placeholders: Annotated[
        str,
        Meta(description="A folder of YAML files with what `%name%` stands for in rules; empty for none."),
    ] = ""
    poll_milliseconds: Annotated[
        int, Meta(description="Pause between two looks at the journal when there was nothing new.", ge=5, le=1000)
    ] = 25
    workers: Annotated[
        int,
        Meta(
            description="How many processes share detection: the watch, and others beside it. They find what one "
            "finds; when their number changes, what they remember is dealt out anew.",
            ge=1,
            le=32,
        ),
    ] = 1
    save_seconds: Annotated[
        float,
        Meta(
            description="Seconds between two saves of how far detection has come; what lies between is looked at again "
            "after a crash, and raises no alert twice.",
            gt=0,
        ),
    ] = 1.0
    lateness_seconds: Annotated[
        float,
        Meta(description="How late an event may come and still be counted in its own time by a correlation.", ge=0),
    ] = 5.0
    idle_seconds: Annotated[
        float,
        Meta(
            description="A log in which nothing has been written for so many seconds holds event time back no longer.",
            ge=0.1,
        ),
    ] = 5.0
    skew_seconds: Annotated[
        float,
        Meta(
            description="How far beyond the moment of its record an event's time is believed; what lies further ahead "
            "is taken as of that moment, and counted.",
            ge=0,
        ),
    ] = 60.0
    correlation_groups: Annotated[
        int,
        Meta(
            description="Groups that each correlation follows at once; what finds no place is told as an alert of it.",
            ge=1,
        ),
    ] = 50_000
    correlation_entries: Annotated[
        int,
        Meta(
            description="Events, values or numbers that a correlation keeps of one group; a condition that counts "
            "further is refused.",
            ge=1,
        ),
    ] = 10_000
    correlation_total: Annotated[int, Meta(description="The same of all groups of one correlation together.", ge=1)] = (
        1_000_000
    )
    correlation_waiting: Annotated[
        int,
        Meta(
            description="Matched events that may wait for event time to pass them; beyond that the oldest are dealt "
            "with at once, and counted.",
            ge=1,
        ),
    ] = 200_000
    window_seconds: Annotated[
        int,
        Meta(
            description="Matches of one rule about one thing within so many seconds of event time are one alert and a "
            "count; what is new in any respect is an alert of its own.",
            ge=1,
            le=86_400,
        ),
    ] = 900
    throttle_alerts: Annotated[
        int,
        Meta(
            description="Alerts that one rule may raise in a period; beyond, matches without anything new are counted "
            "and told as a count.",
            ge=1,
        ),
    ] = 100
    throttle_seconds: Annotated[
        int, Meta(description="Length of that period, in seconds of event time.", ge=1, le=86_400)
    ] = 3600
    baselines: Annotated[
        str,
        Meta(description="A folder with more baselines, beside those that come with the product; empty for none."),
    ] = ""
    baseline_subjects: Annotated[
        int,
        Meta(description="Principals, servers or tools that each baseline follows; those beyond are counted.", ge=1),
    ] = 20_000
