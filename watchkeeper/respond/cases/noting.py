"""Notes, lessons and hours: what people write down. Nothing is ever changed; a correction is a note of its own."""

from __future__ import annotations

from watchkeeper.core.errors import Invalid, NotFound
from watchkeeper.core.ids import observed_id
from watchkeeper.respond.cases._store import EffortRow, NoteRow
from watchkeeper.respond.cases.model import Effort, Note, NoteKind
from watchkeeper.respond.cases.registrar import LONGEST, Registrar, Work, said

_DAY = 24 * 60


class Noting:
    """Writes; a closed incident can still be written about."""

    def __init__(self, registrar: Registrar) -> None:
        self._open = registrar.opened

    def note(self, name: str, by: str, text: str, corrects: str = "") -> Note:
        """Add a note, or with `corrects` the id of a former one a correction of that. Raises `NotFound`."""
        with self._open(name, by) as work:
            if corrects:
                former = work.session.get(NoteRow, corrects)
                if former is None or former.incident != work.row.id:
                    raise NotFound(f"{work.row.number} has no note {corrects}", hint="see `incidents show --json`")
            return write(work, NoteKind.NOTE, text, corrects)

    def lesson(self, name: str, by: str, text: str) -> Note:
        """Add what was learnt; `Tasks.add` with its id makes somebody see to it."""
        with self._open(name, by) as work:
            return write(work, NoteKind.LESSON, text)

    def effort(self, name: str, by: str, minutes: int, what: str = "") -> Effort:
        """Say how long you worked on it: 1 minute to a day an entry."""
        what = said(what, "what you did", may_lack=True)
        if not 1 <= minutes <= _DAY:
            raise Invalid(f"{minutes} minutes are no entry", hint="1 to 1440; make several for several days")
        with self._open(name, by) as work:
            row = EffortRow(id=observed_id(), incident=work.row.id, time=work.now, by=by, minutes=minutes, what=what)
            work.session.add(row)
            told = f"{by} worked {minutes} minutes" + (f": {what}" if what else "")
            work.tell("respond.incident.timed", told, {"minutes": minutes, "what": what})
            return Effort(row.id, row.time, by, minutes, what)


def write(work: Work, kind: NoteKind, text: str, corrects: str = "") -> Note:
    """Part of an act that is open already."""
    text = said(text, f"the {kind.value}", longest=LONGEST)
    row = NoteRow(
        id=observed_id(),
        incident=work.row.id,
        time=work.now,
        by=work.by,
        kind=kind.value,
        text=text,
        corrects=corrects,
    )
    work.session.add(row)
    body = {"note": row.id, "note_kind": kind.value, "text": text} | ({"corrects": corrects} if corrects else {})
    whose = {NoteKind.LESSON: f"{work.by} learnt", NoteKind.INJECT: "exercise"}
    what = whose.get(kind) or (f"{work.by} corrects" if corrects else work.by)
    work.tell("respond.incident.noted", f"{what}: {text}", body)
    return Note(row.id, row.incident, row.time, work.by, text, kind, corrects)
