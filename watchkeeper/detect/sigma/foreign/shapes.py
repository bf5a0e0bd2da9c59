"""What collectors make of an event as one flat record with Sigma's names. Members that nobody renames stay as they are.

Known: Windows events as `evtx_dump` and other converters write them (`Event.System`, `Event.EventData`, attributes
beside or inside), Winlogbeat old and new, flat ones (NXLog and the like); what a search puts around an event
(`_source`, `result`). ECS without Windows' own names is translated by `ecs`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from watchkeeper.detect.sigma.foreign.clouds import add_names
from watchkeeper.detect.sigma.foreign.ecs import add_from_ecs, add_to_sysmon, at
from watchkeeper.detect.sigma.foreign.outlines import usual
from watchkeeper.detect.sigma.foreign.windowing import event_id, finish

Record = dict[str, Any]

_WRAPPERS = ("_source", "result", "_raw_event")
_PARTS = ("EventData", "UserData", "ProcessingErrorData")
_AROUND = frozenset({*_WRAPPERS, *_PARTS, "Event", "System", "winlog", "event_data"})
"""What an event that is flat already has no member of."""
_FEW = 12
"""Members that something which only wraps events has at most."""
_CORE = ("EventID", "Channel", "Computer", "Provider_Name")
_WINLOG = {
    "event_id": "EventID",
    "channel": "Channel",
    "log_name": "Channel",
    "provider_name": "Provider_Name",
    "source_name": "Provider_Name",
    "provider_guid": "Provider_Guid",
    "computer_name": "Computer",
    "record_id": "EventRecordID",
    "record_number": "EventRecordID",
    "task": "Task",
    "opcode": "Opcode",
    "keywords": "Keywords",
    "level": "Level",
    "version": "Version",
}


def normal(raw: Record) -> Record:
    """The record that rules see. `raw` may be changed and be part of it."""
    if "EventID" in raw and raw.keys().isdisjoint(_AROUND):
        return finish(raw)
    for wrapper in _WRAPPERS:
        inner = raw.get(wrapper)
        if isinstance(inner, dict):
            raw = inner
    if not _is_usual(raw):
        raw = usual(raw)
    if isinstance(raw.get("Event"), dict):
        record = _from_xml(raw.pop("Event"), raw)
    elif isinstance(raw.get("System"), dict):
        record = _from_xml(raw, {})
    elif isinstance(raw.get("winlog"), dict):
        record = _from_winlogbeat(raw, raw["winlog"])
    elif isinstance(raw.get("event_data"), dict):
        record = _from_winlogbeat(raw, raw)
    else:
        record = _flat(raw)
    if "EventID" in record:
        return finish(record)
    return add_names(add_from_ecs(record))


def _flat(raw: Record) -> Record:
    """What is flat but, perhaps, for its data."""
    if "EventID" not in raw:
        is_old = "event_id" in raw and ("channel" in raw or "log_name" in raw)
        return _from_winlogbeat(raw, raw) if is_old else raw
    for part in _PARTS:
        if isinstance(raw.get(part), dict | list):
            _merge(raw, _data(raw.pop(part)))
    return raw


def _is_usual(raw: Record) -> bool:
    event = raw.get("Event", raw)
    return "EventID" in raw or (isinstance(event, dict) and isinstance(event.get("System"), dict)) or "winlog" in raw


def is_as_told(raw: Record, record: Record) -> bool:
    """Whether every value that rules see stood in the event as it came: names may have changed, no value was made."""
    return record is raw and "EventID" in record and record["EventID"] != 4688


def _from_winlogbeat(raw: Record, winlog: Record) -> Record:
    record = dict(raw)
    if "event_id" not in winlog and (code := at(raw, "event.code")) is not None:
        record["EventID"] = code
    for theirs, ours in _WINLOG.items():
        if theirs in winlog and ours not in record:
            record[ours] = winlog[theirs]
    for name in ("user_data", "event_data"):
        data = winlog.get(name)
        if isinstance(data, dict):
            _merge(record, data)
    _join_params(record)
    if "EventID" in record and ("process" in record or "file" in record or "process.executable" in record):
        record["EventID"] = event_id(record["EventID"])
        add_to_sysmon(record)
    return record


def _merge(record: Record, data: Record) -> None:
    """The data of an event beside what its log says of it. What both name (a log that was cleared has a channel as
    well) is both."""
    for key, value in data.items():
        if key not in _CORE or key not in record:
            record[key] = value
        elif key != "EventID" and isinstance(value, str) and value != record[key]:
            record[key] = [record[key], value]


def _join_params(record: Record) -> None:
    """Winlogbeat calls data without names `param1`, `param2` …; Sigma's rules look for them in `Data`."""
    if "Data" not in record and "param1" in record:
        record["Data"] = [record[f"param{n}"] for n in range(1, 100) if f"param{n}" in record]


