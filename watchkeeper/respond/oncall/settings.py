"""`[respond.oncall]`: people, rotas, and who is called when nobody answers."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Word = Literal["informational", "low", "medium", "high", "critical"]


class ChannelSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[respond.oncall.channels.NAME]`."""

    url: Annotated[str, Meta(description="Where a page is posted to, signed as Standard Webhooks says.")] = ""
    secret: Annotated[
        str, Meta(description="The secret that signs, by reference: `env:NAME` or `file:PATH`; `whsec_…`.")
    ] = ""
    integration: Annotated[
        str, Meta(description="Instead of a URL: the name of an integration (pager, chat, mail) that carries pages.")
    ] = ""


class PersonSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[respond.oncall.people.NAME]`, by the operator's name."""

    channels: Annotated[tuple[str, ...], Meta(description="Names of the channels; a page goes to all of them.")]
    zone: Annotated[str, Meta(description="Their time zone, such as `Europe/Berlin`.")] = "UTC"
    quiet: Annotated[
        tuple[str, ...], Meta(description='When they sleep, in their time zone: `["mon-sun 22:00-07:00"]`.')
    ] = ()
    quiet_below: Annotated[
        Literal["medium", "high", "critical"],
        Meta(description="In quiet hours, what is less severe waits; critical never does."),
    ] = "high"


class LayerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of `layers`."""

    people: Annotated[tuple[str, ...], Meta(description="Who takes turns, in this order.", min_length=1)]
    every: Annotated[Literal["day", "week"], Meta(description="Whether turns are days or weeks.")] = "week"
    length: Annotated[int, Meta(description="How many of them a turn lasts.", ge=1, le=52)] = 1
    handover: Annotated[
        str, Meta(description="When a turn ends, in the rota's time zone: `mon 09:00`; for days `09:00`.")
    ] = "mon 09:00"
    start: Annotated[str, Meta(description="The first turn begins on the first such day from this date on.")] = (
        "2024-01-01"
    )
    hours: Annotated[
        tuple[str, ...], Meta(description='When the layer counts, else always: `["mon-fri 09:00-17:00"]`.')
    ] = ()


class RotaSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[respond.oncall.rotas.NAME]`."""

    layers: Annotated[
        tuple[LayerSettings, ...],
        Meta(description="People who take turns; a later layer stands above the earlier ones.", min_length=1),
    ]
    zone: Annotated[str, Meta(description="The time zone of handovers, hours and holidays.")] = "UTC"
    holidays: Annotated[
        dict[str, str], Meta(description='Day → who is on call on it: `{ "2026-12-25" = "ann" }`.')
    ] = {}


class LevelSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of `levels`."""

    page: Annotated[
        tuple[str, ...], Meta(description="Who is paged: `rota:NAME` or `person:NAME`, all at once.", min_length=1)
    ]
    after_minutes: Annotated[
        float, Meta(description="How long after the level before, while nobody acknowledges.", ge=0, le=1440)
    ] = 10.0


class OncallSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[respond.oncall]`."""

    people: Annotated[
        dict[str, PersonSettings], Meta(description="Who can be called, as `[respond.oncall.people.NAME]`.")
    ] = {}
    channels: Annotated[
        dict[str, ChannelSettings],
        Meta(description="Where people are reached, as `[respond.oncall.channels.NAME]`."),
    ] = {}
    rotas: Annotated[
        dict[str, RotaSettings], Meta(description="Who takes turns, as `[respond.oncall.rotas.NAME]`.")
    ] = {}
    levels: Annotated[
        tuple[LevelSettings, ...],
        Meta(description="Who is paged in turn while nobody acknowledges; without any: every rota, at once."),
    ] = ()
    repeats: Annotated[int, Meta(description="How often all levels are gone through again.", ge=0, le=10)] = 1
    fallback: Annotated[
        tuple[str, ...],
        Meta(description="Who is paged when all levels were silent: `person:NAME`; again, until one acknowledges."),
    ] = ()
    fallback_minutes: Annotated[
        float, Meta(description="How long after the last level the fallback is paged, and how often.", ge=1, le=1440)
    ] = 30.0
    page_from: Annotated[
        Word, Meta(description="The least severity that pages anybody; what is below waits for the handover.")
    ] = "medium"
    escalate_from: Annotated[
        Literal["medium", "high", "critical"],
        Meta(description="The least severity for which the next level is paged when nobody acknowledges."),
    ] = "high"
    most_pages: Annotated[
        int,
        Meta(
            description="Pages to one person within `window_minutes`; more are told in one. Escalations and what is "
            "critical do not count.",
            ge=1,
        ),
    ] = 10
    window_minutes: Annotated[float, Meta(description="See `most_pages`.", ge=1, le=1440)] = 10.0
