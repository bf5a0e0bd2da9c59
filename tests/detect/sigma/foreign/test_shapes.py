"""What collectors write becomes one flat record with Sigma's names, and its log source is known."""

from __future__ import annotations

from typing import Any

import pytest

from watchkeeper.detect.sigma.foreign.model import Origin
from watchkeeper.detect.sigma.foreign.moments import moment_of
from watchkeeper.detect.sigma.foreign.origins import KNOWN, origin_of
from watchkeeper.detect.sigma.foreign.shapes import normal, wrapped
from watchkeeper.detect.sigma.model import LogSource

IMAGE = "C:\\Windows\\System32\\cmd.exe"
SYSMON = "Microsoft-Windows-Sysmon/Operational"
CREATION = {"EventID": 1, "Channel": SYSMON, "Provider_Name": "Microsoft-Windows-Sysmon", "Image": IMAGE}
SYSTEM = {
    "Provider": {"#attributes": {"Name": "Microsoft-Windows-Sysmon", "Guid": "x"}},
    "EventID": 1,
    "TimeCreated": {"#attributes": {"SystemTime": "2024-05-01T10:00:00.5Z"}},
    "Channel": SYSMON,
    "Security": {"#attributes": {"UserID": "S-1-5-18"}},
}
SHAPES: dict[str, dict[str, Any]] = {
    "flat": {"EventID": 1, "Channel": SYSMON, "SourceName": "Microsoft-Windows-Sysmon", "Image": IMAGE},
    "flat-with-a-text-for-a-number": {**CREATION, "EventID": "1"},
    "evtx_dump": {"Event": {"System": SYSTEM, "EventData": {"Image": IMAGE}}},
    "evtx_dump-attributes-apart": {
        "Event": {
            "System": {
                "Provider_attributes": {"Name": "Microsoft-Windows-Sysmon"},
                "EventID": {"#text": 1, "#attributes": {"Qualifiers": 0}},
                "Channel": SYSMON,
            },
            "EventData": {"Image": IMAGE},
        }
    },
    "data-as-a-list": {
        "Event": {
            "System": {"Provider": {"@Name": "Microsoft-Windows-Sysmon"}, "EventID": "1", "Channel": SYSMON},
            "EventData": {"Data": [{"@Name": "Image", "#text": IMAGE}, {"@Name": "Empty"}]},
        }
    },
    "data-with-attributes": {
        "Event": {"System": SYSTEM, "EventData": {"Data": [{"#attributes": {"Name": "Image"}, "#text": IMAGE}]}}
    },
    "without-the-outermost": {"System": SYSTEM, "EventData": {"Image": IMAGE}},
    "winlogbeat": {
        "winlog": {
            "event_id": "1",
            "channel": SYSMON,
            "provider_name": "Microsoft-Windows-Sysmon",
            "event_data": {"Image": IMAGE},
        }
    },
    "winlogbeat-of-old": {
        "event_id": 1,
        "log_name": SYSMON,
        "source_name": "Microsoft-Windows-Sysmon",
        "event_data": {"Image": IMAGE},
    },
    "dots-of-a-beat": {
        "winlog.event_id": "1",
        "winlog.channel": SYSMON,
        "winlog.provider_name": "Microsoft-Windows-Sysmon",
        "winlog.event_data.Image": IMAGE,
    },
    "dots-of-xml": {
        "Event.System.EventID": 1,
        "Event.System.Channel": SYSMON,
        "Event.System.Provider.#attributes.Name": "Microsoft-Windows-Sysmon",
        "Event.EventData.Image": IMAGE,
    },
    "every-element-a-list": {
        "Event": {
            "System": [
                {"Provider": [{"$": {"Name": "Microsoft-Windows-Sysmon"}}], "EventID": ["1"], "Channel": [SYSMON]}
            ],
            "EventData": [{"Data": [{"_": IMAGE, "$": {"Name": "Image"}}, {"$": {"Name": "Empty"}}]}],
        }
    },
    "a-hit-of-another-tool": {
        "kind": "individual",
        "document": {"kind": "evtx", "data": {"Event": {"System": SYSTEM, "EventData": {"Image": IMAGE}}}},
    },
    "an-agents-alert": {
        "agent": {"id": "1"},
        "data": {
            "win": {
                "system": {"providerName": "Microsoft-Windows-Sysmon", "eventID": "1", "channel": SYSMON},
                "eventdata": {"image": IMAGE},
            }
        },
    },
    "words-of-a-shell": {"Id": 1, "LogName": SYSMON, "ProviderName": "Microsoft-Windows-Sysmon", "Image": IMAGE},
    "words-of-a-search": {
        "EventCode": "1",
        "Channel": SYSMON,
        "SourceName": "Microsoft-Windows-Sysmon",
        "Image": IMAGE,
    },
    "lower-case": {
        "eventid": 1,
        "channel": SYSMON,
        "provider_name": "Microsoft-Windows-Sysmon",
        "Image": IMAGE,
    },
    "flat-inside": {"Event": {**CREATION}},
    "flat-but-for-its-data": {
        "EventID": 1,
        "Channel": SYSMON,
        "EventSourceName": "Microsoft-Windows-Sysmon",
        "EventData": {"Image": IMAGE},
    },
    "a-search-hit": {"_index": "x", "_source": {**CREATION}},
    "a-search-result": {"preview": False, "result": {**CREATION}},
}


