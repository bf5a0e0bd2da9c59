"""The report after an incident, for people: what happened, what was done and what of it is proven, what follows.

`contents_of` makes it from the incident's own records and leaves out nothing that is missing: what is not known says
so. `markdown` and `pdf` set it; both take every text as hostile.
"""

from watchkeeper.respond.report.contents import contents_of
from watchkeeper.respond.report.markdown import markdown
from watchkeeper.respond.report.model import Report, Section

__all__ = ["Report", "Section", "contents_of", "markdown"]
