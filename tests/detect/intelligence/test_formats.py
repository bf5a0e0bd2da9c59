"""What others send, as drafts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from watchkeeper.core.errors import Invalid
from watchkeeper.detect.intelligence.formats.markings import of_references, word
from watchkeeper.detect.intelligence.formats.reading import guess_format, read
from watchkeeper.detect.intelligence.model import Draft, Tlp, Type

MOMENT = 1_767_225_600_000_000
AMBER = "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"


def indicator(number: int, pattern: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "indicator", "spec_version": "2.1", "id": f"indicator--{number}", "pattern_type": "stix",
        "created": "2026-01-01T00:00:00Z", "modified": "2026-01-01T00:00:00Z", "valid_from": "2026-01-01T00:00:00Z",
        "pattern": pattern, **more,
    }  # fmt: skip


def bundle(*objects: Any) -> bytes:
    return json.dumps({"type": "bundle", "id": "bundle--1", "objects": objects}).encode()


@pytest.mark.behaviour("intel.formats")
def test_a_bundle_is_taken_and_what_is_bad_in_it_is_counted() -> None:
    said = {"name": "C2", "confidence": 80, "object_marking_refs": [AMBER], "labels": ["c2"], "revoked": True}
    found = read(
        bundle(
            indicator(1, "[domain-name:value = 'bad.net']", valid_until="2027-01-01T00:00:00Z", **said),
            {"type": "malware", "id": "malware--1", "name": "x"},
            indicator(2, "[domain-name:value = 'co.uk']"),
            indicator(3, "[domain-name:value = 'a.net']", confidence=300),
            indicator(4, "rule x { }", pattern_type="yara"),
            indicator(5, "[domain-name:value = 'a.net']", valid_from="yesterday"),
            indicator(6, "[domain-name:value = 'a.net']", confidence="high"),
            "no object",
        )
    )
    assert found.drafts == [
        Draft(
            type=Type.DOMAIN, value="bad.net", id="indicator--1", confidence=80, valid_from=MOMENT, modified=MOMENT,
            valid_until=MOMENT + 365 * 86_400_000_000, tlp=Tlp.AMBER, title="C2", tags=("c2",), revoked=True,
        )
    ]  # fmt: skip
    assert (found.ignored, found.refused, sorted(found.why.values())) == (1, 6, [1, 1, 1, 1, 2])
    assert [one.at for one in found.examples] == [f"indicator--{n}" for n in (2, 3, 4, 5, 6)] + ["object 8"]


@pytest.mark.behaviour("intel.formats")
def test_envelopes_arrays_and_single_objects_are_read_too() -> None:
    one = indicator(1, "[ipv4-addr:value = '1.2.3.4']")
    documents = [{"more": False, "objects": [one]}, [one], one, {"type": "bundle", "id": "bundle--1"}, {}]
    assert [len(read(json.dumps(document).encode(), "stix").drafts) for document in documents] == [1, 1, 1, 0, 0]


@pytest.mark.behaviour("intel.markings")
def test_the_strictest_marking_holds_and_an_unknown_one_is_the_strictest() -> None:
    own = {"type": "marking-definition", "id": "marking-definition--x", "name": "TLP:GREEN"}
    found = read(
        bundle(
            own,
            indicator(1, "[domain-name:value = 'a.net']", object_marking_refs=["marking-definition--x", AMBER]),
            indicator(2, "[domain-name:value = 'b.net']", object_marking_refs=["marking-definition--other"]),
            indicator(3, "[domain-name:value = 'c.net']", object_marking_refs=["marking-definition--x"]),
            indicator(4, "[domain-name:value = 'd.net']"),
        )
    )
    assert [one.tlp for one in found.drafts] == [Tlp.AMBER, Tlp.RED, Tlp.GREEN, None]
    assert (of_references([]), word("TLP:WHITE"), word("tlp:amber+strict"), word("secret")) == (
        None, Tlp.CLEAR, Tlp.AMBER_STRICT, None,
    )  # fmt: skip


@pytest.mark.behaviour("intel.formats")
def test_an_event_of_misp_gives_what_is_meant_for_detection() -> None:
    event = {
        "Event": {
            "info": "Campaign", "threat_level_id": "1", "Tag": [{"name": "tlp:green"}],
            "Attribute": [
                {"type": "ip-dst|port", "value": "1.2.3.4|443", "to_ids": True, "uuid": "u1",
                 "timestamp": "1767225600"},
                {"type": "domain|ip", "value": "bad.net|1.2.3.5", "to_ids": True, "Tag": [{"name": "tlp:red"}]},
                {"type": "comment", "value": "x", "to_ids": False},
                {"type": "mutex", "value": "x", "to_ids": True},
                {"type": "md5", "value": 7, "to_ids": True},
                "no attribute",
            ],
            "Object": [{"Attribute": [{"type": "filename|md5", "value": f"a.exe|{'ab' * 16}", "to_ids": True}]}],
        }
    }  # fmt: skip
    found = read(json.dumps(event).encode())
    assert [(one.type.value, one.value, one.confidence, one.tlp) for one in found.drafts] == [
        ("ip", "1.2.3.4", 85, Tlp.GREEN),
        ("domain", "bad.net", 85, Tlp.RED),
        ("ip", "1.2.3.5", 85, Tlp.RED),
        ("hash", "ab" * 16, 85, Tlp.GREEN),
    ]
    assert (found.drafts[0].modified, found.ignored, found.refused) == (MOMENT, 1, 2)


@pytest.mark.behaviour("intel.formats")
def test_a_warning_list_is_for_the_allow_list() -> None:
    data = json.dumps({"name": "Known", "type": "hostname", "list": [".good.net", "8.8.4.4", "", 5]}).encode()
    found = read(data)
    assert (found.drafts, found.allowed, found.refused) == ([], [("domain", "good.net"), ("ip", "8.8.4.4")], 2)


@pytest.mark.behaviour("intel.formats")
def test_a_table_is_read_by_its_header_or_as_it_is_said() -> None:
    text = (
        b"# from somewhere\nFirst_Seen,IOC,Confidence,TLP,Tags\n"
        b'2026-01-01,bad.net,high,white,"a,b"\n,1.2.3.4,5000,,\n,x y,,,\n'
    )
    found = read(text)
    assert found.drafts == [
        Draft(type=Type.DOMAIN, value="bad.net", confidence=85, valid_from=MOMENT, tlp=Tlp.CLEAR, tags=("a", "b"))
    ]
    assert [(one.at, one.why) for one in found.examples] == [
        ("line 4", "the confidence is not between 0 and 100"),
        ("line 5", "the value is of no type that we know"),
    ]
    named = read(b"a;b\nsha256:" + b"ab" * 32 + b";bad.net\n", "csv", {"value": "b", "title": "a"})
    assert [(one.value, one.title[:8]) for one in named.drafts] == [("bad.net", "sha256:a")]
    for wrong in ({"value": "nothing"}, {"worth": "a"}, {}):
        with pytest.raises(Invalid):
            read(b"a,b\n1,2\n", "csv", wrong)


@pytest.mark.behaviour("intel.formats")
def test_a_list_has_a_value_a_line() -> None:
    found = read(b"# bad\n0.0.0.0 bad.net # why\nhxxp://evil[.]net/x\n\n1.2.3.4\nnonsense\n")
    assert [(one.type.value, one.value) for one in found.drafts] == [
        ("domain", "bad.net"), ("url", "http://evil.net/x"), ("ip", "1.2.3.4"),
    ]  # fmt: skip
    assert [one.at for one in found.examples] == ["line 6"]


@pytest.mark.behaviour("intel.formats")
def test_a_file_says_by_its_beginning_what_it_is() -> None:
    documents = [b'{"type":"bundle"}', b'[{"Event":{}}]', b"a,b\n", b"# x\nbad.net\n", b'\xef\xbb\xbf {"list":[]}']
    assert [guess_format(document) for document in documents] == ["stix", "misp", "csv", "list", "misp"]


@pytest.mark.behaviour("intel.bounds")
@pytest.mark.parametrize(
    ("data", "format_"),
    [
        (b"[" * 100_000, "stix"),
        (b'{"objects":' + b'[{"a":' * 50_000, "stix"),
        (b'{"objects":7}', "stix"),
        (b"\xff\xfe", "stix"),
        (b"[" * 100_000, "misp"),
        (b'{"Event":7}', "misp"),
        (b'{"type":"regex","list":[]}', "misp"),
        (b"value\n" + b"bad.net\n" * 9, "csv"),
        (b"bad.net\n" * 9, "list"),
        (bundle(*({"type": "x"} for _ in range(9))), "stix"),
        (b"bad.net", "yara"),
    ],
    ids=range(11),
)
def test_a_hostile_file_is_refused_as_a_whole(data: bytes, format_: str) -> None:
    with pytest.raises(Invalid):
        read(data, format_, most=8)


@pytest.mark.behaviour("intel.bounds")
def test_a_deep_object_costs_itself_only() -> None:
    deep: Any = "x"
    for _ in range(900):
        deep = [deep]
    found = read(bundle(indicator(1, "[domain-name:value = 'a.net']"), {"type": "indicator", "id": "d", "deep": deep}))
    assert (len(found.drafts), found.refused) == (1, 1)
