"""A report as SARIF 2.1.0 (OASIS), for code scanners and their dashboards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from watchkeeper.app.scan.model import Judged, Level, Reason, Report, Shown
from watchkeeper.app.scan.rules import About

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Level.CLEAN: "none", Level.NOTE: "note", Level.SUSPICIOUS: "warning", Level.HARMFUL: "error"}
_WHERE = "SRCROOT"


def sarif(report: Report, about: Mapping[str, About], here: Path) -> dict[str, Any]:
    """One run. `about` explains rules; paths below `here` are written relative to it."""
    used = list(dict.fromkeys(reason.rule for one in report.judged for reason in one.reasons))
    worst: dict[str, Level] = {}
    for one in report.judged:
        for reason in one.reasons:
            worst[reason.rule] = max(reason.level, worst.get(reason.rule, Level.NOTE))
    driver = {
        "name": "Watchkeeper",
        "semanticVersion": version("watchkeeper"),
        "rules": [_rule(rule, about.get(rule, About()), worst[rule]) for rule in used],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_WHERE: {"uri": f"{here.as_uri()}/"}},
        "invocations": [_invocation(report)],
        "results": [
            _result(one, reason, used.index(reason.rule), here) for one in report.judged for reason in one.reasons
        ],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: str, about: About, level: Level) -> dict[str, Any]:
    words = about.help or about.short
    return {
        "id": rule,
        "name": "".join(part.capitalize() for part in rule.replace(".", "-").split("-")),
        "shortDescription": {"text": about.short},
        "fullDescription": {"text": words},
        "help": {"text": words, "markdown": words},
        "defaultConfiguration": {"level": _LEVELS[level]},
        "properties": {"tags": ["security", "mcp"]},
    }


def _invocation(report: Report) -> dict[str, Any]:
    notes = [_note("error", f"{one.source.name}: {one.failure}") for one in report.shown if one.failure]
    notes += [_note("note", f"{one.source.name}: {one.source.skipped}") for one in report.shown if one.source.skipped]
    notes += [_note("warning", words) for words in report.told]
    return {"executionSuccessful": report.is_complete, "toolExecutionNotifications": notes}


def _note(level: str, words: str) -> dict[str, Any]:
    return {"level": level, "message": {"text": words}}


def _result(one: Judged, reason: Reason, index: int, here: Path) -> dict[str, Any]:
    what = f"{one.kind} {one.name!a} of {one.source.name}: {reason.label.replace('_', ' ')}"
    result: dict[str, Any] = {
        "ruleId": reason.rule,
        "ruleIndex": index,
        "level": _LEVELS[reason.level],
        "message": {"text": f"{what}: {reason.excerpt}" if reason.excerpt else what},
        "locations": [_location(one, reason, here)],
        "partialFingerprints": {
            "watchkeeperDefinition/v1": one.fingerprint,
            "watchkeeperFinding/v1": f"{one.source.name}/{one.kind}/{one.name}/{reason.rule}/{reason.path}",
        },
        "rank": round(100 * one.score, 1),
        "properties": {"server": one.source.name, "kind": one.kind, "can": list(one.can)},
    }
    if reason.suppressed:
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": reason.suppressed}]
    else:
        result["suppressions"] = []
    return result


def _location(one: Judged, reason: Reason, here: Path) -> dict[str, Any]:
    full = f"{one.source.name}/{one.kind}/{one.name}"
    location: dict[str, Any] = {
        "logicalLocations": [
            {"name": one.name, "fullyQualifiedName": f"{full}{reason.path}", "kind": one.kind},
        ]
    }
    place = Path(one.source.place)
    if place.is_absolute() or place.exists():
        location["physicalLocation"] = {
            "artifactLocation": _artifact(place.resolve(), here),
            "region": {"startLine": one.source.line},
        }
    return location


def _artifact(place: Path, here: Path) -> dict[str, str]:
    if place.is_relative_to(here):
        return {"uri": Path(place.relative_to(here)).as_posix().replace(" ", "%20"), "uriBaseId": _WHERE}
    return {"uri": place.as_uri()}


def sources_told(shown: Sequence[Shown]) -> list[dict[str, Any]]:
    """How each source fared, for programs."""
    return [
        {
            "name": one.source.name,
            "place": one.source.place,
            "pointer": one.source.pointer,
            "definitions": len(one.definitions),
            "status": "skipped" if one.source.skipped else "incomplete" if one.failure else "seen",
            "reason": one.source.skipped or one.failure,
            "hint": one.hint,
        }
        for one in shown
    ]
