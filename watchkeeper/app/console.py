"""The console process: its services wired, its link made, its pages served."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from watchkeeper.app.admission import Access
from watchkeeper.app.alerts.view import AlertsView
from watchkeeper.app.cases_view import CasesView
from watchkeeper.app.console_views import IncidentsView, JournalView, NotificationsView, OrdersView, ServersView
from watchkeeper.app.detection_views import CoverageView
from watchkeeper.app.hunts_view import HuntsView
from watchkeeper.app.inbox import InboxView
from watchkeeper.app.intelligence_view import IntelligenceView
from watchkeeper.app.labelling import journal_class
from watchkeeper.app.lakes import search_in
from watchkeeper.app.platform import Platform, note_service, opened
from watchkeeper.app.playing_view import PlayingView
from watchkeeper.app.process import announce, stop_requested
from watchkeeper.app.replying import replying_of
from watchkeeper.app.searching import EventsView
from watchkeeper.app.servers import effective
from watchkeeper.app.settings import Loaded, data_folder
from watchkeeper.app.standby_view import StandbyView
from watchkeeper.app.threads import Readers
from watchkeeper.app.tiling import Tiling, bound, url_of
from watchkeeper.app.verification import Verification
from watchkeeper.app.views import TrafficView
from watchkeeper.app.webhooks import HookDoor, hooks_of
from watchkeeper.core import control
from watchkeeper.core.files import socket_path
from watchkeeper.events import JournalReader
from watchkeeper.respond.incidents import IncidentDesk
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.notifications import ConsoleNotifier
from watchkeeper.web import Services
from watchkeeper.web.application import bind, build, serve_on
from watchkeeper.web.guard import Doors
from watchkeeper.web.operators import ENROLMENT_LIFE, LINK_LIFE

WRITER = "console"


async def run_console(loaded: Loaded, *, supervised: bool, demo: bool) -> None:
    """Serve until told to stop. Raises what keeps it from starting."""
    stop = stop_requested(supervised=supervised)
    settings = loaded.settings.console
    with (
        bind(settings.host, settings.port) as listener,
        opened(
            loaded.data_dir, WRITER, journal_class(demo=demo), loaded.settings.journal, loaded.settings.state
        ) as platform,
    ):
        verification = Verification(loaded.data_dir, platform.clock)
        services = _services(loaded, platform, verification, demo=demo)
        app = build(services, Doors(platform.operators, platform.tokens, platform.rules), settings, platform.clock)
        url = f"http://{settings.host}:{listener.getsockname()[1]}"
        tiling = Tiling(loaded.data_dir) if loaded.settings.journal.tiles.listen else None
        readers = Readers({"verification": verification.run} | ({"tiles": tiling.run} if tiling else {}))
        handlers = {"link": _link(platform, url), "status": _status(url)}
        async with await control.serve(socket_path(loaded.data_dir, WRITER), handlers):
            readers.start()
            note_service(platform, loaded, WRITER, "admin.service.started")
            if tiling is None:
                announce(WRITER, {"url": url})
                await serve_on(app, listener, stop)
            else:
                with bound(loaded.settings.journal.tiles) as outside:
                    announce(WRITER, {"url": url, "tiles": url_of(outside)})
                    await asyncio.gather(serve_on(app, listener, stop), serve_on(tiling.app, outside, stop))
        await asyncio.to_thread(readers.stop, 10.0)
        note_service(platform, loaded, WRITER, "admin.service.stopped")


def _services(loaded: Loaded, platform: Platform, verification: Verification, *, demo: bool) -> Services:
    ledger = Ledger(platform.database, platform.journal, JournalReader(loaded.data_dir, pass_over_corrupt=True))
    inbox = InboxView(platform)
    desk = IncidentDesk(platform.database, ledger, platform.clock)
    require = partial(Access(platform).require, act="read_events")
    return Services(
        events=EventsView(search_in(loaded.data_dir), loaded.data_dir, platform.clock, require),
        traffic=TrafficView(loaded.data_dir, platform.clock),
        servers=ServersView(platform, effective(loaded, demo=demo)),
        incidents=IncidentsView(desk),
        orders=OrdersView(platform),
        journal=JournalView(platform, verification),
        notifications=NotificationsView(ConsoleNotifier(platform.database, ledger)),
        inbox=inbox,
        intelligence=IntelligenceView(loaded, platform.database, platform.clock),
        alerts=AlertsView(loaded, platform),
        hooks=HookDoor(platform, inbox, hooks_of(loaded), replying_of(loaded, platform)),
        cases=CasesView(platform, loaded),
        playing=PlayingView(platform, loaded),
        standby=StandbyView(platform, loaded),
        hunts=HuntsView(platform),
        coverage=CoverageView(loaded, platform),
        data_dir=str(loaded.data_dir),
        is_default_data=loaded.data_dir == data_folder(None),
    )


def _status(url: str) -> control.Handler:
    async def status(_: dict[str, Any]) -> Any:
        return {"url": url}

    return status


def _link(platform: Platform, url: str) -> control.Handler:
    async def link(asked: dict[str, Any]) -> Any:
        name = asked.get("name") or asked["by"].partition(":")[2]
        life = ENROLMENT_LIFE if asked.get("enrols") else LINK_LIFE
        token = await asyncio.to_thread(platform.operators.issue_link, name, asked["by"], life)
        return {"url": f"{url}/enter#{token}"}

    return link
