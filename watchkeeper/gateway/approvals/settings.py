"""`[approvals]`: how long a call waits for a person, how long a request and a grant are good for, and how many wait."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from watchkeeper.gateway.approvals.channels import WebhookSettings


class ApprovalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[approvals]`."""

    wait_seconds: Annotated[
        float,
        Meta(description="A call that a person must approve is held this long; then it is told to come again.", ge=0),
    ] = 20.0
    request_seconds: Annotated[
        int, Meta(description="A request waits this long for people, unless the policy's `@expires` is shorter.", ge=1)
    ] = 3600
    grant_seconds: Annotated[
        int, Meta(description="An approved call must come within; never longer than the policy's `@expires`.", ge=1)
    ] = 600
    denial_seconds: Annotated[
        int, Meta(description="The same call is not asked for again so long after a person denied it.", ge=0)
    ] = 900
    most_per_principal: Annotated[
        int, Meta(description="Requests that one client may have open; more are denied.", ge=1)
    ] = 20
    most: Annotated[int, Meta(description="Requests that may be open in all; more are denied.", ge=1)] = 500
    webhooks: Annotated[
        dict[str, WebhookSettings],
        Meta(description="Other systems that are told and may decide, as `[approvals.webhooks.NAME]`."),
    ] = {}
