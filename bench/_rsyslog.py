"""A real rsyslogd as receiver: messages over TLS, our certificate demanded, each written as rsyslog itself read it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

DRIVERS = [Path("/usr/lib") / arch / "rsyslog/lmnsd_gtls.so" for arch in ("x86_64-linux-gnu", "aarch64-linux-gnu")]
_CONFIG = """
global(workDirectory="{folder}" maxMessageSize="64k" debug.onShutdown="off"
       DefaultNetstreamDriverCAFile="{ca}" DefaultNetstreamDriverCertFile="{certificate}"
       DefaultNetstreamDriverKeyFile="{key}")
module(load="imtcp" KeepAlive="on" {tls})
module(load="imudp")
input(type="imtcp" port="{port}" address="127.0.0.1" listenPortFileName="{folder}/port")
{udp}
template(name="read" type="list") {{ property(name="jsonmesg") constant(value="\\n") }}
action(type="omfile" file="{folder}/messages" template="read" asyncWriting="off" flushOnTXEnd="on")
"""
_TLS = 'StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="x509/certvalid"'


def missing() -> str:
    """Why it cannot run here; empty when it can."""
    if shutil.which("rsyslogd", path=os.defpath + ":/usr/sbin:/sbin") is None:
        return "there is no rsyslogd"
    return "" if any(path.exists() for path in DRIVERS) else "rsyslog has no TLS here (rsyslog-gnutls)"


def _read(line: bytes) -> list[dict[str, Any]]:
    """A line, or what stands behind the torn half of one that a kill left."""
    for part in (line, line[max(0, line.rfind(b'{"msg":')) :]):
        try:
            return [json.loads(part)]
        except ValueError:
            continue
    return []


class Rsyslog:
    """On a port of its own; may be killed and started again on the same one."""

    def __init__(self, folder: Path, ca: Path, certificate: Path, key: Path, *, tls: bool = True, udp: int = 0) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.port = 0
        self._files = {"ca": ca, "certificate": certificate, "key": key}
        self._tls = _TLS if tls else ""
        self._udp = f'input(type="imudp" port="{udp}" address="127.0.0.1")' if udp else ""
        self._process: subprocess.Popen[bytes] | None = None
        self._read = 0
        self._messages: list[dict[str, Any]] = []
        self.start()

    def start(self) -> None:
        config = self.folder / "rsyslog.conf"
        said = _CONFIG.format(folder=self.folder, port=self.port, tls=self._tls, udp=self._udp, **self._files)
        config.write_text(said, encoding="utf-8")
        port = self.folder / "port"
        program = shutil.which("rsyslogd", path=os.defpath + ":/usr/sbin:/sbin")
        assert program is not None
        with (self.folder / "rsyslog.log").open("ab") as log:
            command = [program, "-n", "-f", str(config), "-i", str(self.folder / "pid")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while not self._listens(port):
            assert self._process.poll() is None, (self.folder / "rsyslog.log").read_text()
            assert time.monotonic() < deadline, "rsyslogd does not listen"
            time.sleep(0.02)

    def _listens(self, port: Path) -> bool:
        """On a port that it chose, it writes down which; on a given one, it can be reached."""
        if not self.port:
            self.port = int(port.read_text() or 0) if port.exists() else 0
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def stop(self, number: int = signal.SIGTERM) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(20)
            (self.folder / "pid").unlink(missing_ok=True)

    def messages(self) -> list[dict[str, Any]]:
        """All that it wrote so far, as it read them."""
        path = self.folder / "messages"
        if path.exists():
            with path.open("rb") as file:
                file.seek(self._read)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._read += len(line)
                    self._messages += _read(line)
        return self._messages
