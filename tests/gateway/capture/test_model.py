"""What a route's settings come to for each class of text."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.app.settings import load
from watchkeeper.core.errors import Misconfigured
from watchkeeper.gateway.capture.model import Capture, Keep
from watchkeeper.gateway.capture.settings import CaptureSettings, OwnCaptureSettings, ToolCapture, check_capture
from watchkeeper.inspection.model import PERSONAL, SECRET, UNSHOWN


@pytest.mark.behaviour("capture.by-class")
def test_where_nothing_is_said_texts_are_redacted_and_short() -> None:
    capture = Capture()
    assert set(capture.of("tools/call", "read")) == {Keep("redacted", 2048, 512, UNSHOWN)}
    assert capture.full() == []
    assert capture.told() == {
        "arguments": "redacted, 512 to 2048 bytes",
        "results": "redacted, 512 to 2048 bytes",
        "content": "redacted, 512 to 2048 bytes",
        "messages": "redacted, 512 to 2048 bytes",
        "definitions": "redacted, 16384 bytes",
        "claims": "kept",
    }


@pytest.mark.behaviour("capture.by-class")
def test_a_server_differs_in_what_it_says_and_in_nothing_else() -> None:
    settings = CaptureSettings(results="metadata", messages="full", sizes={"arguments": 100})
    own = OwnCaptureSettings(results="full", sizes={"results": 8192})
    capture = Capture(settings, own)
    assert capture.of("tools/call", "x").arguments.bytes == 100
    assert capture.of("tools/call", "x").results == Keep("full", 8192, 8192, frozenset({SECRET}))
    assert capture.messages.bytes == 65_536
    assert capture.full() == ["messages", "results"]


@pytest.mark.behaviour("capture.by-class")
def test_what_prompts_and_resources_hold_is_a_class_of_its_own() -> None:
    capture = Capture(CaptureSettings(content="metadata"))
    for method in ("prompts/get", "resources/read"):
        assert capture.of(method, "x").results.mode == "metadata"
    assert capture.of("tools/call", "x").results.mode == "redacted"


@pytest.mark.behaviour("capture.by-tool")
def test_the_first_pattern_that_fits_counts() -> None:
    tools = {
        "read_secret": ToolCapture(arguments="redacted", bytes=99),
        "read_*": ToolCapture(arguments="metadata", results="metadata"),
    }
    capture = Capture(None, OwnCaptureSettings(tools=tools))
    assert capture.of("tools/call", "read_secret").arguments == Keep("redacted", 99, 99)
    assert capture.of("tools/call", "read_file").arguments.mode == "metadata"
    assert capture.of("tools/call", "write_file").arguments.mode == "redacted"
    assert capture.of("resources/read", "read_file").arguments.mode == "redacted", "only calls of tools"
    for number in range(10_000):  # names that a client makes up are not remembered for ever
        capture.of("tools/call", f"made_up_{number}")
    assert len(capture._known) <= 4096


@pytest.mark.behaviour("capture.personal-data")
def test_what_follows_from_personal_data_and_secrets() -> None:
    assert Capture(CaptureSettings(results="full")).results.masks == {SECRET}
    assert Capture(CaptureSettings(results="full", personal="redacted")).results.masks == UNSHOWN
    assert Capture(CaptureSettings(personal="full")).results.masks == {SECRET}
    dropping = Capture(CaptureSettings(personal="metadata", secrets="metadata")).results
    assert dropping.drops == {SECRET, PERSONAL}
    assert dropping.told() == "redacted, 512 to 2048 bytes, nothing where personal data or a secret was found"


@pytest.mark.behaviour("capture.bad-settings")
@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[capture]\nsecrets = "full"', "capture.secrets"),
        ('[capture]\narguments = "some"', "capture.arguments"),
        ("[capture.sizes]\nheaders = 100", "capture.sizes"),
        ("[capture.sizes]\nresults = 5", "capture.sizes"),
        ('[servers.a]\nurl = "http://x/"\n[servers.a.capture]\nsecrets = "full"', "servers.a.capture.secrets"),
        (
            '[servers.a]\nurl = "http://x/"\n[servers.a.capture.tools."b*"]\nsecrets = "full"',
            "servers.a.capture.tools.b*.secrets",
        ),
        ('[servers.a]\nurl = "http://x/"\n[servers.a.capture]\nresult = "full"', "servers.a.capture.result"),
    ],
)
def test_what_cannot_be_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "w.toml"
    file.write_text(text)
    with pytest.raises(Misconfigured) as refused:
        read(file)
    assert named in refused.value.reason


def read(file: Path) -> None:
    settings = load(file, file.parent).settings
    check_capture("capture", settings.capture)
    for name, server in settings.servers.items():
        check_capture(f"servers.{name}.capture", server.capture)
