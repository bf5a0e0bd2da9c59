"""Commands that are shown to be copied do what they say in a real shell, whatever the names in them."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from watchkeeper.web.commands import command, link

HOSTILE = [
    "$(touch pwned)",
    "`id`",
    "a b",
    "it's",
    "--all",
    "a\nrm -rf .\n",
    "\x1b[2K",
    "\u202eevil",
    "caf\u00e9",
    "\\",
    "",
    "!!",
]


@pytest.mark.behaviour("web.commands-are-quoted")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_shell_reads_back_exactly_the_hostile_name(name: str) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash")
    line = command("pins approve", "server", name)
    assert line.isprintable()
    printed = subprocess.run(
        [bash, "-c", f"watchkeeper() {{ printf '%s\\0' \"$@\"; }}\n{line}"],
        capture_output=True,
        check=True,
        env={"LC_ALL": "C.UTF-8"},
    )
    words = printed.stdout.decode().split("\0")[:-1]
    assert words[-1] == name
    assert ("--" in words) == name.startswith("-")


def test_options_stand_before_names() -> None:
    assert command("quarantine lift", "o-1", reason="WHY", data="") == "watchkeeper quarantine lift --reason WHY o-1"


def test_a_name_cannot_leave_its_place_in_an_address() -> None:
    assert link("events", "../../leave?x#y") == "/events/..%2F..%2Fleave%3Fx%23y"
    assert link("definition", server="a&b=c", name="//evil.example") == (
        "/definition?server=a%26b%3Dc&name=%2F%2Fevil.example"
    )
