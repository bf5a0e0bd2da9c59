"""Each format as its own judge reads it: the `stix2` library, OCSF's published schema, the structure of VERIS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import stix2
from hypothesis import given, settings
from hypothesis import strategies as st

from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Invalid
from watchkeeper.respond.cases.model import CaseFile, Link, LinkKind
from watchkeeper.respond.exports import FORMATS, Export, lines_of
from watchkeeper.respond.exports.stix import CORE
from watchkeeper.respond.model import Alert, Entry, Incident, IncidentState, Mark, Run, Status, StepResult

AT = 1_790_000_000 * SECOND
HOSTILE = "'] \\ \"\x1b[31m\u202e\n<script>"


def export(**members: Any) -> Export:
    alerts = (
        Alert(
            id="a1",
            time=AT + 5 * SECOND,
            rule="r1",
            title="A secret left",
            tags=("attack.t1552.001", "atlas.aml.t0051.000", "attack.exfiltration", "owasp-mcp.mcp01"),
            server="files",
            outcome="allow",
            trigger="e1",
            trigger_time=AT,
            indicators=(
                ("ip", "203.0.113.7", "amber"),
                ("hash", "a" * 64, "green"),
                ("domain", "secret.example", "red"),
                ("package", "npm/x", "clear"),
            ),
        ),
        Alert(id="a2", time=AT + 9 * SECOND, rule="r2", outcome="deny", indicators=(("ip", "203.0.113.7", "amber"),)),
    )
    fields: dict[str, Any] = {
        "id": "6859d2ef-fbcb-8e99-b3b3-d8dffcfb44b9",
        "number": "INC-2026-0001",
        "tenant": "default",
        "title": "A secret left",
        "severity": 4,
        "state": IncidentState.CONTAINED,
        "status": Status.IN_PROGRESS,
        "server": "files",
        "opened_at": AT + 6 * SECOND,
        "updated_at": AT + 100 * SECOND,
        "first_event_at": AT,
        "alerted_at": AT + 5 * SECOND,
        "contained_at": AT + 95 * SECOND,
        "alert_count": 2,
        "assignee": "operator:ada",
    }
    incident = Incident(**fields | members)
    steps = (
        StepResult("hold", "hold_tool", "completed", AT + 90 * SECOND, summary="held send", contains="hold_tool send"),
        StepResult("tell", "notify", "completed", AT + 91 * SECOND, summary="told"),
    )
    run = Run("run", incident.id, "rug_pull", 1, "sha256:x", "finished", steps=steps)
    links = (
        Link("l1", LinkKind.ADVISORY, "CVE-2025-6514", "operator:ada", AT),
        Link("l2", LinkKind.TICKET, "https://tickets.example/1", "operator:ada", AT),
    )
    timeline = (
        Entry(AT, "it began", Mark.ATTACK, "e1", "gateway", 4),
        Entry(AT + SECOND, HOSTILE, Mark.NOTE, "e2"),
    )
    file = CaseFile(
        incident=incident,
        alerts=alerts if incident.alert_count else (),
        runs=(run,),
        tasks=(),
        notes=(),
        links=links,
        history=(),
        effort=(),
        phases=(),
        entries=2,
    )
    return Export(file, timeline, "c1-7")


@pytest.mark.behaviour("cases.formats-validate")
@pytest.mark.parametrize("disposition", ["", "true_positive", "false_positive", "test"])
def test_a_bundle_is_what_the_stix_library_takes(disposition: str) -> None:
    (made,) = lines_of(export(disposition=disposition), "stix")
    parsed = stix2.parse(msgspec.json.encode(made), allow_custom=False)
    of = {kind: [one for one in parsed.objects if one.type == kind] for kind in {o.type for o in parsed.objects}}
    assert [one.pattern for one in of["indicator"]] == [
        *("[ipv4-addr:value = '203.0.113.7']", f"[file:hashes.'SHA-256' = '{'a' * 64}']"),
    ]
    assert [one["count"] for one in of["sighting"]] == [2, 1]
    assert [one.name for one in of["course-of-action"]] == ["hold_tool"]
    assert {one.name for one in of["attack-pattern"]} == {"T1552.001", "AML.T0051.000"}
    assert "secret.example" not in parsed.serialize()
    assert "1 indicators are left out" in of["incident"][0].description
    core = made["objects"][1]["extensions"][CORE]
    wanted = {"": "suspected", "true_positive": "suspected", "false_positive": "false-positive", "test": "low-value"}
    assert core["determination"] == wanted[disposition]
    (grouping,) = of["grouping"]
    assert set(grouping.object_refs) == {one.id for one in parsed.objects if one.type != "grouping"}
    assert lines_of(export(disposition=disposition), "stix") == [made]


@pytest.mark.behaviour("cases.formats-validate")
@given(value=st.text(min_size=1, max_size=60))
@settings(max_examples=60)
def test_no_value_breaks_out_of_a_pattern(value: str) -> None:
    one = export()
    alert = msgspec.structs.replace(one.file.alerts[0], indicators=(("url", value, "clear"),))
    file = msgspec.structs.replace(one.file, alerts=(alert,))
    (made,) = lines_of(msgspec.structs.replace(one, file=file), "stix")
    (pattern,) = (one["pattern"] for one in made["objects"] if one["type"] == "indicator")
    parsed = stix2.parse(msgspec.json.encode(made))
    assert pattern.startswith("[url:value = '")
    inner = pattern.removeprefix("[url:value = '").removesuffix("']")
    assert inner.replace("\\\\", "").replace("\\'", "").count("'") == 0
    assert parsed.objects


_WORDS = {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"type": "string"}}
_SPAN = {
    "type": "object",
    "required": ["unit"],
    "additionalProperties": False,
    "properties": {
        "unit": {"enum": ["Seconds", "Minutes", "Hours", "Days", "Weeks", "Months", "Years", "Never", "NA", "Unknown"]},
        "value": {"type": "number"},
    },
}
_VERIS = {
    "type": "object",
    "additionalProperties": False,
    "required": [
        *("actor", "action", "discovery_method", "schema_version", "asset", "timeline", "incident_id"),
        *("security_incident", "summary"),
    ],
    "properties": {
        "schema_version": {"const": "1.4.0"},
        "incident_id": {"type": "string"},
        "source_id": {"type": "string"},
        "reference": {"type": "string"},
        "summary": {"type": "string"},
        "security_incident": {"enum": ["Confirmed", "Suspected", "Near miss", "False positive"]},
        "timeline": {
            "type": "object",
            "required": ["incident"],
            "additionalProperties": False,
            "properties": {
                "incident": {
                    "type": "object",
                    "required": ["year"],
                    "additionalProperties": False,
                    "properties": {
                        "year": {"type": "integer", "minimum": 1950, "maximum": 2050},
                        "month": {"type": "integer", "minimum": 1, "maximum": 12},
                        "day": {"type": "integer", "minimum": 1, "maximum": 31},
                    },
                },
                "discovery": _SPAN,
                "containment": _SPAN,
            },
        },
        "actor": {"const": {"unknown": {}}},
        "action": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": False,
            "properties": {
                "hacking": {
                    "type": "object",
                    "required": ["vector", "variety"],
                    "additionalProperties": False,
                    "properties": {
                        "variety": _WORDS
                        | {
                            "items": {
                                "enum": [
                                    *(
                                        "Scan network",
                                        "OS commanding",
                                        "Use of stolen creds",
                                        "Brute force",
                                        "Exploit vuln",
                                    ),
                                    *("DoS", "AitM", "Disable controls", "Prompt injection"),
                                ]
                            }
                        },
                        "vector": _WORDS,
                        "notes": {"type": "string", "minLength": 1},
                    },
                },
                "unknown": {"type": "object", "properties": {"notes": {"type": "string", "minLength": 1}}},
            },
        },
        "asset": {
            "type": "object",
            "required": ["assets", "cloud"],
            "additionalProperties": False,
            "properties": {
                "assets": {
                    "type": "array",
                    "minItems": 1,
                    "uniqueItems": True,
                    "items": {
                        "type": "object",
                        "required": ["variety"],
                        "properties": {"variety": {"enum": ["S - Other", "Unknown"]}},
                    },
                },
                "cloud": _WORDS,
                "notes": {"type": "string", "minLength": 1},
            },
        },
        "attribute": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": False,
            "properties": {
                "confidentiality": {
                    "type": "object",
                    "required": ["data_disclosure"],
                    "additionalProperties": False,
                    "properties": {
                        "data_disclosure": {"enum": ["No", "Potentially", "Yes", "Unknown"]},
                        "data": {"type": "array", "minItems": 1},
                    },
                }
            },
        },
        "discovery_method": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": False,
            "properties": {
                "internal": {"type": "object", "required": ["variety"], "properties": {"variety": _WORDS}},
                "unknown": {"type": "boolean"},
            },
        },
    },
}
"""The structure of VERIS 1.4 as published, as far as we use it: what is required, what may be there, which words."""


@pytest.mark.behaviour("cases.formats-validate")
@pytest.mark.parametrize(
    "members",
    [
        {},
        {"alert_count": 0, "server": "", "first_event_at": 0, "alerted_at": 0, "contained_at": 0, "source": "old"},
        {"title": HOSTILE, "state": IncidentState.OPEN, "disposition": "true_positive"},
    ],
)
def test_a_veris_record_has_the_published_structure_and_says_unknown(members: dict[str, Any]) -> None:
    (made,) = lines_of(export(**members), "veris")
    assert [error.message for error in jsonschema_rs.validator_for(_VERIS).iter_errors(made)] == []
    assert "\x1b" not in made["summary"]


def test_veris_says_what_the_techniques_say_and_no_more() -> None:
    (made,) = lines_of(export(), "veris")
    assert made["action"] == {
        "hacking": {
            "variety": ["Prompt injection"],
            "vector": ["Unknown"],
            "notes": "techniques: attack.t1552.001",
        }
    }
    assert made["timeline"] == {
        "incident": {"year": 2026, "month": 9, "day": 21},
        "discovery": {"unit": "Seconds", "value": 5.0},
        "containment": {"unit": "Minutes", "value": 1.5},
    }
    assert made["attribute"] == {
        "confidentiality": {"data_disclosure": "Potentially", "data": [{"variety": "Credentials"}]}
    }
    (other,) = lines_of(export(state=IncidentState.PARTLY_CONTAINED), "veris")
    assert other["timeline"]["containment"] == {"unit": "Unknown"}


@pytest.mark.behaviour("cases.formats-validate")
@pytest.mark.parametrize(
    ("members", "status", "verdict"),
    [
        ({}, "In Progress", None),
        ({"status": Status.ON_HOLD}, "On Hold", None),
        ({"status": Status.RESOLVED}, "Resolved", None),
        ({"status": Status.CLOSED, "disposition": "false_positive", "title": HOSTILE}, "Closed", "False Positive"),
        ({"alert_count": 0, "status": Status.NEW}, "New", None),
    ],
)
def test_an_incident_finding_is_what_ocsf_publishes(
    members: dict[str, Any], status: str, verdict: str | None, ocsf_errors: Callable[[Any], list[str]]
) -> None:
    (made,) = lines_of(export(**members), "ocsf")
    assert ocsf_errors(made) == []
    assert (made["class_uid"], made["status"], made.get("verdict")) == (2005, status, verdict)
    assert len(made["finding_info_list"]) == (2 if made.get("count") else 1)


@pytest.mark.behaviour("cases.formats-validate")
def test_a_timeline_is_what_timesketch_reads_and_shows_what_is_hidden() -> None:
    first, second = lines_of(export(), "timesketch")
    assert (first["datetime"], first["timestamp_desc"]) == ("2026-09-21T14:13:20.000000+00:00", "Malicious event")
    assert first["journal"] == "gateway/4"
    assert "\x1b" not in second["message"]
    assert "journal" not in second


def test_every_format_has_its_name_and_another_is_refused() -> None:
    for name in FORMATS:
        assert all(msgspec.json.encode(line) for line in lines_of(export(), name))
    with pytest.raises(Invalid):
        lines_of(export(), "pdf")
