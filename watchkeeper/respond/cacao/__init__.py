"""CACAO Security Playbooks 2.0 (OASIS): our playbooks for others, and others' for us."""

from watchkeeper.respond.cacao.exporting import Authorship, exported
from watchkeeper.respond.cacao.importing import Imported, imported

__all__ = ["Authorship", "Imported", "exported", "imported"]
