"""The query language of searches: one text, a tree, and the tree as SQL for the lake and as a question of one row.

Pure; knows columns by their names and no table, journal or face. Rooms: `language` reads the text, `fields` says which
fields there are, `written` writes a tree as text again, `sql` and `memory` are its two meanings, which must agree.
"""

from watchkeeper.events.query.language import BadQuery, Read, read
from watchkeeper.events.query.model import Expr
from watchkeeper.events.query.written import written

__all__ = ["BadQuery", "Expr", "Read", "read", "written"]
