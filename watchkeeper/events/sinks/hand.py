"""What a person has a sink do: send one marked event, and send again what was put aside."""

from __future__ import annotations

import time

import msgspec

from watchkeeper.core.errors import Invalid, WatchkeeperError
from watchkeeper.events.journal.model import Position, Record
from watchkeeper.events.journal.reading.reader import JournalReader
from watchkeeper.events.model import encode, new_event
from watchkeeper.events.sinks.interface import Sink
from watchkeeper.events.sinks.ledger import Ledger
from watchkeeper.events.sinks.model import BatchRefused, Dead, Entry, NotTaken, Receipt

TEST = "events.sink.tested"
LABEL = "test"
_AT_ONCE = 100
"""Dead letters that are looked up at once."""


class Tried(msgspec.Struct, frozen=True):
    """What came of a marked event."""

    sink: str
    event: str
    """Its id, by which to look for it at the receiver."""
    taken: bool
    said: str
    next: str
    """What to do now."""


class Replayed(msgspec.Struct, frozen=True):
    """What came of the dead letters."""

    sent: int
    refused: int
    gone: int
    """The journal does not hold them any more, or nobody can read them; they lie aside no longer."""
    why: str = ""
    """Why it stopped before the end, or was refused last."""


def try_out(name: str, kind: str, sink: Sink, now: int, patience: float) -> Tried:
    """Send one event that says that it is a test, and wait until it is there to stay."""
    body = {"sink": name, "type": kind, "text": "a test, sent by `watchkeeper sinks test`"}
    event = new_event(now, TEST, actor="system:watch", target=f"sink:{name}", labels=(LABEL,), body=body)
    record = Record(Position("test", 0), event, encode(event))
    try:
        receipt = sink.send([Entry(record, sink.render(record))])
        _await(sink, receipt, patience)
    except WatchkeeperError as error:
        return Tried(name, event.id, False, error.reason, error.hint or _advice(error))
    finally:
        sink.close()
    if receipt.refused or receipt.rejected or receipt.taken == 0:
        said = receipt.refused[0].why if receipt.refused else receipt.said
        return Tried(name, event.id, False, said, "read what it says; nothing else was sent or moved")
    return Tried(name, event.id, True, receipt.said, f"look for {event.id} at the receiver")


def _advice(error: WatchkeeperError) -> str:
    if isinstance(error, BatchRefused):
        return "the receiver does not take what we send: compare the sink's type and format with what it expects"
    return "see that it runs and can be reached from here, then test again"


def _await(sink: Sink, receipt: Receipt, patience: float) -> None:
    """Until it is there to stay. Raises `NotTaken` when nobody says so in time: no word is no good word."""
    until = time.monotonic() + patience
    while receipt.ticket is not None and not sink.settled(receipt.ticket):
        if time.monotonic() >= until:
            raise NotTaken(f"it took it, and did not confirm it within {patience:g} seconds: {receipt.said}")
        time.sleep(0.05)


def replay(ledger: Ledger, reader: JournalReader, sink: Sink, patience: float) -> Replayed:
    """Send each event that lies aside once more, alone, in order; those that are taken lie aside no more."""
    sent = refused = gone = 0
    why, done = "", list[Dead]()
    try:
        for dead in ledger.dead():
            record = _record(reader, dead)
            if record is None:
                gone += 1
                done.append(dead)
                continue
            try:
                receipt = sink.send([Entry(record, sink.render(record))])
                _await(sink, receipt, patience)
            except Invalid as error:  # refused there, or not to be put into its words
                refused, why = refused + 1, error.reason
                continue
            if receipt.refused or receipt.rejected:
                refused, why = refused + 1, receipt.refused[0].why if receipt.refused else receipt.said
            elif receipt.taken == 0:
                why = receipt.said
                break
            else:
                sent += 1
                done.append(dead)
            if len(done) >= _AT_ONCE:
                ledger.take_back(done)
                done.clear()
    except WatchkeeperError as error:
        why = error.reason
    finally:
        sink.close()
        if done:
            ledger.take_back(done)
    return Replayed(sent, refused, gone, why)


def _record(reader: JournalReader, dead: Dead) -> Record | None:
    """The event where it stands; None when it is not there, or not readable, any more."""
    others = {writer: log.end for writer, log in reader.waiting({}).items()}
    found = reader.read(others | {dead.writer: dead.index}, limit=1)
    mine = [one for one in found if one.position == Position(dead.writer, dead.index)]
    return mine[0] if mine and mine[0].event is not None and mine[0].event.id == dead.id else None
