"""The watch: fills the lake, judges, responds, and answers administration. One process per data folder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.app.administration import WATCH
from watchkeeper.app.admission import Access
from watchkeeper.app.alerts.admitting import follower_for
from watchkeeper.app.anchoring import keeper_of
from watchkeeper.app.blinding import body_reads
from watchkeeper.app.calling import OncallRuns
from watchkeeper.app.desk import Act, Desk
from watchkeeper.app.detection import Detection
from watchkeeper.app.hunting import keeper_of_hunts
from watchkeeper.app.ingesting import ingest_handlers, ingest_of
from watchkeeper.app.integrations import Reaching, kept_by, tokens_of
from watchkeeper.app.intelligence import intelligence_runs
from watchkeeper.app.labelling import journal_class
from watchkeeper.app.lakekeeping import LakeKeeping, lake_reader
from watchkeeper.app.platform import Platform, note_service, opened
from watchkeeper.app.preserving import HostState
from watchkeeper.app.process import announce, settling, stop_requested
from watchkeeper.app.settings import Loaded
from watchkeeper.app.sinks import Sinks
from watchkeeper.app.threads import Readers
from watchkeeper.app.upkeep import Cursor, registering
from watchkeeper.app.webhooks import outbox_of
from watchkeeper.core import control
from watchkeeper.core.errors import Unavailable
from watchkeeper.core.files import socket_path
from watchkeeper.detect.alerts.queue.book import last_raised
from watchkeeper.events import JournalReader
from watchkeeper.events.anchors.keeper import Keeper
from watchkeeper.events.journal.reading.telling import is_there, telling_reader, told
from watchkeeper.events.lake.reader import LakeReader
from watchkeeper.gateway.custody.reach import Custodian
from watchkeeper.gateway.warrant import Warrant
from watchkeeper.respond.gates.people import Electorate
from watchkeeper.respond.model import ACTOR
from watchkeeper.respond.service import Connections, RespondService
from watchkeeper.respond.vault import Vault

_STOP_WITHIN = 10.0


async def run_watch(loaded: Loaded, *, supervised: bool, demo: bool) -> None:
    """Serve until told to stop. Raises what keeps it from starting."""
    stop = stop_requested(supervised=supervised)
    keeper = await _serve(loaded, stop, demo=demo)
    if keeper is not None:  # every log is closed by now, the watch's own too
        await asyncio.to_thread(keeper.close)


async def _serve(loaded: Loaded, stop: asyncio.Event, *, demo: bool) -> Keeper | None:
    watch = opened(loaded.data_dir, WATCH, journal_class(demo=demo), loaded.settings.journal, loaded.settings.state)
    with watch as platform, Readers() as readers:
        reaching = Reaching(loaded, platform)
        respond = _respond(loaded, platform, reaching)
        respond.heartbeats.know(last_raised(platform.database, loaded.settings.deadman.expected))
        readers.add({"respond": respond.run})
        readers.start()  # runs that were under way go on before rules are compiled
        detection, lake = Detection(loaded, platform, demo=demo), lake_reader(loaded, platform)
        outbox = outbox_of(loaded, platform)
        keeper = keeper_of(loaded, platform)
        telling = {"webhooks": outbox.run} if outbox is not None else {}
        telling |= {"anchors": keeper.run} if keeper is not None else {}
        ingest = ingest_of(loaded)
        taking = {"ingest": ingest.run} if ingest is not None else {}
        sinks = Sinks(loaded, platform.journal.record, platform.clock)
        desk = Desk(platform, lambda actor: msgspec.to_builtins(lake.erase(actor)), loaded)
        desk.responding.settings = loaded.settings.respond
        desk.erasing.also_forget = detection.forget
        queue = follower_for(loaded, platform)
        own = {"lake": lake.run, **detection.runs, "privacy": desk.erasing.run}
        own |= {"alerts": queue.run, "hunts": keeper_of_hunts(platform).run}
        cursors = _cursors(lake, detection, respond) | {"alerts": lambda: queue.cursor} | sinks.cursors
        oncall = OncallRuns(loaded, platform)
        own |= oncall.runs
        cursors |= {"oncall": oncall.cursor}
        looking = intelligence_runs(loaded, platform, detection.stages)
        noting = {"register": registering(loaded.data_dir, cursors), "memory": settling}
        readers.add({**own, **telling, **reaching.runs, **taking, **sinks.runs, **looking, **noting})
        more = Access(platform).admitted(sinks.acts() | reaching.acts())
        lags = {"lake": lake.lag, "detect": detection.progress, "respond": respond.progress}
        handlers = _handlers(desk.acts | more) | {
            "status": _status(loaded.data_dir, readers, lags, body_reads(detection.rules), keeper),
            **_handlers({"heartbeats": lambda _: respond.heartbeats.told()}),
        }
        handlers |= ingest_handlers(ingest) | _handlers(LakeKeeping(platform, lake).acts())
        async with await control.serve(socket_path(loaded.data_dir, WATCH), handlers):
            readers.start()
            note_service(platform, loaded, WATCH, "admin.service.started")
            announce(WATCH, {})
            await _until_stopped(stop, readers)
        await asyncio.to_thread(readers.stop, _STOP_WITHIN)
        note_service(platform, loaded, WATCH, "admin.service.stopped")
        if readers.failures:
            raise Unavailable(f"the watch stopped: {readers.failures}", hint="look at its log")
    return keeper


def _cursors(lake: LakeReader, detection: Detection, respond: RespondService) -> dict[str, Cursor]:
    """How far each reader has come: what one of them has not seen is not removed by retention."""
    return {"lake": lambda: lake.cursor, "detect": detection.cursor, "respond": respond.intake.cursor}


def _respond(loaded: Loaded, platform: Platform, reaching: Reaching | None = None) -> RespondService:
    settings, journal = loaded.settings, platform.journal
    vault = Vault(loaded.data_dir, journal, JournalReader(loaded.data_dir), platform.clock)
    connections = Connections(
        database=platform.database,
        journal=journal,
        reader=telling_reader(loaded.data_dir, "respond", journal.record, platform.clock),
        orders=Warrant(platform.orders, ACTOR),
        definitions=platform.pins,
        electorate=Electorate(platform.rules, platform.roster),
        errands=reaching.errands if reaching is not None else None,
        also={
            "custody": Custodian(platform.database, platform.clock),
            "evidence": vault,
            "tokens": tokens_of(loaded, platform, vault.seal),
            "host": HostState(loaded, platform),
            **kept_by(loaded, platform),
        },
    )
    return RespondService(loaded.data_dir, settings.respond, connections, clock=platform.clock)


async def _until_stopped(stop: asyncio.Event, readers: Readers) -> None:
    """A reader that dies ends the process: the supervisor starts it anew, and nobody believes in a blind watch."""
    while not stop.is_set() and all(readers.alive().values()):
        try:
            await asyncio.wait_for(stop.wait(), timeout=0.5)
        except TimeoutError:
            continue


def _handlers(acts: Mapping[str, Act]) -> dict[str, control.Handler]:
    def handler(act: Act) -> control.Handler:
        async def handle(asked: dict[str, Any]) -> Any:
            return msgspec.to_builtins(await asyncio.to_thread(act, asked))

        return handle

    return {name: handler(act) for name, act in acts.items()}


def _status(
    data_dir: Path, readers: Readers, lags: Mapping[str, Callable[[], Any]], reads: Any, keeper: Keeper | None
) -> control.Handler:
    """`lags` says of each reader of the journal how far behind it is."""

    def counted() -> dict[str, Any]:
        unreadable = [one for one in told(data_dir) if is_there(data_dir, one)]
        return {name: lag() for name, lag in lags.items()} | {"unreadable": unreadable}

    async def status(_: dict[str, Any]) -> Any:
        anchors = keeper.state() if keeper is not None else []
        facts = {"readers": readers.alive(), "anchors": anchors, "reads": reads, **await asyncio.to_thread(counted)}
        return msgspec.to_builtins(facts)

    return status