@pytest.mark.behaviour("rules.event-shapes")
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_a_windows_event_has_the_names_of_sigma(shape: str) -> None:
    record = normal(SHAPES[shape])
    assert {name: record.get(name) for name in CREATION} == CREATION
    assert origin_of(record) == Origin("windows", frozenset({"process_creation"}), frozenset({"sysmon"}))


def test_user_data_and_data_without_names_are_found() -> None:
    cleared = {"System": {"EventID": 1102, "Channel": "Security"}, "UserData": {"LogFileCleared": {"Who": "ann"}}}
    assert normal({"Event": cleared})["Who"] == "ann"
    system = {"EventID": 400, "Channel": "Windows PowerShell"}
    for data in (["a", "b"], {"#text": ["a", "b"]}, [{"#text": "a"}, {"#text": "b"}]):
        assert normal({"Event": {"System": system, "EventData": {"Data": data}}})["Data"] == ["a", "b"]
    assert normal({**system, "Message": "a b"})["Data"] == "a b"
    beat = {"winlog": {"event_id": 7, "channel": "Application", "event_data": {"param1": "a", "param2": "b"}}}
    assert normal(beat)["Data"] == ["a", "b"]


def test_a_cleared_log_has_the_channel_of_its_record_and_its_own() -> None:
    system = {"EventID": 104, "Channel": "System", "Level": 4}
    data = {"LogFileCleared": {"Channel": "Security", "Level": "x", "EventID": "9"}}
    expected = {"EventID": 104, "Channel": ["System", "Security"], "Level": "x"}
    winlog = {"event_id": 104, "channel": "System", "user_data": data["LogFileCleared"]}
    for raw in ({"Event": {"System": system, "UserData": data}}, {"winlog": winlog}):
        record = normal(raw)
        assert {name: record[name] for name in expected} == expected
        assert origin_of(record).admits(LogSource("windows", "", "system"), KNOWN)
        assert not origin_of(record).admits(LogSource("windows", "", "security"), KNOWN)


def test_rules_about_a_cleared_log_are_asked_by_the_log_that_was_cleared() -> None:
    provider = "Microsoft-Windows-Eventlog"
    system = {"EventID": 104, "Channel": "System", "Provider": {"#attributes": {"Name": provider}}}
    record = normal({"Event": {"System": system, "UserData": {"LogFileCleared": {"Channel": "Security"}}}})
    assert record["Channel"] == "Security"
    assert origin_of(record) == Origin("windows", frozenset(), frozenset({"system"}))


