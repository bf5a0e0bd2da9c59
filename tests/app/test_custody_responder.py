"""Endings by a responder that is killed between what a gateway did and its record, through a gateway that runs."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.app.gateway_process import Client, gateway_process, until
from tests.app.mcp_server import small_server
from tests.respond.conftest import Estate
from tests.respond.crowds import deciding
from tests.respond.lives import live
from watchkeeper.gateway.holds import session_digest

BOOK = """id: end_and_drain
version: 1
title: End a session, then drain its server
severity: high
when: alert.playbook == "end_and_drain"
blast_radius: {{sessions: 10, transports: 1}}
steps:
  - id: kill
    action: kill_session
    approve: {{by: responder, timeout: 1h}}
    with: {{server: small, session: "{session}", reason: it does harm}}
    deadline: 30s
  - id: drain
    action: drain_transport
    with: {{server: small, within: 0.0, reason: its host was patched}}
    deadline: 30s
"""


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.behaviour("custody.once-over-a-restart")
def test_a_responder_killed_before_it_records_an_ending_has_it_done_once(tmp_path: Path) -> None:
    with small_server() as server:
        settings = tmp_path / "watchkeeper.toml"
        settings.write_text(
            f'[gateway]\nport = 0\n[servers.small]\nurl = "{server.url}"\n'
            f'[servers.time]\ncommand = ["{sys.executable}", "-m", "mcp_server_time"]\n',
            encoding="utf-8",
        )
        with gateway_process(tmp_path, "--config", str(settings)) as running:
            client = Client(running.line["servers"]["small"], running.token)
            session = client.initialize()
            books = tmp_path / "books"
            books.mkdir()
            (books / "end.yaml").write_text(BOOK.format(session=session_digest(session)), encoding="utf-8")
            options = {"custody": True, "playbooks": books}
            estate = Estate(running.data)
            estate.raise_alert(1, playbook="end_and_drain", server="small", principal="agent:desk")
            with deciding(estate):
                first = live(estate, "sessions ended", **options)
                assert first.returncode == -signal.SIGKILL, first.stderr
                assert client.ask("tools/list", session).status == 404
                anew = client.initialize()

                second = live(estate, "transport drained", **options)
                assert second.returncode == -signal.SIGKILL, second.stderr
                assert client.ask("tools/list", anew).status == 404
                info = {"name": "late", "version": "1"}
                hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}
                assert "order:" in client.ask("initialize", **hello).body.decode(), "newcomers wait for the drain's end"

                last = live(estate, **options)
                assert last.returncode == 0, last.stderr
            until(lambda: client.ask("initialize", **hello).status == 200)
            ended = estate.events("gateway.custody.")
            assert [(e.kind, e.target, e.body["sessions"], e.outcome) for e in ended] == [
                ("gateway.custody.ended", f"small/session:{session_digest(session)}", 1, "success"),
                ("gateway.custody.drained", "small", 1, "success"),
            ], "what began after the first ending was there until the drain"
            (run,) = estate.events("respond.playbook.finished")
            assert run.outcome == "success"
            assert [order.kind.value for order in estate.orders.all()] == ["drain_transport"]
            facts = Counter(event.id for event in estate.events("respond.", "gateway.order.i", "gateway.order.l"))
            assert set(facts.values()) == {1}
            estate.close()
            client.close()
