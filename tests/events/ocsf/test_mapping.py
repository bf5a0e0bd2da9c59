"""Every kind of event has an OCSF form that the published schema takes, whatever its body holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from watchkeeper.events import Event, Severity, new_event
from watchkeeper.events.catalogue import example_of
from watchkeeper.events.kinds import KINDS
from watchkeeper.events.ocsf import VERSION, Counts, Mapper, meanings_of, to_ocsf
from watchkeeper.events.ocsf.bounds import name
from watchkeeper.events.ocsf.classes import CLASSES, OTHER

_READ_MEMBERS = """
    method id rules reason correlation policy status bytes_in duration_us route answer version ending failure code act
    approval binding principal number title state advice rule name tags event event_time event_kind definition scope
    fingerprint summary order generation incident run step action scopes gained role token grant issuer session digest
    said because parent_span class proof
"""
_TEXTS = st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=40) | st.sampled_from(
    ["tools/call", "GET", "deny", "closed", "attack.t1552", "attack.", "atlas.aml.t0051", ":", "\u202e\x00", "x" * 3000]
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats(allow_nan=False) | _TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_TEXTS, inner, max_size=5),
    max_leaves=12,
)
_BODIES = st.dictionaries(st.sampled_from(_READ_MEMBERS.split()) | _TEXTS, _VALUES, max_size=12)
_EVENTS = st.builds(
    Event,
    v=st.just(1),
    id=_TEXTS,
    time=st.integers(-(1 << 53), 1 << 60),
    kind=st.sampled_from(sorted(KINDS)) | _TEXTS,
    tenant=_TEXTS,
    actor=_TEXTS | st.sampled_from(["agent:ada", "operator:eve", "system:watch", "webhook:chat"]),
    claimed=_TEXTS,
    server=_TEXTS,
    target=_TEXTS,
    era=_TEXTS,
    trace=_TEXTS | st.just("0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"),
    outcome=_TEXTS | st.sampled_from(["allow", "modify", "ask", "deny", "success", "failure", ""]),
    severity=st.sampled_from(Severity),
    labels=st.lists(_TEXTS | st.just("shadow"), max_size=3).map(tuple),
    body=_BODIES,
)


def test_every_class_activity_and_profile_is_one_of_the_published_schema(published: Any) -> None:
    for of in CLASSES:
        declared = published.raw["classes"][published.name_of(of.uid)]
        activities = {int(key): one["caption"] for key, one in declared["attributes"]["activity_id"]["enum"].items()}
        assert declared["caption"] == of.name
        assert set(of.profiles) <= set(declared["profiles"])
        assert {uid: activities.get(uid) for uid in of.activities} == of.activities
        assert OTHER in activities
    for kind in KINDS:
        for meaning in meanings_of(kind):
            assert meaning.activity == OTHER or meaning.activity in meaning.of.activities, kind


@pytest.mark.behaviour("ocsf.every-kind-validates")
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_barest_event_of_a_kind_validates(kind: str, ocsf_errors: Callable[[Any], list[str]]) -> None:
    assert ocsf_errors(to_ocsf(new_event(1_790_000_000_000_000, kind))) == []


@pytest.mark.behaviour("ocsf.every-kind-validates")
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_example_of_a_kind_validates_and_loses_nothing(kind: str, ocsf_errors: Callable[[Any], list[str]]) -> None:
    example = example_of(kind)
    made = to_ocsf(example)
    assert ocsf_errors(made) == []
    assert made["class_uid"] in {meaning.of.uid for meaning in meanings_of(kind)}
    assert made["unmapped"]["body"] == example.body
    assert "misfit" not in made["unmapped"]
    told = msgspec.json.encode(made).decode()
    assert [word for word in (example.id, example.actor, example.server, example.target) if word not in told] == []


@pytest.mark.behaviour("ocsf.marks-misfits")
def test_a_body_that_does_not_fit_goes_out_marked_and_counted() -> None:
    mapper = Mapper()
    odd = msgspec.structs.replace(example_of("gateway.order.acknowledged"), body={"generation": "three"})
    made = mapper(odd)
    assert made["unmapped"]["body"] == {"generation": "three"}
    assert "generation" in made["unmapped"]["misfit"]
    mapper(example_of("gateway.order.acknowledged"))
    mapper(new_event(1, "govern.control.tested"))
    mapper(new_event(1, "gateway.order.acknowledged", body={"generation": "x" * 100_000}))
    assert mapper.counts == Counts(mapped=4, unknown=1, misfits=2, cut=1)


@pytest.mark.behaviour("ocsf.anything-validates")
@given(event=_EVENTS)
@hypothesis_settings(max_examples=150)
def test_any_event_validates_and_can_be_written(event: Event, ocsf_errors: Callable[[Any], list[str]]) -> None:
    made = to_ocsf(event)
    assert ocsf_errors(made) == []
    assert msgspec.json.decode(msgspec.json.encode(made))["metadata"]["uid"] == name(event.id)
    assert made["type_uid"] == made["class_uid"] * 100 + made["activity_id"]


@pytest.mark.behaviour("ocsf.unknown-kind")
def test_an_event_of_a_kind_that_a_newer_version_recorded_is_a_base_event(
    ocsf_errors: Callable[[Any], list[str]],
) -> None:
    made = to_ocsf(new_event(1_790_000_000_000_000, "govern.control.tested", outcome="success", body={"control": "a"}))
    assert ocsf_errors(made) == []
    assert (made["class_uid"], made["type_uid"], made["activity_name"]) == (0, 99, "Unknown kind")
    assert made["unmapped"]["body"] == {"control": "a"}


def test_a_denied_call_is_a_blocked_api_activity() -> None:
    event = Event(
        v=1, id="0199-a", time=1_790_000_000_123_456, kind="gateway.request.decided", actor="agent:ada", claimed="ide",
        server="files", target="read_file", outcome="deny", severity=Severity.HIGH,
        trace="0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        body={
            "method": "tools/call", "id": 7, "rules": ["no-secrets"], "reason": "No.", "correlation": "c-1",
            "policy": "p1", "status": 200, "duration_us": 2500,
        },
    )  # fmt: skip
    made = to_ocsf(event)
    told = {
        member: made[member] for member in ("class_uid", "activity_name", "time", "action", "disposition", "status")
    }
    assert told == {
        "class_uid": 6003,
        "activity_name": "tools/call",
        "time": 1_790_000_000_123,
        "action": "Denied",
        "disposition": "Blocked",
        "status": "Failure",
    }
    assert made["metadata"]["version"] == VERSION
    assert made["metadata"]["correlation_uid"] == "c-1"
    assert made["metadata"]["original_time"] == "1790000000123456"
    assert made["actor"] == {
        "user": {"uid": "agent:ada", "name": "ada", "type_id": 4, "type": "Service"},
        "app_name": "ide",
    }
    assert made["authorizations"] == [{"decision": "deny", "policy": {"uid": "no-secrets"}}]
    assert made["trace"]["span"] == {
        "uid": "b7ad6b7169203331", "start_time": 1_790_000_000_121, "end_time": 1_790_000_000_123,
    }  # fmt: skip
    assert made["unmapped"]["body"] is event.body


@pytest.mark.parametrize(
    ("outcome", "labels", "body", "expected"),
    [
        ("allow", (), {}, ("Allowed", "Success")),
        ("modify", (), {}, ("Modified", "Success")),
        ("ask", (), {}, ("ask", "ask")),
        ("deny", ("shadow",), {}, ("Observed", "Success")),
        ("allow", (), {"answer": {"outcome": "deny", "rules": ["r"]}}, ("Denied", "Failure")),
        ("allow", ("shadow",), {"answer": {"outcome": "deny"}}, ("Observed", "Success")),
        ("allow", (), {"failure": "tool_error"}, ("Allowed", "Failure")),
        ("allow", (), {"ending": "upstream_silent"}, ("Allowed", "Failure")),
        ("allow", (), {"status": 502}, ("Allowed", "Failure")),
    ],
)
@pytest.mark.behaviour("ocsf.no-false-success")
def test_what_did_not_work_or_was_not_enforced_is_never_told_as_done(
    outcome: str, labels: tuple[str, ...], body: dict[str, Any], expected: tuple[str, str]
) -> None:
    made = to_ocsf(
        new_event(1, "gateway.request.decided", outcome=outcome, labels=labels, body={"method": "tools/call", **body})
    )
    assert (made["action"], made["status"]) == expected


@pytest.mark.parametrize(
    ("kind", "activity", "status"),
    [
        ("gateway.order.issued", "Isolate", "Ordered"),
        ("gateway.order.acknowledged", "Acknowledged", "Acknowledged"),
        ("gateway.order.lifted", "Restore", "Success"),
        ("respond.step.completed", "Isolate", "Ordered"),
        ("respond.step.skipped", "Step skipped", "Skipped"),
        ("respond.step.failed", "Isolate", "Failure"),
        ("respond.containment.verified", "Isolate", "Success"),
        ("respond.containment.unverified", "Isolate", "Failure"),
        ("web.operator.entered", "Logon", "Success"),
        ("web.operator.refused", "Logon", "Failure"),
        ("gateway.upstream.failed", "General Error", "Failure"),
        ("policy.bundle.refused", "Refused", "Failure"),
        ("detect.alert.raised", "Create", "New"),
        ("respond.incident.updated", "Close", "Closed"),
    ],
)
@pytest.mark.behaviour("ocsf.no-false-success")
def test_only_a_proven_containment_is_told_as_a_success(kind: str, activity: str, status: str) -> None:
    made = to_ocsf(example_of(kind))
    assert (made["activity_name"], made["status"]) == (activity, status)


@pytest.mark.parametrize(
    ("tags", "class_uid"), [(["attack.execution"], 2004), (["attack.t1552", "owasp-mcp.mcp01"], 2006), ("odd", 2004)]
)
def test_an_alert_about_data_that_leaves_is_a_data_security_finding(tags: object, class_uid: int) -> None:
    made = to_ocsf(new_event(1, "detect.alert.raised", body={"rule": "r", "title": "t", "tags": tags}))
    assert made["class_uid"] == class_uid


def test_an_alert_names_the_techniques_of_its_rule() -> None:
    body = {"rule": "r", "title": "t", "tags": ["attack.t1195", "attack.initial-access", "atlas.aml.t0110", "x.y"]}
    assert to_ocsf(new_event(1, "detect.alert.raised", body=body))["finding_info"]["attacks"] == [
        {"technique": {"uid": "T1195"}},
        {"tactic": {"name": "initial access"}},
        {"technique": {"uid": "AML.T0110"}},
    ]
