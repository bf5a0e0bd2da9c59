"""Embedded ClickHouse in a process of its own: queries in, rows out. It reads files below its folder only."""

from __future__ import annotations

import json
import sys

import chdb


def main() -> None:
    queries = json.load(sys.stdin)
    answers = {}
    for name, sql in queries.items():
        found = json.loads(bytes(chdb.query(sql, "JSONCompact").bytes()))
        answers[name] = {"types": [column["type"] for column in found["meta"]], "rows": found["data"]}
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
