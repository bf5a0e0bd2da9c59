"""Records of clouds and networks with the names that Sigma's rules ask for beside their own.

The rules were written for what collectors make of these records: Azure's and Microsoft's with names in either case and
the properties lifted, Google's under `data` and `gcp.audit`, web logs with the names of W3C.
"""

from __future__ import annotations

from typing import Any

Record = dict[str, Any]

_WEB = {
    "cs(User-Agent)": ("c-useragent", "cs-user-agent"),
    "cs(Referer)": ("cs-referer", "c-referer"),
    "cs(Cookie)": ("cs-cookie",),
    "cs-user-agent": ("c-useragent",),
    "c-useragent": ("cs-user-agent",),
    "cs-uri-stem": ("c-uri",),
    "cs-uri-query": ("c-uri-query",),
    "c-uri-query": ("cs-uri-query",),
    "c-uri": ("cs-uri",),
    "cs-uri": ("c-uri",),
}
_ZEEK_HTTP = {"uri": "c-uri", "user_agent": "c-useragent", "host": "cs-host", "method": "cs-method"}
_AZURE = ("operationName", "OperationName", "OperationNameValue", "riskEventType", "ResultType")


def add_names(record: Record) -> Record:
    """The record with those names; nothing that is there is changed."""
    if any(name in record for name in _AZURE) or _is_risk(record):
        _azure(record)
    elif isinstance(record.get("protoPayload"), dict):
        _google(record, record["protoPayload"])
    elif record.get("_path") == "http":
        for theirs, ours in _ZEEK_HTTP.items():
            _alias(record, theirs, ours)
    elif "cs-method" in record or "sc-status" in record or "c-uri" in record or "cs-uri" in record:
        for theirs, names in _WEB.items():
            for ours in names:
                _alias(record, theirs, ours)
    return record


def _alias(record: Record, theirs: str, ours: str) -> None:
    if theirs in record and ours not in record:
        record[ours] = record[theirs]


def _is_risk(record: Record) -> bool:
    inner = record.get("properties")
    return isinstance(inner, dict) and "riskEventType" in inner


def _azure(record: Record) -> None:
    inner = record.get("properties")
    properties = inner if isinstance(inner, dict) else {}
    for name, value in [*record.items(), *properties.items()]:
        if isinstance(name, str) and name:
            for other in (name, name[0].upper() + name[1:], name[0].lower() + name[1:]):
                record.setdefault(other, value)
    operation = record.get("OperationName")
    if isinstance(operation, dict):  # {"value": …, "localizedValue": …}
        operation = record["OperationName"] = record["operationName"] = operation.get("value")
    if isinstance(operation, str) and "message" not in properties:
        display = properties.get("activityDisplayName")
        record.setdefault("properties.message", [operation, display] if isinstance(display, str) else operation)


def _google(record: Record, payload: Record) -> None:
    record.setdefault("data", {"protoPayload": payload, "resource": record.get("resource")})
    method, service = payload.get("methodName"), payload.get("serviceName")
    if isinstance(method, str):
        record.setdefault("gcp.audit.method_name", method)
    if isinstance(service, str):
        record.setdefault("eventService", service)
    metadata = payload.get("metadata")
    events = metadata.get("event") if isinstance(metadata, dict) else None
    if isinstance(events, list):
        record.setdefault("eventName", [one.get("eventName") for one in events if isinstance(one, dict)])
