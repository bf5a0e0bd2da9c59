from __future__ import annotations

import os
import socket
import stat
import tempfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from watchkeeper.core.errors import Conflict, Invalid, Misconfigured, Unavailable, Untrusted
from watchkeeper.core.files import LONGEST_SOCKET, Lock, make_private_folder, socket_folder, socket_path, write_private
from watchkeeper.core.keys import SigningKey, is_signed_by


@pytest.mark.behaviour("core.keys-are-private")
def test_a_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "journal.pem"
    key = SigningKey.load_or_create(path)
    assert SigningKey.load_or_create(path).public == key.public
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_signature_holds_for_its_message_and_key_only() -> None:
    key, other = SigningKey.generate(), SigningKey.generate()
    signature = key.sign(b"said")
    assert is_signed_by(key.public, signature, b"said")
    assert not is_signed_by(key.public, signature, b"not said")
    assert not is_signed_by(other.public, signature, b"said")
    assert not is_signed_by(b"short", signature, b"said")


@pytest.mark.behaviour("core.keys-others-can-read-are-refused")
def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    SigningKey.load_or_create(path)
    path.chmod(0o644)
    with pytest.raises(Untrusted):
        SigningKey.load_or_create(path)


@pytest.mark.parametrize("flaw", ["garbage", "rsa"])
def test_a_file_that_is_no_ed25519_key_is_refused(tmp_path: Path, flaw: str) -> None:
    data = b"not a key"
    if flaw == "rsa":
        data = rsa.generate_private_key(65537, 2048).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    path = tmp_path / "key.pem"
    write_private(path, data)
    with pytest.raises(Misconfigured):
        SigningKey.load_or_create(path)
    assert path.read_bytes() == data


def test_an_exclusive_write_never_overwrites(tmp_path: Path) -> None:
    write_private(tmp_path / "file", b"first", exclusive=True)
    with pytest.raises(Conflict):
        write_private(tmp_path / "file", b"second", exclusive=True)
    assert (tmp_path / "file").read_bytes() == b"first"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable):
        make_private_folder(tmp_path / "file" / "folder")


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    with Lock(tmp_path / "run" / "lock").acquire("the data folder"), pytest.raises(Conflict):
        Lock(tmp_path / "run" / "lock").acquire("the data folder")
    Lock(tmp_path / "run" / "lock").acquire("the data folder").close()


@pytest.mark.parametrize("length", range(20, 110, 3))
def test_all_sockets_of_a_folder_lie_together_whatever_its_length(length: int) -> None:
    """Whoever looks for gateways lists one folder; a sandbox hides one."""
    folder = Path("/" + "d" * length)
    paths = [socket_path(folder, name) for name in ("a", "gateway-1234567", "g" * (LONGEST_SOCKET - len(".sock")))]
    assert {path.parent for path in paths} == {socket_folder(folder)}
    assert max(len(os.fsencode(path)) for path in paths) < 104
    with pytest.raises(Invalid):
        socket_path(folder, "g" * LONGEST_SOCKET)


def test_a_socket_path_always_fits() -> None:
    for folder in (Path("/tmp/short"), Path("/tmp") / ("long" * 40)):
        path = socket_path(folder, "gateway-1")
        assert len(os.fsencode(path)) < 100
    assert socket_path(Path("/tmp") / ("long" * 40), "a") != socket_path(Path("/tmp") / ("lang" * 40), "a")
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = socket_path(Path(folder), "watch")
        make_private_folder(path.parent)
        listener.bind(str(path))