def test_securitys_own_record_of_a_process_is_one_of_creation_too() -> None:
    record = normal(
        {
            "EventID": 4688,
            "Channel": "Security",
            "NewProcessName": IMAGE,
            "ParentProcessName": "C:\\x.exe",
            "SubjectUserName": "ann",
            "SubjectDomainName": "CORP",
            "MandatoryLabel": "S-1-16-12288",
        }
    )
    said = {name: record[name] for name in ("Image", "ParentImage", "User", "IntegrityLevel")}
    assert said == {"Image": IMAGE, "ParentImage": "C:\\x.exe", "User": "CORP\\ann", "IntegrityLevel": "High"}
    assert origin_of(record) == Origin("windows", frozenset({"process_creation"}), frozenset({"security"}))


def test_ecs_without_names_of_windows_is_translated() -> None:
    record = normal({"process": {"executable": "/bin/sh", "command_line": "sh -c id", "parent": {"executable": "/x"}}})
    assert (record["Image"], record["CommandLine"], record["ParentImage"]) == ("/bin/sh", "sh -c id", "/x")
    assert normal({"process.executable": "/bin/sh", "ecs.version": "8"})["Image"] == "/bin/sh"


def test_what_winlogbeats_module_moved_into_ecs_is_put_back() -> None:
    beat = {"event": {"code": "10"}, "process": {"executable": IMAGE}, "winlog": {"channel": SYSMON, "event_data": {}}}
    record = normal(beat)
    assert (record["EventID"], record["SourceImage"], record["Channel"]) == (10, IMAGE, SYSMON)
    pipe = normal({"file": {"name": "\\evil"}, "winlog": {"event_id": 17, "channel": SYSMON, "event_data": {}}})
    assert pipe["PipeName"] == "\\evil"


def test_what_a_collector_kept_in_the_message_only_is_found() -> None:
    script = normal({"EventID": 4104, "Channel": POWERSHELL, "Message": "Creating Scriptblock text (1 of 1):\nwhoami"})
    assert "whoami" in script["ScriptBlockText"]
    module = normal({"EventID": 4103, "Channel": POWERSHELL, "Message": "x"})
    assert (module["Payload"], module["ContextInfo"]) == ("x", "x")


CLOUDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "azure-audit": (
        {"category": "AuditLogs", "operationName": "Add owner", "properties": {"targetResources": [{"type": "User"}]}},
        {"OperationName": "Add owner", "properties.message": "Add owner", "TargetResources": [{"type": "User"}]},
    ),
    "azure-activity": (
        {"operationName": {"value": "A/B/C"}, "category": {"value": "x"}, "properties": {"message": "y"}},
        {"operationName": "A/B/C", "properties.message": None},
    ),
    "azure-risk": ({"properties": {"riskEventType": "x"}, "category": "UserRiskEvents"}, {"riskEventType": "x"}),
    "google": (
        {"protoPayload": {"methodName": "m", "serviceName": "s", "metadata": {"event": [{"eventName": "n"}]}}},
        {"gcp.audit.method_name": "m", "eventService": "s", "eventName": ["n"]},
    ),
    "zeek": ({"_path": "http", "uri": "/x", "host": "h"}, {"c-uri": "/x", "cs-host": "h"}),
    "web": ({"cs-method": "GET", "cs(User-Agent)": "u", "cs-uri-stem": "/x"}, {"c-useragent": "u", "c-uri": "/x"}),
}


@pytest.mark.behaviour("rules.event-shapes")
@pytest.mark.parametrize("name", CLOUDS)
def test_records_of_clouds_have_the_names_that_rules_ask_for(name: str) -> None:
    raw, expected = CLOUDS[name]
    record = normal(raw)
    assert {key: record.get(key) for key in expected} == expected


