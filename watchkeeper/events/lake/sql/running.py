"""Running a query in a process of its own: watched, bounded, killed when it must be, and then it is said why.

The public door of this package: `Lake.prepare`, `Lake.plan`, `Lake.run`. Any thread may cancel; an interrupt of the
command line comes through as it is, and the process is gone before it does.
"""

from __future__ import annotations

import json
import os
import secrets
import selectors
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.core.clock import Clock, SystemClock
from watchkeeper.core.errors import Invalid, Unavailable
from watchkeeper.events.lake.places import Place
from watchkeeper.events.lake.sql import dialects
from watchkeeper.events.lake.sql.checking import Value
from watchkeeper.events.lake.sql.model import Answer, Limits, Plan, Range
from watchkeeper.events.lake.sql.planning import plan
from watchkeeper.events.lake.sql.rewriting import Prepared, prepare, rewrite
from watchkeeper.events.lake.sql.snapshot import Snapshot

_CHILD = Path(__file__).with_name("child.py")
_SYSTEM = SystemClock()
_NO_LIMITS = Limits()
_LOOK = 0.2
"""Seconds between two looks at the clock and at whoever may cancel."""
_LARGEST = 256 * 1024 * 1024
CONFIG = {
    "datafusion.execution.parquet.pushdown_filters": "true",
    "datafusion.execution.parquet.reorder_filters": "true",
}
"""Filters are evaluated while a file is read: columns that a filter throws away are never decoded."""


class Cancelled(Unavailable):
    """Somebody asked for the query's end."""

    code = "cancelled"


class Progress(msgspec.Struct, frozen=True):
    """How far a query has come."""

    seconds: float
    bytes_read: int | None
    """From files, as far as the system tells; `None` also for an object store."""
    rows: int
    """Of the answer, so far."""
    journal: tuple[int, int] = (0, 0)
    """Records of the journal that were looked at because the lake does not hold them, and of how many."""


_Tell = Callable[[Progress], None]


class Lake:
    """One tenant's questions to a data folder; writes nothing into it, so any process may."""

    def __init__(
        self, data_dir: Path, tenant: str = "default", clock: Clock = _SYSTEM, *, place: Place | None = None
    ) -> None:
        """`place` is where the lake lies, by default in the data folder."""
        self._data_dir = data_dir
        self._tenant = tenant
        self._clock = clock
        self._place = place

    def prepare(self, sql: str, asked: Range | None = None, parameters: dict[str, Value] | None = None) -> Prepared:
        """The query checked, bounded and bound to the tenant. Raises `Invalid`."""
        return prepare(sql, tenant=self._tenant, now=self._clock.now(), asked=asked, parameters=parameters)

    def plan(self, prepared: Prepared) -> Plan:
        """What it would read; nothing is read for it but the table's log. Raises `Unavailable`."""
        with Snapshot(self._data_dir, self._place) as snapshot:
            return plan(snapshot.table, prepared, snapshot.note, snapshot.tail.waiting())

    def run(
        self,
        prepared: Prepared,
        limits: Limits = _NO_LIMITS,
        *,
        tell: _Tell | None = None,
        cancel: threading.Event | None = None,
    ) -> Answer:
        """The rows. Raises `Invalid` when the engine cannot do it, `Unavailable` when it was stopped."""
        begin = time.monotonic()
        with Snapshot(self._data_dir, self._place) as snapshot, _Child(snapshot.is_local) as child:
            frames = _Frames(child, limits, begin, tell, cancel)
            sources = snapshot.sources(prepared.tenant, prepared.span, frames.look_at_journal)
            tables = {f"rows_{secrets.token_hex(8)}": source for source in sources}
            text = dialects.write(rewrite(prepared, tuple(tables)), "datafusion")
            child.ask(
                {
                    "sql": text,
                    "tables": tables,
                    "config": CONFIG,
                    "rows": limits.rows,
                    "bytes": limits.bytes,
                    "seconds": limits.seconds,
                    "memory": limits.memory,
                }
            )
            columns, types, rows, is_cut = _collected(frames, tuple(tables))
            return Answer(
                columns=columns,
                types=types,
                rows=rows,
                is_cut=is_cut,
                plan=plan(snapshot.table, prepared, snapshot.note, frames.journal[1]),
                from_journal=snapshot.tail.rows,
                unreadable=snapshot.tail.unreadable,
                missing=snapshot.tail.missing,
                seconds=time.monotonic() - begin,
            )


