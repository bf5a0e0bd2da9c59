"""Text that nobody sees: changed writing direction, tag characters, marks without width inside words, selectors.

A definition with it is held at first sight; in content it is journalled, and a policy may ask for it. The rules are
`content/inspectors/invisible.yaml`.
"""

from __future__ import annotations

from typing import ClassVar

from watchkeeper.inspection.rulebook import RuleInspector


class Invisible(RuleInspector):
    """Label `invisible_text`."""

    name: ClassVar[str] = "invisible"
