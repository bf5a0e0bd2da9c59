"""An errand in words, for people elsewhere: one subject line and a few paragraphs. What each medium must escape is its
own business. No I/O.
"""

from __future__ import annotations

from watchkeeper.core.text import visible
from watchkeeper.events.model import Severity
from watchkeeper.respond.errands import Errand, Verb
from watchkeeper.respond.model import EXERCISE

LONGEST_LINE = 200
LONGEST_TEXT = 4_000
AGAIN = "Sent again: it is not known whether an earlier copy arrived."


def severity_of(errand: Errand) -> str:
    """`high`, for people and for systems that take words."""
    try:
        return Severity(errand.severity).name.lower()
    except ValueError:
        return "unknown"


def subject(errand: Errand) -> str:
    """One line: how bad, which incident, what it is called."""
    drill = "EXERCISE " if EXERCISE in errand.labels else ""
    number = f"{errand.number}: " if errand.number else ""
    verb = "" if errand.verb in (Verb.TELL, Verb.TRIGGER, Verb.CREATE) else f"{errand.verb.value} "
    return visible(f"[{drill}{severity_of(errand).upper()}] {verb}{number}{errand.title}", limit=LONGEST_LINE)


def text(errand: Errand, *, again: bool = False) -> str:
    """The paragraphs, without the link."""
    said = visible(errand.text, limit=LONGEST_TEXT, keep="\n")
    return f"{said}\n\n{AGAIN}" if again else said
