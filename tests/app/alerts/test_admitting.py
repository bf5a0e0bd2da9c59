"""Admission on a real data folder: what is known of a subject, what containment and people's closing do to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.detect.alerts.found import a_call, a_rule, found
from watchkeeper.app.alerts.admitting import admission_for, follower_for, queue_for
from watchkeeper.app.alerts.closings import Closings
from watchkeeper.app.alerts.indicators import Indicators
from watchkeeper.app.alerts.knowing import Containments, Identity, sources_of
from watchkeeper.app.platform import Platform, opened
from watchkeeper.app.settings import Loaded, Settings
from watchkeeper.core.clock import SECOND
from watchkeeper.detect.alerts import RAISED
from watchkeeper.detect.alerts.enrichment import Enrichment
from watchkeeper.detect.alerts.model import Fact, Subject, Unknown
from watchkeeper.detect.alerts.queue.moves import wish_of
from watchkeeper.detect.intelligence.keeping.index import Few
from watchkeeper.detect.intelligence.keeping.library import Library
from watchkeeper.detect.intelligence.model import Indicator, Tlp, Type
from watchkeeper.events import JournalReader
from watchkeeper.gateway.containment import OrderKind
from watchkeeper.gateway.credentials.grants import Grant
from watchkeeper.gateway.settings import ServerSettings
from watchkeeper.inspection.fingerprints import definitions_in
from watchkeeper.respond.incidents import IncidentDesk
from watchkeeper.respond.ledger import Ledger

ANN = Subject("default", "files", "shell", "agent:ann", "modern")
SERVERS = {"files": ServerSettings(command=("/usr/bin/files", "--secret", "s3cr3t"), criticality="critical")}
LISTING = b'{"tools":[{"name":"shell","description":"Runs a command.","inputSchema":{"type":"object"}}]}'


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with opened(tmp_path, "watch") as platform:
        yield platform


@pytest.mark.behaviour("alerts.enriched")
def test_server_definition_and_principal_are_known_and_the_rest_is_not(platform: Platform) -> None:
    platform.clients.mint("ann", "operator:zoe", ("dev",))
    platform.pins.observe("files", definitions_in("tools/list", LISTING), {}, "tool")
    platform.pins.approve("files", "tool", "shell", "operator:zoe")
    pin, (client,) = platform.pins.get("files", "shell"), platform.clients.clients()
    sources = sources_of(platform, SERVERS)
    context = Enrichment(sources, seconds=60).of(ANN)
    assert context["asset"].says == {
        "transport": "stdio", "at": "/usr/bin/files", "criticality": "critical", "shadow": False, "era": "modern",
    }  # fmt: skip
    assert context["definition"].says == {
        "kind": "tool", "state": "approved", "pinned": pin.pinned, "seen": pin.seen,
        "first_seen": pin.first_seen, "changed_at": pin.changed_at, "change": "",
        "approved_by": "operator:zoe", "approved_at": pin.approved_at, "reason": "", "labels": ["executes"],
    }  # fmt: skip
    assert context["identity"].says == {
        "kind": "client", "first_seen": client.created_at, "minted_by": "operator:zoe", "revoked_at": 0,
        "groups": ["dev"], "grants": 0, "quarantined": False,
    }  # fmt: skip
    assert context["containment"].says == {"in_force": "nothing"}
    unknown = {name: fact for name, fact in context.items() if not fact.known}
    assert unknown == {
        "intelligence": Fact(known=False, why="no source of indicators is connected"),
        "registry": Fact(known=False, why="there is no catalogue of servers yet"),
        "advisories": Fact(known=False, why="dependencies are not examined yet"),
    }
    nobody = Enrichment(sources, seconds=60).of(Subject("default", "", "", "agent:nobody"))
    assert [name for name, fact in nobody.items() if fact.known] == ["containment"]


@pytest.mark.behaviour("alerts.grants-in-force")
def test_of_a_principals_grants_those_count_that_are_in_force_at_the_alerts_server(platform: Platform) -> None:
    for name in ("ann", "bob"):
        platform.clients.mint(name, "operator:zoe")

    def grants(server: str, principal: str = "agent:ann") -> int:
        says = Identity(platform).tell(Subject("default", server, "shell", principal))
        assert isinstance(says, dict)
        return int(says["grants"])

    for server, principal in (("files", "agent:ann"), ("mail", "agent:ann"), ("files", "agent:bob")):
        of = {"principal": principal, "server": server, "issuer": "i", "resource": "r", "client": "c"}
        platform.grants.put(Grant(id=f"{server}-{principal}", sealed="s", **of), "operator:zoe")
    assert [grants("files"), grants("git"), grants("")] == [1, 0, 2]
    platform.grants.end("agent:ann", "files", "operator:zoe")
    assert [grants("files"), grants("mail"), grants(""), grants("files", "agent:bob")] == [0, 1, 1, 1]


@pytest.mark.behaviour("alerts.subjects-known")
def test_what_a_subject_of_an_authorization_server_was_granted_is_known_and_its_quarantine_too(
    platform: Platform,
) -> None:
    ada = Subject("default", "files", "shell", "agent:corp/ada")
    none = {"kind": "subject", "issuer": "corp", "grants": 0, "quarantined": False}
    assert Identity(platform).tell(ada) == none
    of = {"principal": "agent:corp/ada", "server": "files", "issuer": "i", "resource": "r", "client": "c"}
    platform.grants.put(Grant(id="g", sealed="s", **of), "operator:zoe")
    platform.orders.issue(OrderKind.QUARANTINE_PRINCIPAL, "agent:corp/ada", reason="r", by="system:respond", key="k")
    assert Identity(platform).tell(ada) == none | {"grants": 1, "quarantined": True}
    assert isinstance(Identity(platform).tell(Subject("default", "files", "shell", "agent:nobody")), Unknown)


@pytest.mark.behaviour("alerts.enriched")
@pytest.mark.parametrize(("demo", "known"), [(True, ["time", "training"]), (False, ["time"])])
def test_the_servers_that_are_installed_with_us_are_known_and_the_training_server_in_a_demo(
    platform: Platform, tmp_path: Path, demo: bool, known: list[str]
) -> None:
    admission = admission_for(Loaded(Settings(), tmp_path), platform, demo=demo)
    told = {}
    for server in ("time", "training"):
        (alert,) = admission.admit(found(a_rule(), a_call(server=server)), platform.clock.now())
        told[server] = alert.body["context"]["asset"]["known"]
    assert [name for name, is_known in told.items() if is_known] == known


@pytest.mark.behaviour("alerts.news-comes-through")
def test_an_order_given_or_lifted_makes_what_it_touches_news(platform: Platform) -> None:
    standing = Containments(platform).standing
    assert standing(ANN) == 0
    order = platform.orders.issue(OrderKind.HOLD_TOOL, "files/shell", reason="r", by="system:respond", key="k")
    other = platform.orders.issue(OrderKind.QUARANTINE_SERVER, "mail", reason="r", by="system:respond", key="m")
    assert (standing(ANN), other.generation) == (order.generation, order.generation + 1)
    lifted = platform.orders.lift(order.id, by="operator:zoe", reason="over")
    assert standing(ANN) == lifted.generation > other.generation


@pytest.mark.behaviour("alerts.closed-is-told-again")
def test_an_alert_that_a_person_closed_lets_the_next_one_through(platform: Platform, tmp_path: Path) -> None:
    loaded = Loaded(Settings(), tmp_path)
    queue, follower = queue_for(platform), follower_for(loaded, platform)
    ledger = Ledger(platform.database, platform.journal, JournalReader(tmp_path))
    ticks = [0.0]
    closings = Closings(
        platform, queue, IncidentDesk(platform.database, ledger, platform.clock), 3600, lambda: ticks[0]
    )
    (alert,) = admission_for(loaded, platform).admit(found(a_rule(), a_call()), platform.clock.now())
    platform.journal.record(alert)
    while follower.step():
        continue
    assert closings.ids() == frozenset()
    queue.assess(alert.id, "default", wish_of("close", "operator:zoe", disposition="false_positive"))
    ticks[0] = 5.0
    assert closings.ids() == {alert.id}
    assert (alert.kind, follower.cursor) == (RAISED, {"watch": follower.cursor["watch"]} if follower.cursor else None)
    assert platform.clock.now() < alert.time + 3600 * SECOND


@pytest.mark.behaviour("alerts.enriched")
def test_intelligence_is_asked_for_server_host_and_definition(platform: Platform, monkeypatch: Any) -> None:
    library = Library(platform.data_dir, platform.clock)
    servers = {"files": ServerSettings(url="https://evil.example/mcp")}
    ask = Indicators(library, servers, platform.pins, platform.clock).tell
    assert ask(ANN) == Unknown("no indicators were taken in yet")
    bad = Indicator(
        type=Type.DOMAIN, value="evil.example", id="i", source="feed", confidence=80, valid_from=0, valid_until=0,
        modified=1, tlp=Tlp.CLEAR,
    )  # fmt: skip
    monkeypatch.setattr(library, "open", lambda: Few([bad]))
    ask = Indicators(library, servers, platform.pins, platform.clock).tell
    assert ask(ANN) == {"looked_up": ["server", "domain"], "indicators": ["domain evil.example (feed, 80)"]}
    assert ask(Subject("default", "mail", "", "")) == {"looked_up": ["server"], "indicators": "none of ours"}
