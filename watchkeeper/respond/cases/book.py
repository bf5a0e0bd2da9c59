"""Everything that people do with incidents, in one place: what `app` makes and hands to the faces."""

from __future__ import annotations

from watchkeeper.core.clock import Clock
from watchkeeper.core.database import Database
from watchkeeper.respond.cases.deciding import Deciding
from watchkeeper.respond.cases.drilling import Drilling
from watchkeeper.respond.cases.exporting import Exporting
from watchkeeper.respond.cases.importing import Importing
from watchkeeper.respond.cases.links import Links
from watchkeeper.respond.cases.merging import Merging
from watchkeeper.respond.cases.noting import Noting
from watchkeeper.respond.cases.opening import Opening
from watchkeeper.respond.cases.reading import Reading
from watchkeeper.respond.cases.registrar import Registrar
from watchkeeper.respond.cases.similar import Similar
from watchkeeper.respond.cases.tasks import Tasks
from watchkeeper.respond.ledger import Ledger


class CaseBook:
    """The rooms of work on incidents over one database."""

    def __init__(self, database: Database, ledger: Ledger, clock: Clock) -> None:
        registrar = Registrar(database, ledger, clock)
        self.reading = Reading(database)
        self.drilling = Drilling(registrar)
        self.opening = Opening(registrar)
        self.deciding = Deciding(registrar)
        self.noting = Noting(registrar)
        self.tasks = Tasks(registrar)
        self.links = Links(registrar)
        self.merging = Merging(registrar)
        self.similar = Similar(database)
        self.exporting = Exporting(database)
        self.importing = Importing(registrar)
