"""One MCP message: its exact bytes, and the few fields that decisions are made of.

Members we do not know are neither read nor lost: what is forwarded is `raw`. Everything here is computed from the body;
headers that mirror it are compared elsewhere (`protocol.headers`).
"""

from __future__ import annotations

import unicodedata
from typing import Any, Literal

import msgspec

from watchkeeper.protocol.errors import INVALID_PARAMS, INVALID_REQUEST, BadMessage
from watchkeeper.protocol.json import read_strictly

Kind = Literal["request", "notification", "response", "error"]

VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
"""Where a modern request says its version, in `params._meta`."""
CLIENT_KEY = "io.modelcontextprotocol/clientInfo"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"

URL_REQUIRED = -32042
"""The older era's error by which a server wants an address opened. Read where it comes, never written by us."""
NAMED_BY = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "resources/subscribe": "uri",
    "resources/unsubscribe": "uri",
    "tasks/get": "taskId",
    "tasks/result": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}
"""The member of `params` that names what a request is about."""
NAMELESS = frozenset(NAMED_BY) - {"tools/call", "prompts/get", "resources/read"}
"""Methods an era or a server may not have: one that lacks its name is still the server's to refuse."""

_ENVELOPE = frozenset({"jsonrpc", "id", "method", "params", "result", "error"})
_PARAMS = frozenset(
    {"_meta", "name", "arguments", "uri", "taskId", "cursor", "requestId", "inputResponses", "requestState"}
)
_META = frozenset({"progressToken", VERSION_KEY, CLIENT_KEY, CAPABILITIES_KEY})
_RESULT = frozenset(
    {"_meta", "content", "structuredContent", "isError", "resultType", "inputRequests", "requestState", "instructions"}
    | {"tools", "prompts", "resources", "resourceTemplates", "contents", "messages", "nextCursor", "task", "taskId"}
)
_ERROR = frozenset({"code", "message", "data"})
_OPEN = frozenset({"inputRequests", "task", "taskId"})


def _folded(name: str) -> str:
    return (
        unicodedata.normalize("NFKC", name).upper().casefold().replace("\u0307", "")
    )  # Java takes a dotless i for an i


_FOLDED = {names: frozenset(map(_folded, names)) for names in (_ENVELOPE, _PARAMS, _META, _RESULT, _ERROR)}


class Message(msgspec.Struct, frozen=True):
    """A parsed message; empty bytes or text where it has no such part."""

    raw: bytes
    """Exactly what was received, and what is forwarded."""
    kind: Kind
    method: str = ""
    id: int | str | None = None
    """None for notifications, and for an error whose sender could not read the request's id."""
    params: bytes = b""
    """Raw JSON of `params`."""
    name: str = ""
    """Tool or prompt name, resource URI or task id; see `NAMED_BY`."""
    arguments: bytes = b""
    """Raw JSON of `params.arguments`."""
    result: bytes = b""
    error: bytes = b""
    version: str = ""
    """The protocol version the message names in its own `_meta`; only modern messages do."""
    client: str = ""
    """What the client calls itself (`clientInfo.name`): for display, never for a decision."""
    trace: str = ""
    """`traceparent` of its `_meta`, as sent."""
    failure: int | str = ""
    """How an answer failed: an error's code, `tool_error` for a tool's result that says so; empty when it did not."""
    is_open: bool = False
    """A result that is not the end of it: it asks for input, or is or makes a task."""


class _Envelope(msgspec.Struct):
    params: msgspec.Raw = msgspec.Raw()
    result: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


class _Params(msgspec.Struct):
    arguments: msgspec.Raw = msgspec.Raw()


_envelope = msgspec.json.Decoder(_Envelope).decode
_params = msgspec.json.Decoder(_Params).decode


def parse_message(raw: bytes) -> Message:
    """The one message in `raw`. Raises `BadMessage`, with the JSON-RPC code and the id where one could be read."""
    tree = read_strictly(raw)
    if type(tree) is not dict:
        what = "batches are not accepted" if type(tree) is list else "a message is a JSON object"
        raise BadMessage(what, rpc_code=INVALID_REQUEST)
    request_id = _id_of(tree)
    try:
        return _read(raw, tree, request_id)
    except BadMessage as error:
        error.request_id = request_id
        raise


