"""What the gateway, the registry and `watchkeeper scan` ask: how likely is it that this was made to harm?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.core.content import content_folder
from watchkeeper.inspection.judge.concepts import Concepts
from watchkeeper.inspection.judge.model import Model, Weighed
from watchkeeper.inspection.judge.reading import Peer, Reader, Reading

DEFINITIONS = "definitions.model"
TEXTS = "texts.model"
LONGEST = 64 * 1024
"""Characters of a text that are read."""


class Opinion(msgspec.Struct, frozen=True):
    """An opinion on one definition or text."""

    score: float
    """Calibrated probability, 0 to 1, that it is malicious: among cases like those it was trained on."""
    is_flagged: bool
    """Above the threshold that was chosen for the budget of false positives."""
    is_sure: bool
    """Above the threshold that blocking can live with."""
    kind: str
    """The class it is most like, e.g. `poisoning`, `shadowing`, `injected_instruction`."""
    path: str = ""
    """JSON pointer of the string that told most; empty in a text."""
    start: int = 0
    end: int = 0
    """Characters of the passage in that string."""


class Judge:
    """Both models. Safe for many threads; loading takes some tens of milliseconds."""

    def __init__(self, folder: Path | None = None) -> None:
        """Raises `Misconfigured` when the models cannot be read."""
        place = folder or content_folder("inspectors") / "judge"
        concepts = Concepts.load()
        self._reader = Reader(concepts)
        self._definitions = Model.load(place / DEFINITIONS, concepts.names)
        self._texts = Model.load(place / TEXTS, concepts.names)

    def of_definition(self, tree: dict[str, Any], peers: Sequence[Peer] = (), labels: Collection[str] = ()) -> Opinion:
        """Of a definition as a server lists it, beside the tools of other servers that the model sees. `labels` are
        those of the first layer's findings: they weigh, and do not decide.
        """
        return _opinion(self._definitions, self._reader.of_definition(tree, peers, labels))

    def of_text(self, text: str, labels: Collection[str] = ()) -> Opinion:
        """Of a text on its way to a model, or of what a model wrote into arguments."""
        return _opinion(self._texts, self._reader.of_text(text[:LONGEST], labels))


def _opinion(model: Model, reading: Reading) -> Opinion:
    weighed: Weighed = model.weigh(reading)
    place = weighed.passage
    return Opinion(
        score=weighed.score,
        is_flagged=weighed.score > model.threshold,
        is_sure=weighed.score > model.stored.sure,
        kind=weighed.kind,
        path=place[0].path if place else "",
        start=min((sentence.start for sentence in place), default=0),
        end=max((sentence.end for sentence in place), default=0),
    )
