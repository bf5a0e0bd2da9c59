"""Dear tests of texts (regular expressions, networks) that remember what they said, in bounds."""

from __future__ import annotations

from collections.abc import Sequence

from watchkeeper.detect.conditions.patterns import TextTest

_MOST = 1024
_LONGEST = 256


def remembered(tests: Sequence[TextTest]) -> TextTest:
    """Whether one of the tests holds."""
    known: dict[str, bool] = {}

    def test(text: str) -> bool:
        if len(text) > _LONGEST:
            return any(one(text) for one in tests)
        answer = known.get(text)
        if answer is None:
            if len(known) >= _MOST:
                known.clear()
            answer = known[text] = any(one(text) for one in tests)
        return answer

    return test
