"""Incidents as others read them: our own lines, Timesketch, VERIS, STIX 2.1, OCSF. Pure: no file, no database.

Each room makes of an incident and its timeline a list of JSON objects. What is not known is left out, or says so in the
format's own word; nothing is guessed.
"""

from watchkeeper.respond.exports.formats import FORMATS, lines_of
from watchkeeper.respond.exports.model import Export

__all__ = ["FORMATS", "Export", "lines_of"]
