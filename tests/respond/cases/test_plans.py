"""What is done for every alert is done by an index, however many incidents there are."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event

from tests.respond.cases.conftest import START, Cases
from watchkeeper.core.clock import SECOND
from watchkeeper.respond import Alert


@pytest.mark.behaviour("cases.no-scan-per-alert")
@pytest.mark.state_in_a_file
def test_an_alert_and_its_record_read_no_table_through(cases: Cases) -> None:
    cases.alert(1)
    said: list[tuple[str, Any]] = []

    def hear(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        said.append((statement, parameters))

    event.listen(cases.database.engine, "before_cursor_execute", hear)
    for number, server in ((2, "files"), (3, "mail")):
        fields = {"rule": "r", "server": server, "outcome": "deny", "trigger": f"e{number}", "trigger_time": START}
        cases.intake.take(Alert(id=f"alert-{number}", time=START + number * SECOND, **fields))
        cases.ledger.flush()
    event.remove(cases.database.engine, "before_cursor_execute", hear)
    asked = [one for one in said if one[0].startswith(("SELECT", "UPDATE"))]
    assert len(asked) > 10
    with cases.database.engine.connect() as connection:
        for statement, parameters in asked:
            plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            read_through = [line for line in plan if line.startswith("SCAN")]
            assert read_through == [] or "respond_cursor" in statement, (statement, plan)
