"""On-call in the watch: one thread hears of incidents, another pages. Each can be killed anywhere."""

from __future__ import annotations

import logging
import threading
from itertools import chain

from watchkeeper.core.errors import Unavailable
from watchkeeper.core.lasting import Lasting
from watchkeeper.events import JournalReader
from watchkeeper.events.model import Event
from watchkeeper.respond.oncall.answering import Answering
from watchkeeper.respond.oncall.book import OncallBook, is_heard
from watchkeeper.respond.oncall.delivery import Delivery
from watchkeeper.respond.oncall.handover import Handovers
from watchkeeper.respond.oncall.paging import Paging

EVERY = 0.5
"""Seconds between two looks at what is due, while nothing is heard."""
_POLL = 0.05
_RETRY = 0.25
_CURSOR_EVERY = 1_000
_log = logging.getLogger(__name__)


class Ear:
    """Hears of incidents."""

    def __init__(self, book: OncallBook, reader: JournalReader, news: threading.Event) -> None:
        """`news` is set for whoever calls, when something was heard."""
        self._book = book
        self._reader = reader
        self._news = news
        self._trouble = Lasting(_log, "an incident cannot be noted for on-call", logging.WARNING)

    def run(self, stop: threading.Event) -> None:
        """Until told to stop."""
        cursor, unsaved = self._book.cursor(), 0
        for record in chain.from_iterable(self._reader.tail(cursor, stop, poll=_POLL)):
            cursor = cursor | {record.position.writer: record.position.index + 1}
            event = record.event
            is_ours = event is not None and is_heard(event)
            unsaved = 0 if is_ours else unsaved + 1
            if (is_ours or unsaved >= _CURSOR_EVERY) and not self._take(event if is_ours else None, cursor, stop):
                return
            unsaved %= _CURSOR_EVERY

    def _take(self, event: Event | None, cursor: dict[str, int], stop: threading.Event) -> bool:
        """Whether it was taken: a locked database passes, and a page must not be lost."""
        while not stop.is_set():
            try:
                self._book.hear(event, cursor)
            except Unavailable as error:
                self._trouble.met(error.reason)
                stop.wait(_RETRY)
                continue
            self._trouble.over()
            if event is not None:
                self._news.set()
            return True
        return False


class Caller:
    """Takes the steps that are due, and sends the pages that are."""

    def __init__(
        self, paging: Paging, delivery: Delivery, handovers: Handovers, answering: Answering, news: threading.Event
    ) -> None:
        """`news` is set when it should look at once."""
        self._delivery = delivery
        self._answering = answering
        self._news = news
        self._looks = [
            (look, Lasting(_log, f"on-call cannot look at {what}", logging.WARNING))
            for what, look in (
                ("what is due", paging.round),
                ("handovers", handovers.round),
                ("pages to be sent", delivery.round),
                ("what is said back", answering.round),
            )
        ]

    def run(self, stop: threading.Event) -> None:
        """Until told to stop."""
        try:
            while not stop.is_set():
                self._news.wait(EVERY)
                self._news.clear()
                for look, trouble in self._looks:
                    with trouble.told():
                        look()
        finally:
            self._delivery.close()
            self._answering.close()
