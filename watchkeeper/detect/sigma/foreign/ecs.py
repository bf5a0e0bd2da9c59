"""Events in the Elastic Common Schema, and of Apple's Endpoint Security, with Sigma's names beside their own."""

from __future__ import annotations

from typing import Any

Record = dict[str, Any]

_NAMES: tuple[tuple[str, str], ...] = (
    ("process.executable", "Image"),
    ("process.command_line", "CommandLine"),
    ("process.working_directory", "CurrentDirectory"),
    ("process.pe.original_file_name", "OriginalFileName"),
    ("process.pe.description", "Description"),
    ("process.pe.product", "Product"),
    ("process.pe.company", "Company"),
    ("process.parent.executable", "ParentImage"),
    ("process.parent.command_line", "ParentCommandLine"),
    ("user.name", "User"),
    ("file.path", "TargetFilename"),
    ("registry.path", "TargetObject"),
    (".".join(("registry", "data", "strings")), "Details"),
    ("dll.path", "ImageLoaded"),
    ("destination.ip", "DestinationIp"),
    ("destination.port", "DestinationPort"),
    ("destination.domain", "DestinationHostname"),
    ("source.ip", "SourceIp"),
    ("source.port", "SourcePort"),
    ("dns.question.name", "QueryName"),
    ("url.original", "c-uri"),
    ("url.domain", "cs-host"),
    ("url.query", "cs-uri-query"),
    ("http.request.method", "cs-method"),
    ("http.response.status_code", "sc-status"),
    ("user_agent.original", "c-useragent"),
)
_MARKS = ("process", "ecs", "event.category", "process.executable", "ecs.version", "url", "user_agent")


def add_from_ecs(record: Record) -> Record:
    """The record, with Sigma's names where ECS has them and the record does not."""
    if isinstance(record.get("process"), dict) and isinstance(record.get("event"), dict):
        _from_endpoint_security(record)
    if not any(mark in record for mark in _MARKS):
        return record
    for theirs, ours in _NAMES:
        if ours not in record:
            value = at(record, theirs)
            if value is not None and not isinstance(value, dict):
                record[ours] = value
    return record


_OF_SYSMON: dict[Any, tuple[tuple[str, str], ...]] = {
    6: (("file.path", "ImageLoaded"),),
    7: (("file.path", "ImageLoaded"),),
    8: (("process.executable", "SourceImage"),),
    10: (("process.executable", "SourceImage"),),
    17: (("file.name", "PipeName"),),
    18: (("file.name", "PipeName"),),
}


def add_to_sysmon(record: Record) -> Record:
    """Winlogbeat's module moves what Sysmon says into ECS; rules ask for Sysmon's own names."""
    number = record["EventID"]
    for theirs, ours in _OF_SYSMON.get(number, ()) if isinstance(number, int) else ():
        value = at(record, theirs)
        if ours not in record and isinstance(value, str):
            record[ours] = value
    return add_from_ecs(record)


def at(record: Record, name: str) -> Any:
    """What stands there: the member of that very name, or the one at the end of its dots."""
    if name in record:
        return record[name]
    value: Any = record
    for part in name.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def _from_endpoint_security(record: Record) -> None:
    """`eslogger` of macOS: what was started stands in `event.exec.target`, who started it in `process`."""
    target, parent = at(record, "event.exec.target"), at(record, "process.executable.path")
    if isinstance(target, dict):
        path, words = at(target, "executable.path"), at(record, "event.exec.args")
        if isinstance(path, str):
            record.setdefault("Image", path)
        if isinstance(words, list):
            record.setdefault("CommandLine", " ".join(map(str, words)))
        if isinstance(parent, str):
            record.setdefault("ParentImage", parent)
    created = at(record, "event.create.destination.existing_file.path")
    if isinstance(created, str):
        record.setdefault("TargetFilename", created)
        record.setdefault("Image", parent)