class _Child:
    """The process, from before it has been told anything; gone when the context ends, however that ends."""

    def __init__(self, is_local: bool) -> None:
        self._is_local = is_local

    def __enter__(self) -> _Child:
        self.process = subprocess.Popen(  # noqa: S603 — our own file, run by our own interpreter
            [sys.executable, "-I", str(_CHILD), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # an interrupt at the terminal is for us; we end it
            cwd="/",
        )
        self.complaints: list[bytes] = []
        self._ear = threading.Thread(target=self._listen, daemon=True)
        self._ear.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self._ear.join(1)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]

    def ask(self, request: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it ended; why is told where its answer is missed
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()

    def bytes_read(self) -> int | None:
        if not self._is_local:
            return None  # what comes from the network is not counted there
        try:
            told = Path(f"/proc/{self.process.pid}/io").read_text(encoding="ascii")
            return int(told.split("rchar:")[1].split()[0])
        except (OSError, IndexError, ValueError):
            return None

    def why(self) -> str:
        self._ear.join(1)
        return b"".join(self.complaints)[-2000:].decode("utf-8", "replace").strip()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.complaints = [*self.complaints[-20:], line]


class _Frames:
    """What the process says, one value after the other, until it ends or must be ended."""

    def __init__(
        self, child: _Child, limits: Limits, begin: float, tell: _Tell | None, cancel: threading.Event | None
    ) -> None:
        self._child, self._limits, self._begin, self._tell, self._cancel = child, limits, begin, tell, cancel
        self.rows = 0
        self.journal = (0, 0)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        assert self._child.process.stdout is not None
        handle = self._child.process.stdout.fileno()
        held = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(handle, selectors.EVENT_READ)
            while True:
                self.look()
                if not selector.select(_LOOK):
                    continue
                data = os.read(handle, 1 << 20)
                if not data:
                    raise self._ended()
                held += data
                while (frame := _first_frame(held)) is not None:
                    yield frame
                    if "end" in frame or "error" in frame:
                        return

    def look_at_journal(self, looked: int, of: int) -> None:
        """`look`, while the journal's part is put aside."""
        self.journal = (looked, of)
        self.look()

    def look(self) -> None:
        """Raises when the time is over or somebody cancelled; tells how far it has come."""
        seconds = time.monotonic() - self._begin
        if self._cancel is not None and self._cancel.is_set():
            raise Cancelled("the query was cancelled", hint="nothing was changed; ask again when you like")
        if seconds > self._limits.seconds:
            raise Unavailable(
                f"the query was stopped after {self._limits.seconds:g} s",
                hint="narrow the range (--since 1h), ask for fewer columns or groups, or give it more time (--timeout)",
            )
        if self._tell is not None:
            self._tell(Progress(seconds, self._child.bytes_read(), self.rows, self.journal))

    def _ended(self) -> Unavailable:
        code = self._child.process.wait()
        said = self._child.why()
        is_memory = "allocat" in said.lower() or "MemoryError" in said or "Cannot allocate" in said
        if is_memory or code == -signal.SIGABRT:
            return _out_of_memory(self._limits)
        if code == -signal.SIGXCPU:
            return Unavailable(
                f"the query was stopped: it used all processor time of {self._limits.seconds:g} s",
                hint="narrow the range, or give it more time (--timeout)",
            )
        if code == -signal.SIGKILL:
            return Unavailable(
                "the query's process was killed by the system, as happens when memory is short",
                hint="narrow the range, or give it less memory (--memory), so that it ends by itself",
            )
        return Unavailable(f"the query's process ended with {code}: {said or 'it said nothing'}")


def _first_frame(held: bytearray) -> dict[str, Any] | None:
    if len(held) < 4:
        return None
    (length,) = struct.unpack_from(">I", held)
    if length > _LARGEST:
        raise Unavailable("the query's process sent what is no answer")
    if len(held) < 4 + length:
        return None
    frame: dict[str, Any] = json.loads(bytes(held[4 : 4 + length]).decode("utf-8", "surrogatepass"))
    del held[: 4 + length]
    return frame


def _collected(
    frames: _Frames, tables: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[Any, ...], ...], bool]:
    columns: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    rows: list[tuple[Any, ...]] = []
    for frame in frames:
        if "columns" in frame:
            columns, types = tuple(frame["columns"]), tuple(frame["types"])
        elif "rows" in frame:
            rows += map(tuple, frame["rows"])
            frames.rows = len(rows)
        elif "error" in frame:
            raise _engine_said(frame, tables, frames)
        elif "end" in frame:
            return columns, types, tuple(rows), bool(frame["is_cut"])
    raise Unavailable("the query's process did not finish its answer")


_PLANNING = (
    "during planning",
    "schema error",
    "not implemented",
    "unsupported",
    "invalid function",
    "coercion",
    "subquery",
)


def _engine_said(frame: dict[str, Any], tables: tuple[str, ...], frames: _Frames) -> Exception:
    text = str(frame["error"])
    for name in tables:
        text = text.replace(name, "events")
    first = text.split("\n")[0][:400]
    if frame.get("kind") == "MemoryError" or ("memory" in text.lower() and "allocat" in text.lower()):
        return _out_of_memory(frames._limits)
    if any(word in text.lower() for word in _PLANNING):
        return Invalid(f"the engine cannot run this query: {first}", hint="the SQL page says what can be written")
    hint = "restart the service; a damaged lake is filled again, and of an object store it says what is wrong"
    return Unavailable(f"the lake cannot be read: {first}", hint=hint)


def _out_of_memory(limits: Limits) -> Unavailable:
    return Unavailable(
        f"the query was stopped: it needed more than {limits.memory // 1024**2} MiB of memory",
        hint="narrow the range (--since 1h), group by less, select fewer columns, or allow more (--memory)",
    )
