"""The last touch to a flat Windows record: names that rules ask for and other collectors write otherwise.

Values are the event's own; nothing is guessed but where a record holds the same thing under another name.
"""

from __future__ import annotations

from typing import Any

Record = dict[str, Any]

_LEVELS = {
    "s-1-16-0": "Untrusted",
    "s-1-16-4096": "Low",
    "s-1-16-8192": "Medium",
    "s-1-16-8448": "MediumPlus",
    "s-1-16-12288": "High",
    "s-1-16-16384": "System",
}
_CREATION = {"NewProcessName": "Image", "ParentProcessName": "ParentImage"}
_CLASSIC = frozenset({"windows powershell", "application", "system", "msexchange management"})
"""Channels of the older log, whose data has no names: collectors that drop the data keep it in the message."""

_CLEARED = 104
"""Of the log `System`: its data name the log that was cleared, which is what rules mean by its channel."""
_BY_NUMBER: dict[Any, tuple[tuple[str, str, str], ...]] = {
    4103: (("PowerShell", "Message", "Payload"), ("PowerShell", "Message", "ContextInfo")),
    4104: (("PowerShell", "Message", "ScriptBlockText"),),
    1116: (("Windows Defender", "Threat Name", "Signature"), ("Windows Defender", "Path", "Filename")),
    1117: (("Windows Defender", "Threat Name", "Signature"), ("Windows Defender", "Path", "Filename")),
}
"""Of an id: part of the channel, the member that has it, and the name that rules ask for. A collector that drops the
data of a PowerShell event keeps it in the message."""


def finish(record: Record) -> Record:
    """The record with Sigma's names beside its own."""
    number = record["EventID"]
    if not isinstance(number, int):
        number = record["EventID"] = event_id(number)
    if "Provider_Name" not in record:
        source = (
            record.get("SourceName")
            or record.get("Provider")
            or record.get("ProviderName")
            or record.get("EventSourceName")
        )
        if isinstance(source, str):
            record["Provider_Name"] = source
    if "EventTypeOrignal" in record or "EventTypeOriginal" in record:
        # NXLog has a field of its own where Sysmon has one of that name
        record["EventType"] = record.get("EventTypeOrignal") or record.get("EventTypeOriginal")
    if number == 4688:
        _as_creation(record)
    channel = record.get("Channel")
    if isinstance(channel, list):
        if number == _CLEARED and channel and record.get("Provider_Name") == "Microsoft-Windows-Eventlog":
            record["Channel"] = channel[-1]
        channel = channel[0] if channel else None
    if "Data" not in record and isinstance(channel, str) and channel.casefold() in _CLASSIC and "Message" in record:
        record["Data"] = record["Message"]
    if isinstance(number, int) and number in _BY_NUMBER and isinstance(channel, str):
        _add(record, channel, _BY_NUMBER[number])
    if channel == "RPCFW":
        record.setdefault("EventLog", channel)
    return record


def _add(record: Record, channel: str, names: tuple[tuple[str, str, str], ...]) -> None:
    for part, theirs, ours in names:
        if ours not in record and theirs in record and part in channel:
            record[ours] = record[theirs]


def event_id(value: Any) -> Any:
    """The number of an event; what is none stays as it is."""
    if isinstance(value, dict):
        value = next((value[key] for key in ("#text", "value", "Value") if key in value), None)
    try:
        return int(value) if isinstance(value, (str, float)) else value
    except (ValueError, OverflowError):
        return value


def _as_creation(record: Record) -> None:
    """Security's own record of a new process, in the words of Sysmon's."""
    for theirs, ours in _CREATION.items():
        if theirs in record:
            record.setdefault(ours, record[theirs])
    user, domain = record.get("SubjectUserName"), record.get("SubjectDomainName")
    if isinstance(user, str):
        record.setdefault("User", f"{domain}\\{user}" if isinstance(domain, str) and domain else user)
    label = record.get("MandatoryLabel")
    if isinstance(label, str) and (level := _LEVELS.get(label.casefold())):
        record.setdefault("IntegrityLevel", level)
    if "SubjectLogonId" in record:
        record.setdefault("LogonId", record["SubjectLogonId"])
