"""A trained model: two linear readings of a text, one of it as a whole and one of its most telling passage.

    whole   = (sum of the weights of all n-grams) / sqrt(their number) + weights of concepts + of pairs of concepts
    passage = the same of a name, or of two sentences that follow each other; the highest counts
    score   = 1 / (1 + exp(-(slope * (whole + PASSAGE * passage) + offset)))

Pairs count where both concepts stand in one sentence. Made by `training/train.py`; see docs/concepts/judge.md.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec
import zstandard

from watchkeeper.core.errors import Misconfigured
from watchkeeper.inspection.judge.reading import SIGNS, Reading, Sentence
from watchkeeper.inspection.judge.words import BITS, number, numbers_of

PASSAGE = 0.5
CONCEPT = 0.3
"""Value of a concept's and of a pair's feature."""
MAX_KNOWN = 50_000
"""Words whose weights are kept; then all are forgotten."""
_LARGEST = 64 << 20


class Stored(msgspec.Struct, frozen=True):
    """A model as it lies in its file."""

    format: int
    made: str
    """What it was made from: hash of data and code."""
    concepts: tuple[str, ...]
    signs: tuple[str, ...]
    grams: tuple[bytes, bytes]
    """Weights of n-grams as signed bytes, `2 ** BITS` each: of the whole, of a passage."""
    scales: tuple[float, float]
    """What a unit of these bytes stands for."""
    single: tuple[tuple[float, ...], tuple[float, ...]]
    """Weights of concepts and signs."""
    pairs: tuple[dict[int, float], dict[int, float]]
    """Weights of pairs: `low * (concepts + signs) + high`."""
    offsets: tuple[float, float]
    slope: float
    offset: float
    threshold: float
    """Score from which a text counts as flagged: chosen for the budget of false positives."""
    sure: float
    """Score from which it counts as sure: chosen for a budget that blocking can live with."""
    kinds: dict[str, tuple[float, ...]] = {}
    """Class → weights of concepts and signs, and its offset last: which class a flagged text is most like."""


class Weighed(msgspec.Struct, frozen=True):
    """What a model says of a reading."""

    score: float
    """0 to 1."""
    passage: tuple[Sentence, ...]
    """The most telling one."""
    kind: str


_Features = tuple[frozenset[int], frozenset[int]]
"""Concepts and signs; pairs of them."""


class _Part(NamedTuple):
    """A sentence, weighed: sums of its n-grams in both tables, their number, and its features."""

    whole: int
    passage: int
    grams: int
    concepts: frozenset[int]
    pairs: frozenset[int]


class Model:
    """Safe for many threads."""

    def __init__(self, stored: Stored) -> None:
        self.threshold = stored.threshold
        self.stored = stored
        self._tables = tuple(array("b", grams) for grams in stored.grams)
        self._known: dict[str, tuple[int, int, int]] = {}
        self._count = len(stored.concepts) + len(stored.signs)
        self._first_sign = len(stored.concepts)

    @classmethod
    def load(cls, path: Path, concepts: Sequence[str]) -> Model:
        """Raises `Misconfigured` when the file is not a model for these concepts."""
        try:
            raw = zstandard.ZstdDecompressor().decompress(path.read_bytes(), max_output_size=_LARGEST)
            stored = msgspec.msgpack.decode(raw, type=Stored)
        except (OSError, zstandard.ZstdError, msgspec.DecodeError, msgspec.ValidationError) as error:
            raise Misconfigured(f"cannot read the model {path}: {error}", hint="reinstall watchkeeper") from error
        fits = stored.concepts == tuple(concepts) and stored.signs == SIGNS
        if not fits or any(len(grams) != 1 << BITS for grams in stored.grams):
            raise Misconfigured(f"the model {path} was made for other concepts", hint="train it: training/README.md")
        return cls(stored)

    def weigh(self, reading: Reading) -> Weighed:
        """The score of a reading, and where it comes from."""
        said = reading.sentences
        signs = [self._first_sign + sign for sign in reading.signs]
        base = frozenset(signs), frozenset(self._pairs(signs))
        parts = [self._part(sentence, signs, base) for sentence in said]
        whole = self._sum(0, parts, base)
        best = -math.inf
        passage: tuple[Sentence, ...] = ()
        for indices in passages(said):
            value = self._sum(1, [parts[i] for i in indices], base)
            if value > best:
                best, passage = value, tuple(said[i] for i in indices)
        logit = self.stored.slope * (whole + PASSAGE * best) + self.stored.offset
        return Weighed(1 / (1 + math.exp(-max(-60.0, min(60.0, logit)))), passage, self._kind(reading, signs))

    def _part(self, sentence: Sentence, signs: list[int], base: _Features) -> _Part:
        first, second, count = self._grams(sentence)
        if not sentence.concepts:
            return _Part(first, second, count, *base)
        here = [*sentence.concepts, *signs]
        return _Part(first, second, count, frozenset(here), frozenset(self._pairs(here)))

    def _sum(self, table: int, parts: Sequence[_Part], base: _Features) -> float:
        stored = self.stored
        count = sum(part.grams for part in parts)
        grams = sum(part.passage for part in parts) if table else sum(part.whole for part in parts)
        value: float = stored.scales[table] * grams / math.sqrt(count or 1)
        if len(parts) == 1:
            concepts, pairs = parts[0].concepts, parts[0].pairs
        else:
            concepts = base[0].union(*(part.concepts for part in parts if part.concepts is not base[0]))
            pairs = base[1].union(*(part.pairs for part in parts if part.pairs is not base[1]))
        single, known = stored.single[table], stored.pairs[table]
        told = sum([single[i] for i in concepts]) + sum([known[pair] for pair in pairs if pair in known])
        return value + CONCEPT * told + stored.offsets[table]

    def _pairs(self, found: list[int]) -> list[int]:
        count = self._count
        return [low * count + high for i, low in enumerate(found) for high in found[i + 1 :]]

    def _grams(self, sentence: Sentence) -> tuple[int, int, int]:
        """Weights of a sentence's n-grams in both tables, and their number."""
        whole, passage = self._tables
        first = second = count = 0
        known = self._known
        for word in sentence.words:
            seen = known.get(word)
            if seen is None:
                seen = self._learn(word)
            first, second, count = first + seen[0], second + seen[1], count + seen[2]
        for one, two in pairwise(sentence.words):
            index = number(f"{one} {two}")
            first, second, count = first + whole[index], second + passage[index], count + 1
        for index in sentence.extra:
            first, second, count = first + whole[index], second + passage[index], count + 1
        return first, second, count

    def _learn(self, word: str) -> tuple[int, int, int]:
        whole, passage = self._tables
        numbers = numbers_of(word)
        if len(self._known) >= MAX_KNOWN:
            self._known = {}
        weights = (sum(whole[n] for n in numbers), sum(passage[n] for n in numbers), len(numbers))
        self._known[word] = weights
        return weights

    def _kind(self, reading: Reading, signs: list[int]) -> str:
        concepts = set(signs).union(*(sentence.concepts for sentence in reading.sentences))
        kinds = self.stored.kinds
        return max(kinds, key=lambda kind: kinds[kind][-1] + sum(kinds[kind][i] for i in concepts), default="")


def passages(sentences: Sequence[Sentence]) -> Iterator[tuple[int, ...]]:
    """Positions of what is read together: a tool's name; each two sentences of one string; a lone sentence."""
    for i, sentence in enumerate(sentences):
        if sentence.is_name:
            if sentence.path == "/name":
                yield (i,)
            continue
        following = sentences[i + 1] if i + 1 < len(sentences) else None
        if following is not None and not following.is_name and following.path == sentence.path:
            yield i, i + 1
        elif i == 0 or sentences[i - 1].is_name or sentences[i - 1].path != sentence.path:
            yield (i,)
