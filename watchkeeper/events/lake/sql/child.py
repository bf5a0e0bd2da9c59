"""The process that runs one query and nothing else. Started as a script: it imports nothing of ours but reads one line.

The engine has no cap on its memory and nothing that stops it, so both are done to a process that may die:
1. The limit of memory is set before the engine is loaded (a join that eats the host).
2. When whoever asked is gone, however it went, this ends, and in any case a little after the query's time. The kernel
   sees to both: the engine keeps Python waiting, and a thread would look too late (a query that nobody waits for).
3. Rows leave as they come, counted and weighed; what is over the limits is never read (an answer that fills memory).
It reads the tables it was told of, by names that the query was rewritten to, and writes nothing. What opens an object
store comes on standard input with the query: a command line or an environment could be read by others.
"""

from __future__ import annotations

import ctypes
import datetime
import json
import os
import resource
import signal
import struct
import sys
import threading
from collections.abc import Iterator
from typing import Any

_BATCH = 500
_PARENT_DEATH_SIGNAL = 1
"""`PR_SET_PDEATHSIG`."""


def main() -> None:
    _die_with(int(sys.argv[1]))
    line = sys.stdin.buffer.readline()
    if not line:
        return  # stopped before it was asked
    request = json.loads(line)
    signal.alarm(int(request["seconds"]) + 10)
    _limit(int(request["memory"]), float(request["seconds"]))
    threading.Thread(target=_end_with_the_asker, daemon=True).start()
    try:
        _answer(request)
    except Exception as error:  # noqa: BLE001 — the outermost loop; the engine raises bare `Exception`
        _send({"error": str(error), "kind": type(error).__name__})
    sys.stdout.buffer.flush()
    os._exit(0)  # the engine's threads have nothing left to do


def _limit(memory: int, seconds: float) -> None:
    kind = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
    resource.setrlimit(kind, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    processor = int(seconds * (os.cpu_count() or 1)) + 5
    resource.setrlimit(resource.RLIMIT_CPU, (processor, processor))


def _die_with(asker: int) -> None:
    """From now on the kernel kills this process when `asker` is gone; only Linux can, elsewhere it is the pipe."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != asker:
        os._exit(1)  # it was gone before


def _end_with_the_asker() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def _answer(request: dict[str, Any]) -> None:
    from deltalake import DeltaTable, QueryBuilder  # noqa: PLC0415 — after the limit of memory is set

    builder = QueryBuilder(request["config"])
    for name, table in request["tables"].items():
        builder.register(name, DeltaTable(table["uri"], version=table["version"], storage_options=table["options"]))
    _send({"loaded": True})
    reader = builder.execute(request["sql"])
    kinds = {name: _kind(str(reader.schema.field(name).type)) for name in reader.schema.names}
    _send({"columns": list(kinds), "types": list(kinds.values())})
    _send({"end": True, "is_cut": _send_rows(reader, kinds, request["rows"], request["bytes"])})


def _send_rows(reader: Any, kinds: dict[str, str], most_rows: int, most_bytes: int) -> bool:
    rows = sent = 0
    for batch in reader:
        for part in _parts(batch, kinds):
            keep = part[: most_rows - rows]
            data = json.dumps({"rows": keep}, ensure_ascii=False).encode("utf-8", "surrogatepass")
            if sent + len(data) > most_bytes:
                return True
            _send_bytes(data)
            rows, sent = rows + len(keep), sent + len(data)
            if len(keep) < len(part):
                return True
    return False


def _parts(batch: Any, kinds: dict[str, str]) -> Iterator[list[list[Any]]]:
    for start in range(0, batch.num_rows, _BATCH):
        part = batch.slice(start, min(_BATCH, batch.num_rows - start))
        columns = [_values(part[name], kind) for name, kind in kinds.items()]
        yield [list(row) for row in zip(*columns, strict=True)] if columns else [[]] * part.num_rows


def _values(column: Any, kind: str) -> list[Any]:
    if kind == "time":
        from arro3.core import DataType  # noqa: PLC0415 — after the limit of memory is set

        unit = str(column.type)
        factor = 1 if "µs" in unit or "Microsecond" in unit else 0
        if not factor:
            column = column.cast(DataType.timestamp("us", tz="UTC"))
        return [None if value is None else _iso(value) for value in column.cast(DataType.int64()).to_pylist()]
    values: list[Any] = column.to_pylist()
    if kind == "date":
        return [None if value is None else value.isoformat() for value in values]
    return values


def _iso(microseconds: int) -> str:
    whole, fraction = divmod(microseconds, 1_000_000)
    moment = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(seconds=whole)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction:06d}Z"


def _kind(name: str) -> str:
    """What a person would call an Arrow type."""
    lower = name.lower()
    for begin, kind in (
        ("arro3.core.datatype<", ""),
        ("timestamp", "time"),
        ("date", "date"),
        ("list", "list"),
        ("largelist", "list"),
        ("bool", "boolean"),
        ("int", "integer"),
        ("uint", "integer"),
        ("float", "number"),
        ("decimal", "number"),
    ):
        if not kind:
            lower = lower.removeprefix(begin).lstrip("\n")
        elif lower.startswith(begin):
            return kind
    return "text"


def _send(frame: dict[str, Any]) -> None:
    _send_bytes(json.dumps(frame, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def _send_bytes(data: bytes) -> None:
    sys.stdout.buffer.write(struct.pack(">I", len(data)) + data)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