def _from_xml(event: Record, beside: Record) -> Record:
    """The XML of an event as any of the usual converters turns it into JSON."""
    record = dict(beside)
    system = event.get("System")
    record |= _system(system if isinstance(system, dict) else {})
    for part in _PARTS:
        _merge(record, _data(event.get(part)))
    rendering = event.get("RenderingInfo")
    if isinstance(rendering, dict) and isinstance(rendering.get("Message"), str):
        record.setdefault("Message", rendering["Message"])
    return record


def _system(system: Record) -> Record:
    found: Record = {}
    for name, value in system.items():
        if name.endswith("_attributes"):
            found |= _attributes(name.removesuffix("_attributes"), value)
        elif isinstance(value, dict):
            text = text_of(value)
            if text is not None:
                found[name] = text
            found |= _attributes(name, value.get("#attributes", value))
        elif value is not None:
            found[name] = value
    return found


def _attributes(name: str, value: Any) -> Record:
    """`Provider.Name` is `Provider_Name`; of the others their own name is enough (`SystemTime`, `ProcessID`)."""
    if not isinstance(value, dict):
        return {}
    plain = {key.lstrip("@"): one for key, one in value.items() if not key.startswith("#") and not _is_nested(one)}
    if name == "Provider":
        return {f"Provider_{key}": one for key, one in plain.items()}
    return {key: one for key, one in plain.items() if key != "Qualifiers"}


def _is_nested(value: Any) -> bool:
    return isinstance(value, (dict, list))


def text_of(value: Any) -> Any:
    """The text of an element that has attributes too; `None` where it has none."""
    if not isinstance(value, dict):
        return value
    for key in ("#text", "$", "_text", "__text", "text", "Value", "value"):
        if key in value and not isinstance(value[key], dict):
            return value[key]
    return None


def _data(part: Any) -> Record:
    """The names and values of `EventData` or `UserData`; what has no name is `Data`."""
    if isinstance(part, str):
        return {"Data": part}
    if isinstance(part, list):
        return _named(part)
    if not isinstance(part, dict):
        return {}
    found: Record = {}
    for key, value in part.items():
        if key.startswith(("#", "@")):
            continue
        if key == "Data":
            found |= _named(value if isinstance(value, list) else [value])
        elif isinstance(value, dict) and (text := text_of(value)) is not None:
            found[key] = text
        elif isinstance(value, dict):
            found |= _data(value)  # UserData has one more element around
        else:
            found[key] = value
    return found


def _named(items: list[Any]) -> Record:
    found: Record = {}
    unnamed: list[Any] = []
    for item in items:
        name = _name_of(item)
        text = text_of(item)
        if name:
            found[name] = text
        elif isinstance(text, list):
            unnamed += text
        elif text is not None:
            unnamed.append(text)
    if unnamed:
        found["Data"] = unnamed[0] if len(unnamed) == 1 else unnamed
    return found


def _name_of(item: Any) -> str:
    if not isinstance(item, dict):
        return ""
    attributes = item.get("#attributes")
    for holder in (item, attributes if isinstance(attributes, dict) else {}):
        for key in ("@Name", "Name", "name", "_Name"):
            if isinstance(holder.get(key), str):
                return str(holder[key])
    return ""


def wrapped(value: Any) -> Iterator[Any]:
    """The events inside of what puts many into one object: CloudTrail's `Records`, a search's `hits`, a case's, and
    the list under `Event` (or `Events.Event`) that converters make of a file of Windows' XML."""
    if isinstance(value, list):
        for item in value:
            yield from wrapped(item)
    elif isinstance(value, dict):
        inner = next((value[key] for key in ("Records", "records", "hits", "events", "Events", "value")
                      if _is_list_of_records(value.get(key)) and len(value) <= _FEW), None)  # fmt: skip
        hits, around = value.get("hits"), value.get("Events")
        listed = (around if isinstance(around, dict) else value).get("Event")
        if isinstance(hits, dict) and _is_list_of_records(hits.get("hits")):
            yield from hits["hits"]
        elif inner is not None:
            yield from inner
        elif _is_list_of_records(listed) and len(value) <= _FEW:
            yield from (one if "Event" in one else {"Event": one} for one in listed or ())
        else:
            yield value


def _is_list_of_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
