"""Asking the table a question: SQL that was built as a syntax tree, answered by the engine inside delta-rs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from arro3.core import DataType
from deltalake import DeltaTable, QueryBuilder
from sqlglot import exp

from watchkeeper.core.errors import Unavailable
from watchkeeper.core.patience import GaveUp, go_on

TABLE = "events"


def query(delta: DeltaTable, select: exp.Select) -> Iterator[dict[str, Any]]:
    """The rows of a query over `events`, times as microseconds, without holding more than a batch of them.

    Raises `Unavailable` when a file is damaged or gone.
    """
    for names, columns in _batches(delta, select):
        for values in zip(*columns, strict=True):
            yield dict(zip(names, values, strict=True))


def rows(delta: DeltaTable, select: exp.Select) -> Iterator[tuple[Any, ...]]:
    """The same without names, in the order that was selected."""
    for _, columns in _batches(delta, select):
        yield from zip(*columns, strict=True)


def _batches(delta: DeltaTable, select: exp.Select) -> Iterator[tuple[list[str], list[list[Any]]]]:
    try:
        go_on()
        for batch in QueryBuilder().register(TABLE, delta).execute(select.sql(dialect="postgres")):
            go_on()
            names = batch.schema.names
            yield names, [_plain(name, batch[name]).to_pylist() for name in names]
    except GaveUp:
        raise
    except Exception as error:  # the engine raises bare `Exception` while it reads
        raise Unavailable(
            f"the lake cannot be read: {error}", hint="restart the service; it is filled again"
        ) from error


def _plain(name: str, column: Any) -> Any:
    return column.cast(DataType.int64()) if name == "time" else column
