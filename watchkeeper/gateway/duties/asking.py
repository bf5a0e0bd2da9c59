"""What a modern server may ask of the user or the model: three kinds of request, inside the answers of three methods
(and of a task made by one), and only what the client said in this very request that it can do.

An answer that asks for more is withheld whole: a client that does not know sampling, say, may hand such a request to
whatever does (MCP 2026-07-28 basic/patterns/mrtr).
"""

from __future__ import annotations

from typing import Any

import msgspec

from watchkeeper.gateway.duties.model import Breach
from watchkeeper.protocol.message import CAPABILITIES_KEY, Message

RULE = "protocol.input-requests"

_MAY_ASK = frozenset({"tools/call", "prompts/get", "resources/read"})
_OF_A_TASK = frozenset({"tasks/get"})
_NEEDS = {"elicitation/create": "elicitation", "sampling/createMessage": "sampling", "roots/list": "roots"}


class _Asked(msgspec.Struct):
    method: str
    params: dict[str, Any] = {}


class _Result(msgspec.Struct, rename="camel"):
    result_type: Any = None
    input_requests: dict[str, _Asked] | None = None
    request_state: Any = None


class _Params(msgspec.Struct):
    meta: dict[str, Any] = msgspec.field(name="_meta", default_factory=dict)


_result = msgspec.json.Decoder(_Result).decode
_params = msgspec.json.Decoder(_Params).decode


def breach_in(request: Message, answer: Message) -> Breach | None:
    """What is wrong with the input that an answer asks for. None for answers that ask for none."""
    if not request.version:
        return None  # the older era's servers ask on streams, and such members mean nothing there
    try:
        result = _result(answer.result)
    except msgspec.MsgspecError:
        return Breach(RULE, "The server asked for input in a form that cannot be read.")
    asked = result.input_requests
    if result.result_type != "input_required" and asked is None:
        return None
    if request.method not in _MAY_ASK and not (request.method in _OF_A_TASK and asked is not None):
        return Breach(RULE, "The server asked for input in an answer where the protocol has no place for it.")
    return _breach_of(request, asked or {})


def flaw_in_news(request: Message, news: Message) -> str:
    """The same for a notification about a task, which may ask as the task's own result does."""
    try:
        asked = _result(news.params).input_requests
    except msgspec.MsgspecError:
        return "input asked for in a form that cannot be read"
    breach = _breach_of(request, asked) if asked else None
    return breach.reason if breach is not None else ""


def _breach_of(request: Message, asked: dict[str, _Asked]) -> Breach | None:
    able = _capabilities(request)
    for one in asked.values():
        if one.method not in _NEEDS:
            return Breach(RULE, "The server asked for something that is neither elicitation, sampling nor roots.")
        if not _is_able(able, one):
            need = _NEEDS[one.method]
            return Breach(RULE, f"The server asked for {need}, which the client did not offer in this request.")
    return None


def _capabilities(request: Message) -> dict[str, Any]:
    try:
        able = _params(request.params).meta.get(CAPABILITIES_KEY)
    except msgspec.MsgspecError:
        return {}
    return able if isinstance(able, dict) else {}


def _is_able(able: dict[str, Any], asked: _Asked) -> bool:
    ability = able.get(_NEEDS[asked.method])
    if not isinstance(ability, dict):
        return False
    if asked.method == "elicitation/create":
        mode = asked.params.get("mode", "form")
        return mode in ability or (mode == "form" and not ability)
    if asked.method == "sampling/createMessage" and ("tools" in asked.params or "toolChoice" in asked.params):
        return "tools" in ability
    return True
