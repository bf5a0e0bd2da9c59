"""What other systems were asked to do for an incident, what came of it, and what they say back."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, UnsetType

from watchkeeper.events.catalogue.kind import BY_ACTOR, DENIED, DONE, EITHER, FAILED, ON_TARGET, Body, Kind, says


class _Delivery(Body, frozen=True, kw_only=True):
    integration: Annotated[str, says("The integration's name in the settings.")]
    verb: Annotated[str, says("What it was asked for: `tell`, `trigger`, `create` …")]
    number: Annotated[str, says("The incident's number; empty where it is about none.")]
    attempts: Annotated[int, says("How often it was tried.", ge=1)]


class Taken(_Delivery, frozen=True, kw_only=True):
    """An errand that was carried."""

    said: Annotated[str, says("What the other system answered.")]
    reference: Annotated[str, says("Its own name for it: a queue id, a ticket's id, a commit; may be empty.")]
    verified: Annotated[bool, says("Whether it was looked at there; false where the protocol has no way.")]


class Unverified(_Delivery, frozen=True, kw_only=True):
    """An errand that was answered as if it were done, and is not there."""

    said: Annotated[str, says("What the other system answered, and what is wrong with it.")]
    reference: Annotated[str, says("Its own name for it; may be empty.")]


class Failed(_Delivery, frozen=True, kw_only=True):
    """An errand that was not carried."""

    why: Annotated[str, says("What went wrong.")]


class Suspended(Body, frozen=True, kw_only=True):
    """An integration that failed in a row."""

    integration: Annotated[str, says("Its name in the settings.")]
    why: Annotated[str, says("What went wrong last.")]


class Resumed(Body, frozen=True, kw_only=True):
    """An integration that works again."""

    integration: Annotated[str, says("Its name in the settings.")]


class Tested(Body, frozen=True, kw_only=True):
    """A marked message that somebody had sent."""

    integration: Annotated[str, says("Its name in the settings.")]
    said: Annotated[str, says("What the other system answered, or what went wrong.")]


class Reply(Body, frozen=True, kw_only=True):
    """What another system says that people did there."""

    integration: Annotated[str, says("Its name in the settings.")]
    message: Annotated[str, says("The message's id.")]
    incident: Annotated[str, says("The incident's number, as it names it.", max_length=64)]
    verb: Annotated[str, says("`acknowledge`, `resolve` or `comment`.", max_length=16)]
    claimed: Annotated[str, says("Who is said to have done it, unverified.")]
    comment: Annotated[str, says("What they wrote; may be empty.")]


class NoReply(Body, frozen=True, kw_only=True):
    """What came as a reply, and was not accepted as one."""

    integration: Annotated[str, says("By whose address it came.")]
    reason: Annotated[str, says("Why.")]
    passed_over: Annotated[int, says("So many before it were refused and not recorded.", ge=1)] | UnsetType = UNSET


_DRILL = ("exercise", "shadow")
KINDS = {
    "respond.delivery.taken": Kind(body=Taken, sets=ON_TARGET, outcomes=DONE, labels=_DRILL),
    "respond.delivery.unverified": Kind(body=Unverified, sets=ON_TARGET, outcomes=FAILED, labels=_DRILL),
    "respond.delivery.failed": Kind(body=Failed, sets=ON_TARGET, outcomes=FAILED, labels=_DRILL),
    "respond.delivery.abandoned": Kind(body=Failed, sets=ON_TARGET, outcomes=FAILED, labels=_DRILL),
    "respond.integration.suspended": Kind(body=Suspended, sets=ON_TARGET, outcomes=FAILED),
    "respond.integration.resumed": Kind(body=Resumed, sets=ON_TARGET, outcomes=DONE),
    "respond.integration.tested": Kind(body=Tested, sets=ON_TARGET, outcomes=EITHER),
    "respond.reply.heard": Kind(body=Reply, sets=BY_ACTOR, may=("target",), outcomes=DONE),
    "respond.reply.refused": Kind(body=NoReply, sets=("outcome",), outcomes=DENIED),
}
