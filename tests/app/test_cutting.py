"""`deny_egress` and what Watchkeeper itself asks: a real issuer, a real server, real orders."""

from __future__ import annotations

import ast
import asyncio
from pathlib import Path
from typing import Any

import pytest

import watchkeeper
from tests.app.test_grants import asked, free_port, issuer, loaded, server
from tests.gateway.authorization_server import AuthorizationServer
from tests.gateway.credentials.browser import Browser
from watchkeeper.app.administration import Administration
from watchkeeper.app.commanded import barrier_at
from watchkeeper.app.cutting import barrier_of
from watchkeeper.app.grants import add_grant
from watchkeeper.app.settings import Loaded
from watchkeeper.core.clock import ManualClock
from watchkeeper.core.errors import Unavailable, WatchkeeperError
from watchkeeper.core.fetch.model import FetchFailed, FetchRefused
from watchkeeper.gateway.containment import Order, OrderKind
from watchkeeper.gateway.settings import OAuthSettings, ServerSettings

__all__ = ["free_port", "issuer", "loaded", "server"]

CHOSEN_BY_THE_OPERATOR = {
    "app/anchoring.py",
    "app/calling.py",
    "app/scan/web.py",
    "app/sinks.py",
    "app/trust.py",
    "app/webhooks.py",
    "respond/deadman/sending.py",
    "respond/integrations/wire.py",
}
"""Where a client has no barrier: what the settings or the command line name, and a check that asks nobody."""


def order(loaded: Loaded, target: str) -> str:
    wanted = {"kind": "deny_egress", "target": target, "reason": "a test of orders"}
    return str(Administration(loaded.data_dir).call("quarantine.add", **wanted)["id"])


def lift(loaded: Loaded, given: str) -> None:
    Administration(loaded.data_dir).call("quarantine.lift", order=given, reason="over")


@pytest.mark.behaviour("orders.own-requests")
@pytest.mark.parametrize("target", ["127.0.0.1", "127.0.0.0/8"])
def test_a_token_for_a_server_is_not_asked_for_where_an_order_cuts_the_issuer_off(
    loaded: Loaded, issuer: AuthorizationServer, target: str
) -> None:
    issuer.add_client("gateway", "s3cret")
    secret = loaded.data_dir / "secret"
    secret.write_text("s3cret")
    secret.chmod(0o600)
    url = loaded.settings.servers["notes"].url
    oauth = OAuthSettings(issuer=issuer.issuer, client_id="gateway", client_secret=f"file:{secret}")
    own = ServerSettings(url=url, credential="client_credentials", oauth=oauth)
    given = order(loaded, target)
    with pytest.raises(WatchkeeperError, match="a test of orders"):
        asyncio.run(asked(loaded, "own", own, principal="agent:laptop"))
    assert issuer.issued == []
    lift(loaded, given)
    assert asyncio.run(asked(loaded, "own", own, principal="agent:laptop")) == 200
    assert len(issuer.issued) == 1


@pytest.mark.behaviour("orders.own-requests")
def test_a_person_is_not_sent_to_sign_in_where_an_order_cuts_the_issuer_off(
    loaded: Loaded, issuer: AuthorizationServer
) -> None:
    order(loaded, "127.0.0.1")
    with pytest.raises(WatchkeeperError, match="a test of orders"):
        add_grant(loaded, "notes", "laptop", Browser())
    assert issuer.issued == []


@pytest.mark.behaviour("orders.own-requests")
async def test_orders_are_kept_to_while_they_cannot_be_read_and_before_they_were_nothing_passes() -> None:
    order = Order("o", OrderKind.DENY_EGRESS, "*.evil.example", "r", "operator:ada", ManualClock().now(), 1)
    about_one = Order("p", OrderKind.DENY_EGRESS, "notes/good.example", "r", "operator:ada", ManualClock().now(), 2)
    said: list[Any] = [Unavailable("no"), [order, about_one], Unavailable("no"), Unavailable("no"), []]

    def in_force() -> list[Order]:
        answer = said.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return list(answer)

    barrier = barrier_of(in_force)
    with pytest.raises(FetchFailed):
        await barrier(["good.example"])
    await barrier(["good.example"])
    with pytest.raises(FetchRefused) as refused:
        await barrier(["api.evil.example"])
    assert "order o" in refused.value.reason
    await barrier(["good.example", "203.0.113.7"])
    await barrier(["api.evil.example"])


@pytest.mark.behaviour("orders.own-requests")
async def test_a_command_on_a_folder_where_nothing_ever_ran_finds_no_orders(tmp_path: Path) -> None:
    await barrier_at(tmp_path)(["evil.example"])


@pytest.mark.behaviour("orders.own-requests")
def test_every_client_for_urls_has_a_barrier_unless_the_operator_chooses_where_it_goes() -> None:
    root = Path(watchkeeper.__file__).parent
    without = set()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_made = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Fetcher"
            if is_made and "barrier" not in {keyword.arg for keyword in node.keywords}:
                without.add(f"{path.relative_to(root)}:{ast.unparse(node)}")
    checks = {one for one in without if one.endswith("Fetcher(loaded.settings.fetch)") and "intelligence" in one}
    assert len(checks) == 1, "whether a source may be asked is told without asking"
    assert {one.partition(":")[0] for one in without - checks} == CHOSEN_BY_THE_OPERATOR
