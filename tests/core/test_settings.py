from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.settings import fields_of, read_settings


class Edge(msgspec.Struct, frozen=True):
    host: Annotated[str, Meta(description="Where it listens.")] = "127.0.0.1"
    port: Annotated[int, Meta(description="Its port.", ge=0, le=65535)] = 7310
    strict: Annotated[bool, Meta(description="Whether it is strict.")] = True


class Server(msgspec.Struct, frozen=True):
    command: Annotated[list[str], Meta(description="How it starts.")] = []


class Whole(msgspec.Struct, frozen=True):
    edge: Edge = Edge()
    servers: dict[str, Server] = {}


def written(folder: Path, text: str) -> Path:
    path = folder / "watchkeeper.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.behaviour("core.settings-file-then-environment")
def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, '[edge]\nport = 1\nhost = "::1"\n[servers.time]\ncommand = ["a", "b"]\n')
    read = read_settings(Whole, path, {"WATCHKEEPER_EDGE_PORT": "2", "WATCHKEEPER_EDGE_STRICT": "false"})
    assert read == Whole(edge=Edge(host="::1", port=2, strict=False), servers={"time": Server(["a", "b"])})


def test_nothing_said_is_the_default() -> None:
    assert read_settings(Whole, None, {"PATH": "/bin", "WATCHKEEPER_CORPORA": "x"}) == Whole()


@pytest.mark.behaviour("core.settings-unreadable")
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[edge]\nprot = 1\n", "edge.prot"),
        ("[egde]\n", "egde"),
        ("[servers.time]\ncomand = []\n", "servers.time.comand"),
        ("[edge]\nport = 70000\n", "edge.port"),
        ('[edge]\nport = "many"\n', "edge.port"),
        ("[edge\n", "is not TOML"),
    ],
    ids=["unknown-key", "unknown-section", "unknown-nested", "out-of-range", "wrong-type", "no-toml"],
)
def test_a_flaw_in_the_file_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        read_settings(Whole, written(tmp_path, text), {})
    assert told in caught.value.reason
    assert caught.value.hint


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured):
        read_settings(Whole, tmp_path / "missing.toml", {})
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(Misconfigured):
        read_settings(Whole, binary, {})


def test_a_wrong_name_in_the_environment_is_not_ignored() -> None:
    with pytest.raises(Misconfigured) as caught:
        read_settings(Whole, None, {"WATCHKEEPER_EDGE_PROT": "1"})
    assert "WATCHKEEPER_EDGE_PROT" in caught.value.reason


def test_fields_carry_their_description_and_default() -> None:
    assert fields_of(Edge)[1] == ("port", "Its port.", 7310)
