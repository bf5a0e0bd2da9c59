"""Holds what the product records, in any test, against the catalogue of events: a schema that lies fails a test.

`watch` looks over every journal's shoulder. Events that a test made itself and handed to a journal are its own
business; what a line of the product appends is judged. `of_folder` judges what other processes recorded.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType

from watchkeeper.events import Event, Journal, JournalReader
from watchkeeper.events.catalogue import ENTRIES, problems

HERE = str(Path(__file__).parent)
_MADE_UP = (HERE, str(Path(__file__).parents[1] / "bench"))
"""Where events are made to be tried with: in tests, and in benchmarks that tests run."""
_JOURNAL = str(Path(sys.modules[Journal.__module__].__file__ or "").parent)
_append = Journal.append

misfits: list[str] = []
"""What did not fit since somebody looked, at most a few."""


def watch() -> None:
    """From now on, in this process."""

    def append(journal: Journal, event: Event) -> int:
        index = _append(journal, event)
        if not _is_made_by_test(sys._getframe(1)):
            observe(event)
        return index

    Journal.append = append  # type: ignore[method-assign]


def observe(event: Event) -> None:
    """Judge one event that the product made."""
    found = wrong_with(event)
    if found and len(misfits) < 5:
        misfits.append(f"{event.kind}: {found}; recorded was {event}")


def wrong_with(event: Event) -> str:
    """In words, with what to do; empty for what is as the catalogue says.

    A kind without an entry is not judged here: `tests/events/catalogue` misses it, and says what a new kind needs.
    """
    found = "; ".join(problems(event)) if event.kind in ENTRIES else ""
    return f"{found}: mend the recording, or the entry in events/catalogue/" if found else ""


def of_folder(data_dir: Path) -> list[str]:
    """What is wrong with the events that any process recorded in a data folder; an empty journal is wrong, too."""
    events = [record.event for record in JournalReader(data_dir).read({}, limit=100_000)]
    found = [f"{event.kind}: {why}" for event in events if event is not None and (why := wrong_with(event))]
    return found if events else ["nothing was recorded"]


def _is_made_by_test(frame: FrameType | None) -> bool:
    """Whether the first caller outside of the journal's own rooms is a test."""
    while frame is not None and frame.f_code.co_filename.startswith(_JOURNAL):
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename.startswith(_MADE_UP)