def _read(raw: bytes, tree: dict[str, Any], request_id: int | str | None) -> Message:
    _refuse_look_alikes(tree, _ENVELOPE)
    if tree.get("jsonrpc") != "2.0":
        raise BadMessage('"jsonrpc" must be "2.0"')
    if "method" in tree:
        return _read_call(raw, tree, request_id)
    has_result, has_error = "result" in tree, "error" in tree
    if has_result == has_error:
        raise BadMessage("a message has a method, a result or an error")
    if has_result:
        if request_id is None:
            raise BadMessage("a response needs an id")
        result, is_open, failure = tree["result"], False, ""
        if type(result) is dict:
            _refuse_look_alikes(result, _RESULT)
            failure = "tool_error" if result.get("isError") is True else ""
            is_open = not _OPEN.isdisjoint(result) or result.get("resultType") == "input_required"
        return Message(
            raw, "response", id=request_id, result=bytes(_envelope(raw).result), failure=failure, is_open=is_open
        )
    if type(tree["error"]) is not dict:
        raise BadMessage("an error is a JSON object")
    _refuse_look_alikes(tree["error"], _ERROR)
    code = tree["error"].get("code")
    error = bytes(_envelope(raw).error)
    return Message(raw, "error", id=request_id, error=error, failure=code if type(code) is int else "error")


def _read_call(raw: bytes, tree: dict[str, Any], request_id: int | str | None) -> Message:
    method = tree["method"]
    if type(method) is not str or not method:
        raise BadMessage("the method must be a non-empty string")
    if "result" in tree or "error" in tree:
        raise BadMessage("a message with a method has neither result nor error")
    kind: Kind = "request" if "id" in tree else "notification"
    if "params" not in tree:
        return Message(raw, kind, method, request_id, name=_name_of(method, {}))
    params = tree["params"]
    if type(params) is not dict:
        raise BadMessage("params must be an object", rpc_code=INVALID_PARAMS)
    _refuse_look_alikes(params, _PARAMS)
    raw_params = bytes(_envelope(raw).params)
    arguments = bytes(_params(raw_params).arguments) if "arguments" in params else b""
    meta = _meta_of(params)
    return Message(
        raw=raw,
        kind=kind,
        method=method,
        id=request_id,
        params=raw_params,
        name=_name_of(method, params),
        arguments=arguments,
        version=_version_of(meta),
        client=_client_of(meta.get(CLIENT_KEY) or params.get("clientInfo")),
        trace=_text(meta.get("traceparent"), 64),
    )


def _id_of(tree: dict[str, Any]) -> int | str | None:
    if "id" not in tree:
        return None
    value = tree["id"]
    if type(value) is int or type(value) is str:
        return value
    if value is None and "error" in tree and "method" not in tree:
        return None
    raise BadMessage("an id is a string or an integer")


def _name_of(method: str, params: dict[str, Any]) -> str:
    member = NAMED_BY.get(method)
    if member is None:
        return ""
    name = params.get(member)
    if name is None and member not in params and method in NAMELESS:
        return ""
    if type(name) is not str:
        raise BadMessage(f"{method} needs params.{member}, a string", rpc_code=INVALID_PARAMS)
    return name


def _meta_of(params: dict[str, Any]) -> dict[str, Any]:
    meta = params.get("_meta")
    if meta is None:
        return {}
    if type(meta) is not dict:
        raise BadMessage("params._meta must be an object", rpc_code=INVALID_PARAMS)
    _refuse_look_alikes(meta, _META)
    return meta


def _client_of(info: object) -> str:
    return _text(info.get("name"), 120) if type(info) is dict else ""


def _text(value: object, limit: int) -> str:
    return value[:limit] if type(value) is str else ""


def _version_of(meta: dict[str, Any]) -> str:
    version = meta.get(VERSION_KEY, "")
    if type(version) is not str:
        raise BadMessage("the protocol version must be a string", rpc_code=INVALID_PARAMS)
    return version


def _refuse_look_alikes(members: dict[str, Any], reserved: frozenset[str]) -> None:
    """Refuse `Method`, or `params` with a long s: names that only some parsers take for the reserved one."""
    if reserved.issuperset(members):
        return
    if any(_folded(name) in _FOLDED[reserved] for name in members.keys() - reserved):
        raise BadMessage("a member's name differs from a reserved one only by case or by look-alike letters")
