"""The judge's features as sparse matrices: the same numbers that `watchkeeper.inspection.judge.model` adds up."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import scipy.sparse as sp
from corpus import DEFINITION, Case

from watchkeeper.inspection import Inspection, Surface
from watchkeeper.inspection.attacks import Attacks
from watchkeeper.inspection.channels import Channels
from watchkeeper.inspection.instructions import HiddenInstructions
from watchkeeper.inspection.judge.concepts import Concepts
from watchkeeper.inspection.judge.model import CONCEPT, passages
from watchkeeper.inspection.judge.reading import SIGNS, Peer, Reader, Reading, Sentence
from watchkeeper.inspection.judge.words import BITS, number, numbers_of
from watchkeeper.inspection.secrets import Secrets
from watchkeeper.inspection.suspicion import Suspicion

GRAMS = 1 << BITS
SEEN = ("name", "title", "description", "inputSchema", "outputSchema", "annotations")
LONGEST = 20_000
OUTGOING = frozenset({"tool_args", "tool_call", "arguments", "args"})
PLAIN = 0.2
"""Weight of ordinary tools written for this training."""
MADE = 0.1
"""Weight of constructed cases."""
OURS = 0.25
"""Weight of innocent tools written to look suspicious: the budget is counted on real ones."""


@dataclass
class Matter:
    """Cases, read and numbered."""

    cases: list[Case]
    readings: list[Reading]
    whole: Any
    parts: Any
    owner: np.ndarray
    """Row of `parts` → its case."""
    y: np.ndarray
    weight: np.ndarray
    real: np.ndarray
    groups: np.ndarray
    concepts: Concepts

    @property
    def count(self) -> int:
        return len(self.concepts.names) + len(SIGNS)


def matter(cases: list[Case]) -> Matter:
    concepts = Concepts.load()
    reader = Reader(concepts)
    count = len(concepts.names) + len(SIGNS)
    inspection = Inspection([Attacks(), Channels(), HiddenInstructions(), Secrets(), Suspicion()])
    readings = [read_case(reader, case, inspection) for case in cases]
    whole = _matrix([_vector(r.sentences, r, concepts, count) for r in readings], count)
    owner: list[int] = []
    rows: list[dict[int, float]] = []
    for i, reading in enumerate(readings):
        for indices in list(passages(reading.sentences))[:200] or [()]:
            owner.append(i)
            rows.append(_vector([reading.sentences[j] for j in indices], reading, concepts, count))
    y = np.array([case.is_malicious for case in cases], int)
    real = np.array([case.is_real for case in cases], bool)
    soft = np.array([case.is_ours and case.kind == DEFINITION and not case.is_malicious for case in cases], bool)
    groups = np.unique([case.group for case in cases], return_inverse=True)[1]
    made = np.array([case.source.endswith("+") for case in cases], bool)
    plain = np.array([case.label == "ordinary_tool" for case in cases], bool)
    weight = np.where(made, MADE, np.where(plain, PLAIN, np.where(soft, OURS, 1.0)))
    return Matter(cases, readings, whole, _matrix(rows, count), np.array(owner), y, weight, real, groups, concepts)


def read_case(reader: Reader, case: Case, inspection: Inspection) -> Reading:
    if case.kind != DEFINITION:
        text = str(case.data.get("text", ""))[:LONGEST]
        surfaces = (Surface.ARGUMENTS,) if case.data.get("field") in OUTGOING else (Surface.RESULT, Surface.ARGUMENTS)
        found = {f.label for surface in surfaces for f in inspection.inspect(surface, msgspec.json.encode(text))}
        return reader.of_text(text, found)
    tree = {name: case.data[name] for name in SEEN if name in case.data}
    peers = [Peer(str(p.get("name", "")), str(p.get("description") or "")) for p in case.data.get("peers", ())]
    found = {finding.label for finding in inspection.inspect(Surface.DEFINITION, msgspec.json.encode(tree))}
    return reader.of_definition(tree, peers, found)


@cache
def _numbers(word: str) -> tuple[int, ...]:
    return tuple(numbers_of(word))


def _vector(said: Sequence[Sentence], reading: Reading, concepts: Concepts, count: int) -> dict[int, float]:
    grams: Counter[int] = Counter()
    signs = [len(concepts.names) + sign for sign in reading.signs]
    found, pairs = set(signs), set()
    for sentence in said:
        grams.update(sentence.extra)
        for word in sentence.words:
            grams.update(_numbers(word))
        grams.update(number(f"{one} {two}") for one, two in pairwise(sentence.words))
        here = [*sentence.concepts, *signs]
        found.update(here)
        pairs.update(low * count + high for i, low in enumerate(here) for high in here[i + 1 :])
    size = math.sqrt(sum(grams.values()) or 1)
    out = {gram: times / size for gram, times in grams.items()}
    out |= {GRAMS + one: CONCEPT for one in found}
    return out | {GRAMS + count + pair: CONCEPT for pair in pairs}


def _matrix(rows: list[dict[int, float]], count: int) -> Any:
    lengths = [len(row) for row in rows]
    columns = np.fromiter((c for row in rows for c in row), int, sum(lengths))
    values = np.fromiter((v for row in rows for v in row.values()), float, sum(lengths))
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return sp.csr_matrix((values, columns, starts), shape=(len(rows), GRAMS + count + count * count))
