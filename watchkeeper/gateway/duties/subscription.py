"""What a subscription's stream may carry: the acknowledgement first, then only what it acknowledged and the client
asked for, each message with the subscription's id.

A notification that a client did not ask for is one it may not expect to be read by its model; one without the id could
belong to anybody's subscription (MCP 2026-07-28 basic/patterns/subscriptions). What extensions announce under names of
their own passes.
"""

from __future__ import annotations

from typing import Any

import msgspec

from watchkeeper.gateway.duties import asking
from watchkeeper.protocol.message import Message

METHOD = "subscriptions/listen"
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
ID_KEY = "io.modelcontextprotocol/subscriptionId"

_OPTED_IN_BY = {
    "notifications/tools/list_changed": "toolsListChanged",
    "notifications/prompts/list_changed": "promptsListChanged",
    "notifications/resources/list_changed": "resourcesListChanged",
    "notifications/resources/updated": "resourceSubscriptions",
    "notifications/tasks": "taskIds",
}
_OF_REQUESTS = frozenset({"notifications/progress", "notifications/message", "notifications/cancelled"})
"""Belong to the stream of the request they are about."""


class _Params(msgspec.Struct):
    meta: dict[str, Any] = msgspec.field(name="_meta", default_factory=dict)
    notifications: dict[str, Any] = {}


_params = msgspec.json.Decoder(_Params).decode


class Subscription:
    """One, from its request to its end."""

    def __init__(self, request: Message) -> None:
        self._request = request
        self._wanted = _read(request).notifications
        self._granted: dict[str, Any] | None = None

    def flaw_in(self, message: Message) -> str:
        """Why a message of the server has no place here; empty when it has one."""
        said = _read(message)
        named = said.meta.get(ID_KEY)
        if type(named) is not type(self._request.id) or named != self._request.id:
            return "a message without its subscription's id"
        if message.method == ACKNOWLEDGED:
            if self._granted is not None:
                return "a second acknowledgement"
            self._granted = said.notifications
            return ""
        if self._granted is None:
            return "a message before the subscription was acknowledged"
        if message.method in _OF_REQUESTS:
            return "a message that belongs to another request"
        member = _OPTED_IN_BY.get(message.method)
        if member is not None and not (self._wanted.get(member) and self._granted.get(member)):
            return "a message that the client did not ask for"
        return asking.flaw_in_news(self._request, message)


def _read(message: Message) -> _Params:
    try:
        return _params(message.params)
    except msgspec.MsgspecError:
        return _Params()
