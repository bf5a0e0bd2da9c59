"""The `[lake]` section."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Days = Annotated[int, Meta(ge=0, le=36_500)]


class LakeStoreSettings(msgspec.Struct, frozen=True):
    """How the object store of `lake.url` is reached: anything that speaks S3 with conditional PUT."""

    endpoint: Annotated[str, Meta(description="URL of an S3 service other than Amazon's; empty for Amazon's.")] = ""
    region: Annotated[str, Meta(description="The bucket's region.")] = "us-east-1"
    access_key: Annotated[
        str,
        Meta(description="Reference to the access key (`env:NAME`, `file:PATH`); empty: what the host provides."),
    ] = ""
    secret_key: Annotated[str, Meta(description="Reference to the secret key.")] = ""
    retries: Annotated[int, Meta(description="How often a failed request is repeated.", ge=0, le=20)] = 5
    timeout_seconds: Annotated[float, Meta(description="Longest that one request may take.", gt=0)] = 30.0


class RetentionSettings(msgspec.Struct, frozen=True):
    """Days that the lake keeps each class of events; 0 keeps for ever. A legal hold goes before."""

    traffic: Annotated[Days, Meta(description="What agents and servers did.")] = 90
    definition: Annotated[Days, Meta(description="What servers showed: definitions and pins.")] = 400
    detection: Annotated[Days, Meta(description="Alerts, incidents, playbooks, approvals and orders.")] = 400
    administration: Annotated[Days, Meta(description="Who changed what.")] = 1_100
    record: Annotated[Days, Meta(description="What journal and lake say about themselves.")] = 0
    tenants: Annotated[
        dict[str, dict[str, Days]],
        Meta(description="Other days for one tenant: tenant → class → days; what it does not name is as above."),
    ] = {}


class LakeSettings(msgspec.Struct, frozen=True):
    """Where the lake lies, how often it is filled, when it is tidied, and how long it keeps what."""

    url: Annotated[
        str,
        Meta(
            description="`s3://BUCKET/PREFIX` to keep the table in an object store; empty: in the data folder.",
            pattern=r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._=-]+)*/?)?$",
        ),
    ] = ""
    store: Annotated[LakeStoreSettings, Meta(description="How the object store is reached; unused without `url`.")] = (
        LakeStoreSettings()
    )
    flush_seconds: Annotated[
        float,
        Meta(
            description="Longest that a record waits for a commit; until then it is answered from the journal.",
            gt=0,
        ),
    ] = 30.0
    flush_rows: Annotated[
        int, Meta(description="Rows of a commit; as soon as so many wait, they are committed.", ge=1, le=100_000)
    ] = 10_000
    compact_commits: Annotated[
        int,
        Meta(
            description="Commits after which small files are merged and a checkpoint is written.",
            ge=2,
            le=300,
        ),
    ] = 100
    compact_megabytes: Annotated[
        int, Meta(description="Size of a merged file, compressed; bounds what a merge rewrites.", ge=1, le=1024)
    ] = 32
    sort_megabytes: Annotated[
        int,
        Meta(
            description="Largest day of a class, compressed, that is sorted by server, target and time once it is over;"
            " 0 sorts none. Sorting takes up to eight times as much memory.",
            ge=0,
            le=65_536,
        ),
    ] = 128
    grace_hours: Annotated[
        int,
        Meta(description="Hours that a replaced file stays for queries that began before it was replaced.", ge=0),
    ] = 1
    retention: Annotated[RetentionSettings, Meta(description="How long each class of events is kept.")] = (
        RetentionSettings()
    )
