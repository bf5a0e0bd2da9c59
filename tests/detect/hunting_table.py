"""A table to compare engines on: twenty thousand events with everything in them that engines read differently."""

from __future__ import annotations

import random
from pathlib import Path

from deltalake import DeltaTable, write_deltalake
from deltalake import Schema as DeltaSchema

from watchkeeper.detect.hunts.trials import NOW
from watchkeeper.events.lake.schema import PARTITIONS, SCHEMA, to_batch, to_row
from watchkeeper.events.model import Event, Severity, new_event

ROWS = 20_000
FINGERPRINTS = ("sha256:aa", "sha256:bb")
DAYS = 3
_TEXTS = (
    "plain", "O'Brien", '"', "\\", "\\'", "a\nb", "a\tb", "%", "_", "ÄÖß", "\U0001f600", "e\u0301",
    "日本", "--", ";", "\u2028",
    "/etc/shadow", "169.254.169.254", "x | sh", "' OR 1=1 --", "{}", "$1", "\r\n", "\x7f", "İ", "NULL", "null", " ",
)  # fmt: skip
_ACTORS = ("", *(f"agent:{name}" for name in ("a", "b", "O'Brien", "日本", "ä", "z")))
_TOOLS = ("read_file", "READ_all", "send_message", "postIssue", "list", "delete_file", "", "run\nthis", "write'it")
_SERVERS = ("files", "mail", "web", "日本", 'qu"ote', "")


def events() -> list[Event]:
    """Many at the same microsecond; bodies that lack this or that."""
    dice = random.Random(5)
    made = []
    for number in range(ROWS):
        time = NOW - dice.randrange(DAYS * 86_400) * 1_000_000 + dice.choice((0, 0, 1, 999_999))
        is_new = number % 40 == 0 and time > NOW - 6 * 3_600_000_000
        body: dict[str, object] = {"method": "tools/call"} if number % 3 else {}
        if number % 4:
            body["arguments"] = f'{{"x":"{dice.choice(_TEXTS)}","n":{number % 97}}}'
        if number % 5:
            body["duration_us"] = dice.randrange(50)
        if number % 11 == 0:
            body["findings"] = [{"label": dice.choice(("secret", "invisible"))}]
        if number % 7 == 0:
            body["reason"] = dice.choice(_TEXTS)
        if number % 1009 == 0:
            body["fingerprint"] = FINGERPRINTS[number % 2]
        made.append(
            new_event(
                time,
                "registry.pin.changed" if number % 1009 == 0 else "gateway.request.decided",
                tenant="b" if number % 50 == 0 else "a",
                actor="agent:new" if is_new else dice.choice(_ACTORS),
                server=dice.choice(_SERVERS),
                target=dice.choice(_TOOLS),
                outcome=dice.choice(("allow", "allow", "deny", "ask")),
                severity=Severity(1 + number % 5),
                labels=("exercise", "O'Brien") if number % 13 == 0 else (),
                body=body,
            )
        )
    return made


def build(folder: Path) -> tuple[DeltaTable, Event]:
    """The table, and one of its events."""
    table = DeltaTable.create(folder, schema=DeltaSchema.from_arrow(SCHEMA), partition_by=list(PARTITIONS))
    made = events()
    rows = [to_row(event, "gateway", at) for at, event in enumerate(made)]
    write_deltalake(table, to_batch(rows), mode="append")
    return table, made[4242]
