"""The settings of response."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from watchkeeper.respond.integrations.settings import IntegrationSettings
from watchkeeper.respond.oncall.settings import OncallSettings


class RespondSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[respond]`"""

    enabled: Annotated[bool, Meta(description="Whether playbooks run; incidents are opened in any case.")] = True
    window_seconds: Annotated[
        int,
        Meta(ge=1, description="An alert joins an incident of the same server whose last alert is younger than this."),
    ] = 3600
    pre_authorised: Annotated[
        tuple[str, ...],
        Meta(
            description="Reversible actions that playbooks carry out without asking; `*` for all of them. "
            "Others wait for a responder. What cannot be undone always waits for a person."
        ),
    ] = ("*",)
    playbooks: Annotated[
        str, Meta(description="A folder with your own playbooks, loaded beside the built-in ones; empty for none.")
    ] = ""
    integrations: Annotated[
        dict[str, IntegrationSettings],
        Meta(description="Other systems that are told, paged and asked, by name; see `[respond.integrations.NAME]`."),
    ] = {}
    oncall: Annotated[
        OncallSettings,
        Meta(description="Who is paged for incidents, as `[respond.oncall]`: see docs/guides/on-call.md."),
    ] = OncallSettings()
    spare: Annotated[
        bool,
        Meta(
            description="Whether `up` has a second watch process stand by, with everything imported, so that playbooks "
            "go on within a second or so when the watch dies. It needs about 140 MB."
        ),
    ] = True
