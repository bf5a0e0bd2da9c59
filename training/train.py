"""Train the judge's models, choose their thresholds, and write them: `python training/train.py` (about a minute).

Needs the group `train` (numpy, scipy, scikit-learn) and the development corpora. Deterministic: the same data and code
give the same files. Every score that a threshold is chosen on is of a case whose group was left out of its training.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import zstandard
from augment import more
from corpus import DEFINITION, HERE, TEXT, Case, development, heldout
from features import GRAMS, Matter, matter
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from watchkeeper.inspection.judge.model import PASSAGE, Stored
from watchkeeper.inspection.judge.reading import SIGNS

OUT = HERE.parent / "content" / "inspectors" / "judge"
FILES = {DEFINITION: "definitions.model", TEXT: "texts.model"}
FOLDS = 8
ROUNDS = 2
"""How often the passage of a malicious case that tells most is chosen anew."""
BUDGET = {DEFINITION: (0.008, 0.0015), TEXT: (0.04, 0.004)}
"""Share of innocent cases that may be flagged, and that may be called sure."""
KINDS = {
    "explicit_poisoning": "poisoning", "tool_poisoning": "poisoning", "prompt_injection": "poisoning",
    "rug_pull": "poisoning", "implicit_trigger": "poisoning", "preference": "preference", "overlap": "impersonation",
    "rename": "impersonation", "shadowing": "shadowing", "parameter_tampering": "shadowing",
    "context_collection": "collection", "delegation": "delegation", "trust_building": "delegation",
    "dangerous_capability": "dangerous_capability", "injected_instruction": "injected_instruction",
    "obfuscated_instruction": "injected_instruction", "other_language": "injected_instruction",
    "argument_attack": "attack_in_arguments", "prompt-injection": "injected_instruction",
    "tool-poisoning": "attack_in_arguments", "context-exfiltration": "secret_request",
}  # fmt: skip


def fit(m: Matter, mask: np.ndarray, strength: float) -> tuple[Any, Any]:
    """The two linear readings, of the cases in `mask`."""
    whole = _regression(m.whole[mask], m.y[mask], m.weight[mask], strength)
    part = whole
    innocent = np.where(mask[m.owner] & (m.y[m.owner] == 0))[0]
    for _ in range(ROUNDS):
        telling = _most_telling(m, m.parts @ part.coef_[0], mask & (m.y == 1))
        rows = np.concatenate([telling, innocent])
        labels = np.concatenate([np.ones(len(telling)), np.zeros(len(innocent))])
        weights = np.concatenate([np.ones(len(telling)), m.weight[m.owner[innocent]]])
        part = _regression(m.parts[rows], labels, weights, strength)
    return whole, part


def logits(m: Matter, whole: Any, part: Any) -> np.ndarray:
    first = m.whole @ whole.coef_[0] + whole.intercept_[0]
    second = np.full(len(m.y), -1e9)
    np.maximum.at(second, m.owner, m.parts @ part.coef_[0] + part.intercept_[0])
    return first + PASSAGE * second


def left_out(m: Matter, strength: float) -> np.ndarray:
    """A logit for each case by a model that never saw its group."""
    out = np.zeros(len(m.y))
    for train, test in GroupKFold(FOLDS).split(m.whole, m.y, m.groups):
        mask = np.zeros(len(m.y), bool)
        mask[train] = True
        out[test] = logits(m, *fit(m, mask, strength))[test]
    return out


def threshold(values: np.ndarray, share: float) -> float:
    """The lowest logit that at most `share` of `values` exceed."""
    ordered = np.sort(values)[::-1]
    return float(ordered[int(len(ordered) * share)])


def train(kind: str, strength: float) -> tuple[Stored, dict[str, Any], list[dict[str, Any]]]:
    cases = development(kind)
    m = matter(cases + more(cases))
    found = left_out(m, strength)
    whole, part = fit(m, np.ones(len(m.y), bool), strength)
    scale = LogisticRegression(C=1e6).fit(found.reshape(-1, 1), m.y)
    slope, offset = float(scale.coef_[0][0]), float(scale.intercept_[0])
    made = np.array([case.source.endswith("+") for case in m.cases])
    innocent = found[m.real] if kind == DEFINITION else found[(m.y == 0) & ~made]
    flagged, sure = (threshold(innocent, share) for share in BUDGET[kind])
    report = _report(m, found, flagged)
    held = matter(heldout(kind))
    report["heldout"] = _report(held, logits(held, whole, part), flagged) if held.cases else {}
    score = lambda logit: 1 / (1 + float(np.exp(-(slope * logit + offset))))  # noqa: E731
    stored = Stored(
        1, _made(m), m.concepts.names, SIGNS, *_tables(m, whole, part), slope, offset, score(flagged), score(sure),
        _kinds(m),
    )  # fmt: skip
    return stored, report, _results(kind, m, found, flagged)


def _tables(m: Matter, whole: Any, part: Any) -> tuple[Any, ...]:
    grams, scales, single, pairs = [], [], [], []
    for fitted in (whole, part):
        weights = fitted.coef_[0]
        scale = float(np.abs(weights[:GRAMS]).max()) / 127
        grams.append(np.rint(weights[:GRAMS] / scale).astype(np.int8).tobytes())
        scales.append(scale)
        single.append(tuple(round(float(w), 4) for w in weights[GRAMS : GRAMS + m.count]))
        rest = weights[GRAMS + m.count :]
        pairs.append({int(i): round(float(rest[i]), 4) for i in np.nonzero(np.abs(rest) > 1e-3)[0]})
    offsets = (float(whole.intercept_[0]), float(part.intercept_[0]))
    return tuple(grams), tuple(scales), tuple(single), tuple(pairs), offsets


def _kinds(m: Matter) -> dict[str, tuple[float, ...]]:
    """Which class a malicious case is, from its concepts alone."""
    rows = [i for i, case in enumerate(m.cases) if case.is_malicious and KINDS.get(case.label)]
    if not rows:
        return {}
    features = (m.whole[rows][:, GRAMS : GRAMS + m.count] > 0).astype(float)
    names = [KINDS[m.cases[i].label] for i in rows]
    fitted = LogisticRegression(C=0.3, max_iter=2000, class_weight="balanced").fit(features, names)
    return {
        str(name): (*(round(float(w), 4) for w in weights), round(float(bias), 4))
        for name, weights, bias in zip(fitted.classes_, fitted.coef_, fitted.intercept_, strict=True)
    }


def _regression(rows: Any, labels: np.ndarray, weights: np.ndarray, strength: float) -> Any:
    made = LogisticRegression(C=strength, max_iter=500, class_weight="balanced", solver="liblinear", random_state=0)
    return made.fit(rows, labels, sample_weight=weights)


def _most_telling(m: Matter, scores: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    best: dict[int, int] = {}
    for row, owner in enumerate(m.owner):
        if wanted[owner] and (owner not in best or scores[row] > scores[best[owner]]):
            best[owner] = row
    return np.array(list(best.values()))


def _made(m: Matter) -> str:
    digest = hashlib.sha256()
    for case in m.cases:
        digest.update(json.dumps([case.source, case.is_malicious, case.data], sort_keys=True).encode())
    return digest.hexdigest()[:16]


def _report(m: Matter, found: np.ndarray, limit: float) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name in sorted({f"{c.source}/{c.label if c.is_ours else ''}/{'+-'[not c.is_malicious]}" for c in m.cases}):
        source, label, sign = name.rsplit("/", 2)
        rows = [
            i for i, c in enumerate(m.cases)
            if c.source == source and c.is_malicious == (sign == "+") and label in ("", c.label)
        ]  # fmt: skip
        out[name] = f"{int((found[rows] > limit).sum())}/{len(rows)}"
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strength", type=float, default=5.0, help="inverse of the regularisation (C)")
    parser.add_argument("--only", choices=list(FILES), help="train this model only")
    parser.add_argument("--dry", action="store_true", help="report; write nothing")
    chosen = parser.parse_args()
    results: list[dict[str, Any]] = []
    for kind in (chosen.only,) if chosen.only else FILES:
        stored, report, rows = train(kind, chosen.strength)
        results += rows
        sys.stdout.write(json.dumps({kind: report}, indent=1) + "\n")
        if not chosen.dry:
            _write(OUT / FILES[kind], stored)
    if not chosen.dry and not chosen.only:
        (HERE / "report.json").write_text(json.dumps({"results": results}, indent=1) + "\n")


def _results(kind: str, m: Matter, found: np.ndarray, limit: float) -> list[dict[str, Any]]:
    """The figures of `bench/detection.py`, by models that never saw the case's group."""
    groups: dict[str, list[bool]] = {}
    for case, value in zip(m.cases, found, strict=True):
        if case.source.endswith("+"):
            continue
        sign = "recall" if case.is_malicious else "false_positive"
        groups.setdefault(f"{_short(case)}_{sign}", []).append(bool(value > limit))
    out = []
    for name, hits in sorted(groups.items()):
        low, high = wilson(sum(hits), len(hits))
        share = sum(hits) / len(hits)
        out.append({"metric": name, "kind": kind, "value": round(share, 4), "unit": "share", "peer": None,
                    "peer_value": None, "ratio": None, "hits": sum(hits), "n": len(hits), "low": round(low, 4),
                    "high": round(high, 4)})  # fmt: skip
    return out


def _short(case: Case) -> str:
    return "real_tools" if case.is_real else case.source.replace("-", "_")


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a rate."""
    z, p = 1.96, hits / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n))


def _write(path: Path, stored: Stored) -> None:
    path.write_bytes(zstandard.ZstdCompressor(level=19).compress(msgspec.msgpack.encode(stored)))
    sys.stdout.write(f"{path.name}: {path.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
