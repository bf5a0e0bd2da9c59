"""Less usual outlines of Windows events, brought into a usual one: dots for nesting, other words, wrapped ones.

Only what is no usual outline comes here, so that the usual ones pay nothing for it. Pure.
"""

from __future__ import annotations

from typing import Any

Record = dict[str, Any]

_CORE = {
    "eventid": "EventID",
    "eventcode": "EventID",
    "channel": "Channel",
    "logname": "Channel",
    "providername": "Provider_Name",
    "eventsourcename": "Provider_Name",
    "sourcename": "Provider_Name",
    "computer": "Computer",
    "machinename": "Computer",
    "message": "Message",
    "newprocessname": "NewProcessName",
    "parentprocessname": "ParentProcessName",
    "subjectusername": "SubjectUserName",
    "subjectdomainname": "SubjectDomainName",
}
"""What tells the log source of an event or is told in other words: names in lower case, without `_`."""
_NUMBERS = ("EventCode", "eventid", "event_id", "EVENTID", "EventId", "eventId", "eventcode", "Event_ID")
_PREFIXES = ("winlog.", "Event.", "System.", "data.win.")
_MOST = 2_000
_DEEPEST = 12


def usual(raw: Record) -> Record:
    """The event in an outline that `shapes` knows; what nothing is known of is given back as it is."""
    if any(isinstance(name, str) and name.startswith(_PREFIXES) for name in raw) and len(raw) <= _MOST:
        raw = _nested(raw)
    document = raw.get("document")
    if isinstance(document, dict) and isinstance(document.get("data"), dict):  # a hit of Chainsaw
        raw = document["data"]
    data = raw.get("data")
    if isinstance(data, dict) and isinstance(data.get("win"), dict):  # Wazuh
        return _of_wazuh(data["win"])
    event = raw.get("Event")
    if isinstance(event, dict):
        return _of_event(raw, event)
    if "EventID" not in raw and (any(name in raw for name in _NUMBERS) or ("Id" in raw and "LogName" in raw)):
        return _renamed(raw)
    return raw


def _of_event(raw: Record, event: Record) -> Record:
    if isinstance(event.get("System"), list):  # every element is a list of one, as xml2js writes it
        return {"Event": _single(event, 0)}
    if "System" not in event and ("EventID" in event or any(name in event for name in _NUMBERS)):
        return event if "EventID" in event else _renamed(event)
    return raw


def _of_wazuh(inner: Record) -> Record:
    system, data = inner.get("system"), inner.get("eventdata")
    named = _renamed(system) if isinstance(system, dict) else {}
    given = data if isinstance(data, dict) else {}
    return named | {name[:1].upper() + name[1:]: value for name, value in given.items()}


def _renamed(raw: Record) -> Record:
    record = dict(raw)
    for name, value in raw.items():
        known = _CORE.get(name.replace("_", "").lower()) if isinstance(name, str) and len(name) < 32 else None
        if known is not None:
            record.setdefault(known, value)
    if "EventID" not in record and "Id" in raw:
        record["EventID"] = raw["Id"]
    return record


def _nested(raw: Record) -> Record:
    """`{"a.b": 1}` as `{"a": {"b": 1}}`; a name that is taken by something else stays as it is."""
    found: Record = {}
    for name, value in raw.items():
        first, *inner = str(name).split(".", _DEEPEST)
        place, last = found, first
        for part in inner:
            below = place.setdefault(last, {})
            if not isinstance(below, dict):
                place, last = found, name
                break
            place, last = below, part
        place[last] = value
    return found


def _single(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        return value
    if isinstance(value, list):
        return _single(value[0], depth + 1) if len(value) == 1 else [_single(one, depth + 1) for one in value]
    if not isinstance(value, dict):
        return value
    record = {name: _single(one, depth + 1) for name, one in value.items()}
    attributes = record.pop("$", None)
    if isinstance(attributes, dict):
        record["#attributes"] = attributes
    if "_" in record:
        record["#text"] = record.pop("_")
    return record
