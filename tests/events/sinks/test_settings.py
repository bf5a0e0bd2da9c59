"""Sinks that cannot work are refused, and the setting is named."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from watchkeeper.core.errors import Misconfigured
from watchkeeper.events.sinks import SinkSettings, check_sinks

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guides" / "sinks.md"
HEC = {"type": "splunk_hec", "url": "https://splunk.example:8088", "token": "env:T"}


@pytest.mark.behaviour("sinks.settings")
@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"type": "elastic"}, "sinks.x.url"),
        ({"type": "syslog"}, "sinks.x.address"),
        ({"type": "file"}, "sinks.x.path"),
        ({"type": "file", "path": "events.jsonl"}, "sinks.x.path"),
        ({**HEC, "token": ""}, "sinks.x.token"),
        ({**HEC, "token": "the token itself"}, "sinks.x.token"),
        ({**HEC, "url": "https://u:p@splunk.example"}, "sinks.x.url"),
        ({**HEC, "url": "https://splunk.example/?token=abc"}, "sinks.x.url"),
        ({**HEC, "format": "lines"}, "sinks.x.format"),
        ({**HEC, "address": "a:1"}, "sinks.x.address"),
        ({**HEC, "tls_certificate": "/a.pem"}, "tls_certificate"),
        ({"type": "ocsf_http", "url": "https://a.example", "format": "event"}, "sinks.x.format"),
        ({"type": "cef", "address": "siem.example"}, "sinks.x.address"),
        ({"type": "cef", "address": "siem.example:0"}, "sinks.x.address"),
        ({"type": "syslog", "address": "a:1", "sd_id": 'a b="1"]'}, "sinks.x.sd_id"),
    ],
)
def test_a_section_that_cannot_work_is_refused(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        check_sinks({"x": SinkSettings(**fields)})
    assert named in refused.value.reason
    assert "the token itself" not in refused.value.reason + refused.value.hint


def test_every_example_of_the_guide_is_a_sink_that_can_work() -> None:
    blocks = re.findall(r"^```toml\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    found: dict[str, SinkSettings] = {}
    for block in blocks:
        sinks = msgspec.convert(tomllib.loads(block)["sinks"], dict[str, SinkSettings])
        check_sinks(sinks)
        found |= sinks
    every = get_args(get_args(get_type_hints(SinkSettings, include_extras=True)["type"])[0])
    assert {sink.type for sink in found.values()} == set(every)


def test_good_sections_pass() -> None:
    check_sinks(
        {
            "a": SinkSettings(**HEC),  # type: ignore[arg-type]
            "b": SinkSettings(type="syslog", address="[::1]:6514"),
            "c": SinkSettings(type="file", path="/var/log/events.jsonl", format="ocsf"),
        }
    )


def test_two_sinks_do_not_write_one_file() -> None:
    one = SinkSettings(type="file", path="/var/log/events.jsonl")
    with pytest.raises(Misconfigured, match="writes that file already"):
        check_sinks({"a": one, "b": one})


def test_a_name_that_would_leave_its_folder_is_refused() -> None:
    with pytest.raises(Misconfigured, match="a sink's name"):
        check_sinks({"../x": SinkSettings(type="file", path="/a")})