POWERSHELL = "Microsoft-Windows-PowerShell/Operational"
DEFENDER = "Microsoft-Windows-Windows Defender/Operational"
SERVICES = "Service Control Manager"
ACTIVITY = {"operationName": "x", "category": "Administrative", "resourceId": "/y"}
ORIGINS: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "sysmon-registry": ({"EventID": 13, "Channel": SYSMON}, "windows", "registry_set", "sysmon"),
    "channel-in-other-letters": ({"EventID": 4624, "Channel": "security"}, "windows", "", "security"),
    "provider-alone": ({"EventID": 7045, "Provider_Name": SERVICES}, "windows", "", "system"),
    "powershell-script": ({"EventID": 4104, "Channel": POWERSHELL}, "windows", "ps_script", "powershell"),
    "defender": ({"EventID": 1116, "Channel": DEFENDER}, "windows", "antivirus", "windefend"),
    "rpc-firewall-flat": ({"EventID": 3, "EventLog": "RPCFW"}, "rpc_firewall", "application", ""),
    "azure-policy": (
        {"operationName": "x", "category": "Policy", "loggedByService": "y", "tenantId": "z"},
        "azure",
        "",
        "auditlogs",
    ),
    "rpc-firewall": ({"EventID": 3, "Channel": "RPCFW"}, "rpc_firewall", "application", ""),
    "sysmon-for-linux": ({"EventID": 11, "Channel": "Linux-Sysmon/Operational"}, "linux", "file_event", "sysmon"),
    "auditd": ({"type": "EXECVE", "a0": "id"}, "linux", "", "auditd"),
    "cloudtrail": ({"eventSource": "iam.amazonaws.com", "eventName": "CreateUser"}, "aws", "", "cloudtrail"),
    "azure-activity": (ACTIVITY, "azure", "", "activitylogs"),
    "azure-signin": ({"operationName": "x", "category": "SignInLogs", "tenantId": "y"}, "azure", "", "signinlogs"),
    "azure-risk": ({"riskEventType": "anonymizedIPAddress"}, "azure", "", "riskdetection"),
    "gcp": ({"protoPayload": {"methodName": "x"}}, "gcp", "", "gcp.audit"),
    "m365": ({"Workload": "Exchange", "Operation": "x"}, "m365", "", "audit"),
    "okta": ({"eventType": "x", "debugContext": {}}, "okta", "", "okta"),
    "github": ({"action": "x", "actor": "y", "org": "z"}, "github", "", "audit"),
    "kubernetes": ({"objectRef": {"resource": "pods"}, "verb": "get"}, "kubernetes", "application", "audit"),
    "zeek": ({"_path": "smb_files", "name": "x"}, "zeek", "", "smb_files"),
    "zeek-by-ecs": ({"event": {"dataset": "zeek.dns"}}, "zeek", "", "dns"),
    "web": ({"cs-method": "GET", "c-uri": "/"}, "", "webserver", ""),
    "opencanary": ({"logtype": 1001, "node_id": "x"}, "opencanary", "application", ""),
    "says-itself": ({"product": "Linux", "category": "process_creation"}, "linux", "process_creation", ""),
    "ours": ({"kind": "gateway.request.decided"}, "mcp", "gateway", "watchkeeper"),
}


@pytest.mark.behaviour("rules.log-sources")
@pytest.mark.parametrize("name", ORIGINS)
def test_an_event_is_tried_by_the_rules_of_its_log_source(name: str) -> None:
    record, *words = ORIGINS[name]
    origin = origin_of(record)
    assert origin.admits(LogSource(*words), KNOWN)
    assert not origin.admits(LogSource(origin.product or "x", "dns_query", "ntlm"), KNOWN) or not origin.categories
    assert origin.admits(LogSource(product="nobody"), KNOWN) is not bool(origin.product)


@pytest.mark.behaviour("rules.log-sources")
@pytest.mark.parametrize(
    "record",
    [{}, {"a": 1}, {"product": "toaster", "category": "x"}, {"eventName": 7}, {"type": ["EXECVE"]}, {"Channel": "x"}],
    ids=list("abcdef"),
)
def test_an_event_whose_source_cannot_be_told_is_tried_by_every_rule(record: dict[str, Any]) -> None:
    origin = origin_of(record)
    assert all(origin.admits(one, KNOWN) for one in (LogSource("aws", "", "cloudtrail"), LogSource("", "proxy", "")))


