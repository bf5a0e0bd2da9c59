"""A large lake for benchmarks, made once: the product's schema, partitions and writer settings, without a journal.

Rows are calls of MCP tools of about 930 bytes, spread evenly over ten days, in files as the product leaves them once
a day is over: of one day, about `compact_megabytes` each, sorted by server, target and time. Words come from a fixed
seed. NumPy and pyarrow make them; both come with the engines that are compared.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, WriterProperties, write_deltalake
from deltalake import Schema as DeltaSchema

from watchkeeper.events.lake.schema import COLUMNS, PARTITIONS, SCHEMA

START = datetime.date(2026, 11, 1)
DAYS = 10
NEEDLES = (
    "/etc/shadow", ".ssh/id_rsa", "169.254.169.254", "curl -fsSL http", ".aws/credentials", "BEGIN OPENSSH",
    "xoxb-4821", "AKIA2E0A8F3B", "chmod 4755", "nc -e /bin/sh", "base64 -d | sh", "drop table users",
    "webhook.site", "ngrok-free.app", "../../../../root", "ignore previous",
)  # fmt: skip
"""What a hunter might look for: each stands in the arguments of one call in 200,000."""
_EVERY = 200_000
_ROWS_A_FILE = 100_000
_DAY = 86_400_000_000
_WORDS = 4000


def build(folder: Path, rows: int) -> DeltaTable:
    """The table of `rows` rows in `folder`, made unless it is there."""
    mark = folder / f"{rows}.made"
    path = folder / "lake" / "events"
    if not mark.exists():
        table = DeltaTable.create(path, schema=DeltaSchema.from_arrow(SCHEMA), partition_by=list(PARTITIONS))
        for batch in batches(rows):
            write_deltalake(
                table,
                batch,
                mode="append",
                writer_properties=WriterProperties(compression="ZSTD"),
                target_file_size=512 * 1024 * 1024,
            )
        table.create_checkpoint()
        mark.touch()
    return DeltaTable(path)


def batches(rows: int) -> Iterator[pa.Table]:
    """The rows of one file after the other, each of one day, sorted as a merge sorts them."""
    chance = np.random.default_rng(7)
    pools = _Pools(chance)
    a_day = rows // DAYS
    files = max(1, round(a_day / _ROWS_A_FILE))
    index = 0
    for day in range(DAYS):
        begin = (START - datetime.date(1970, 1, 1)).days + day
        for part in range(files):
            count = a_day // files
            moments = np.sort(chance.integers(part * _DAY // files, (part + 1) * _DAY // files, count)) + begin * _DAY
            yield _table(chance, pools, moments, index, begin)
            index += count


class _Pools:
    """Texts to choose from."""

    def __init__(self, chance: Any) -> None:
        letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
        words = ["".join(chance.choice(letters, size)) for size in chance.integers(3, 10, _WORDS)]
        self.words = pa.array(words)
        self.phrases = pa.array([" ".join(words[i] for i in chance.integers(0, _WORDS, 7)) for _ in range(60_000)])
        self.servers = pa.array([f"server-{number:02d}" for number in range(20)])
        self.tools = pa.array([f"{verb}_{noun}" for verb in _VERBS for noun in _NOUNS])
        self.actors = pa.array([f"agent:team-{number % 17}-{number:03d}" for number in range(300)])
        self.reasons = pa.array([None, "allowed by reading.cedar", "destructive tool without approval"])


_VERBS = ("read", "list", "search", "create", "update", "delete", "send", "fetch")
_NOUNS = ("file", "issue", "message", "page", "record", "ticket", "branch", "event", "row", "user")


def _skewed(chance: Any, size: int, count: int) -> Any:
    """Few are common, most are rare."""
    return np.minimum((chance.random(count) ** 2.5 * size).astype(np.int64), size - 1)


def _hex(chance: Any, count: int, digits: int) -> pa.Array:
    table = np.frombuffer(b"0123456789abcdef", np.uint8)
    letters = table[chance.integers(0, 16, (count, digits))]
    return pa.array(np.ascontiguousarray(letters).view(f"S{digits}")[:, 0].astype(str))


def _ids(chance: Any, moments: Any) -> pa.Array:
    """UUIDs of version 7: the millisecond first."""
    milliseconds = [f"{value:012x}" for value in (moments // 1000).tolist()]
    tails = _hex(chance, len(milliseconds), 18).to_pylist()
    return pa.array([f"{m[:8]}-{m[8:]}-7{t[:3]}-8{t[3:6]}-{t[6:]}" for m, t in zip(milliseconds, tails, strict=True)])


def _joined(*pieces: Any) -> pa.Array:
    return pc.binary_join_element_wise(*pieces, "")


def _table(chance: Any, pools: _Pools, moments: Any, index: int, day: int) -> pa.Table:
    count = len(moments)
    server = _skewed(chance, 20, count)
    tool = (server * 4 + _skewed(chance, 12, count)) % len(pools.tools)
    outcome = np.where(chance.random(count) < 0.04, 2, np.where(chance.random(count) < 0.3, 0, 1))
    phrase = [pools.phrases.take(pa.array(chance.integers(0, len(pools.phrases), count))) for _ in range(11)]
    word = [pools.words.take(pa.array(chance.integers(0, _WORDS, count))) for _ in range(3)]
    marks = np.where(chance.random(count) < len(NEEDLES) / _EVERY, chance.integers(0, len(NEEDLES), count), -1)
    needle = pa.array(["", *NEEDLES]).take(pa.array(marks + 1))
    zeros = pa.array(np.zeros(count, np.int32))
    rule = pa.array(["allow-reading", "allow-writing", "deny-destructive"]).take(pa.array(outcome))
    duration = (chance.lognormal(8, 1.2, count)).astype(np.int64)
    lists = {
        "labels": pa.ListArray.from_arrays(pa.array(np.zeros(count + 1, np.int32)), pa.array([], pa.string())),
        "rules": pa.ListArray.from_arrays(pa.array(np.arange(count + 1, dtype=np.int32)), rule),
    }
    columns: dict[str, Any] = {
        "id": _ids(chance, moments),
        "time": pa.array(moments, pa.timestamp("us", tz="UTC")),
        "v": pc.add(zeros, pa.scalar(1, pa.int32())),
        "kind": pa.array(["gateway.request.decided"] * count),
        "tenant": pa.array(["default"] * count),
        "actor": pools.actors.take(pa.array(_skewed(chance, 300, count))),
        "claimed": pa.array(["client"] * count),
        "server": pools.servers.take(pa.array(server)),
        "target": pools.tools.take(pa.array(tool)),
        "era": pa.array(["modern"] * count),
        "trace_id": _hex(chance, count, 32),
        "span_id": _hex(chance, count, 16),
        "outcome": pa.array(["allow", "allow", "deny"]).take(pa.array(outcome)),
        "severity": pa.array(np.where(outcome == 2, 3, 1).astype(np.int32)),
        **lists,
        "method": pa.array(["tools/call"] * count),
        "reason": pools.reasons.take(pa.array(outcome)),
        "status": pa.array(np.full(count, 200)),
        "duration_us": pa.array(duration),
        "arguments": _joined(
            '{"path":"/srv/', word[0], "/", word[1], '.md","query":"', phrase[0], " ", needle, phrase[1],
            '","note":"', phrase[2], '","cursor":"', word[2], '"}',
        ),
        "result": _joined(
            '{"content":[{"type":"text","text":"', *[piece for p in phrase[3:10] for piece in (p, ". ")],
            '"}],"isError":false}',
        ),
        "body": _joined(
            '{"method":"tools/call","rules":["', rule, '"],"status":200,"duration_us":',
            pa.array(duration).cast("string"), ',"bytes_in":312,"bytes_out":640,"id":',
            pa.array(np.arange(index, index + count)).cast("string"), "}",
        ),
        "writer": pa.array(["gateway"] * count),
        "idx": pa.array(np.arange(index, index + count)),
        "day": pa.array(np.full(count, day, np.int32)).cast(pa.date32()),
    }  # fmt: skip
    columns["retention"] = pa.array(["traffic"] * count)
    table = pa.table([columns[name] for name in COLUMNS], names=list(COLUMNS)).cast(pa.schema(SCHEMA))
    return table.sort_by([(name, "ascending") for name in ("server", "target", "time")])
