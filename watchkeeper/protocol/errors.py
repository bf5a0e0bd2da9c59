"""Saying no in MCP's words: the codes of JSON-RPC, those of MCP, and ours; the bodies that carry them.

Codes between -32768 and -32000 belong to JSON-RPC and MCP; we use one of them only where the specification gives it
this meaning. Ours are positive: the HTTP status times a hundred, plus a digit where one status has several grounds.
"""

from __future__ import annotations

from typing import Any

import msgspec

from watchkeeper.core.errors import Invalid

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
INVALID_PARAMS = -32602
HEADER_MISMATCH = -32020
UNSUPPORTED_VERSION = -32022

UNAUTHENTICATED = 40100
FORBIDDEN = 40300
DENIED_BY_POLICY = 40301
CREDENTIAL_MISSING = 40302
NOT_APPROVED = 40303
NOT_FOUND = 40400
NO_SUCH_SESSION = 40401
METHOD_NOT_ALLOWED = 40500
TIMED_OUT = 40800
TOO_LARGE = 41300
UNSUPPORTED_MEDIA = 41500
LIMITED = 42900
HEADERS_TOO_LARGE = 43100
FAILED = 50000
UPSTREAM_FAILED = 50200
NOT_RECORDED = 50300
UNVERIFIABLE = 50301
UPSTREAM_BUSY = 50302
FULL = 50303
ENDED = 50304
UPSTREAM_SILENT = 50400
LOOP = 50800

RequestId = int | str | None


class BadMessage(Invalid):
    """Bytes that are not exactly one MCP message with exactly one meaning."""

    code = "bad_message"

    def __init__(self, reason: str, *, rpc_code: int = INVALID_REQUEST, request_id: RequestId = None) -> None:
        super().__init__(reason, hint="send one JSON-RPC 2.0 message in strict JSON")
        self.rpc_code = rpc_code
        self.request_id = request_id


def error_body(request_id: RequestId, code: int, message: str, data: Any = None) -> bytes:
    """A JSON-RPC error; `data` is left out when there is none."""
    error: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return msgspec.json.encode({"jsonrpc": "2.0", "id": request_id, "error": error})


def tool_refusal(request_id: RequestId, text: str, *, modern: bool) -> bytes:
    """A tool's result that says no in words the model reads; complete in the sense of the modern era."""
    result: dict[str, Any] = {"content": [{"type": "text", "text": text}], "isError": True}
    if modern:
        result = {"resultType": "complete", **result}
    return msgspec.json.encode({"jsonrpc": "2.0", "id": request_id, "result": result})