def test_a_word_that_no_table_knows_contradicts_nothing_but_another_product_does() -> None:
    origin = origin_of({"EventID": 1, "Channel": SYSMON})
    assert origin.admits(LogSource("windows", "", "brand-new-service"), KNOWN)
    assert not origin.admits(LogSource("linux", "process_creation", ""), KNOWN)
    assert not origin.admits(LogSource("", "webserver", ""), KNOWN)
    assert not origin.admits(LogSource("windows", "image_load", ""), KNOWN)


HOSTILE: tuple[Any, ...] = (
    {"Event": {"System": {"EventID": {"#text": {}}, "Provider": 5, "Channel": ["x"]}, "EventData": {"Data": [[[1]]]}}},
    {"Event": {"System": [], "EventData": 7}},
    {"Event": {}},
    {"winlog": {"event_data": [], "event_id": {}, "channel": 3}},
    {"EventID": 1e400, "Channel": {}},
    {"EventID": [], "Channel": None, "Provider_Name": 4},
    {"EventID": 4688, "NewProcessName": 5, "MandatoryLabel": []},
    {"process": {"executable": {"path": 5}}, "event": {"exec": {"target": {"executable": 1}, "args": 3}}},
    {"_source": {"_source": 1}, "logsource": {"product": []}},
    {"event": {"dataset": 5}, "kind": [], "category": 3, "operationName": 1, "tenantId": 2},
    {"_path": [], "#path": {}},
    {"operationName": [], "properties": {"riskEventType": {}, "": 1}, "category": {"a": 1}, "tenantId": 1},
    {"protoPayload": {"methodName": 1, "metadata": {"event": [1, {"eventName": {}}]}}, "data": 5},
    {"EventID": 4104, "Channel": 7, "Message": []},
    {"winlog": {"channel": SYSMON, "event_data": {}}, "event": {"code": {}}, "process": [], "file": 3},
    {"winlog": {"channel": SYSMON, "event_data": {}}, "event": {"code": [1]}, "process": {}},
)


@pytest.mark.behaviour("rules.event-shapes")
@pytest.mark.parametrize("at", range(len(HOSTILE)))
def test_values_of_wrong_types_break_nothing(at: int) -> None:
    record = normal(HOSTILE[at])
    assert isinstance(origin_of(record), Origin)
    moment_of(record)


@pytest.mark.parametrize(
    ("record", "moment"),
    [
        ({"@timestamp": "2020-01-01T00:00:00Z"}, 1_577_836_800_000_000),
        ({"UtcTime": "2020-01-01 00:00:00.250"}, 1_577_836_800_250_000),
        ({"ts": 1577836800.5}, 1_577_836_800_500_000),
        ({"time": 1577836800000}, 1_577_836_800_000_000),
        ({"timestamp": "1577836800"}, 1_577_836_800_000_000),
        ({"timestamp": "soon", "eventTime": "2020-01-01T01:00:00+01:00"}, 1_577_836_800_000_000),
        ({"timestamp": True}, None),
        ({"timestamp": float("inf")}, None),
        ({"date": "0001-01-01"}, None),
    ],
    ids=list("abcdefghi"),
)
def test_the_time_of_an_event_is_read_as_people_write_it(record: dict[str, Any], moment: int | None) -> None:
    assert moment_of(record) == moment


def test_what_holds_many_events_is_opened() -> None:
    assert list(wrapped({"Records": [{"a": 1}, {"b": 2}]})) == [{"a": 1}, {"b": 2}]
    assert list(wrapped({"hits": {"hits": [{"_source": {}}]}})) == [{"_source": {}}]
    assert list(wrapped([{"a": 1}, [{"b": 2}]])) == [{"a": 1}, {"b": 2}]
    assert list(wrapped({"events": "none"})) == [{"events": "none"}]
