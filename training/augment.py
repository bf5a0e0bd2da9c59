"""More cases by construction: what was written is put into other carriers and disguises. Deterministic.

- A poisoned description moves into a parameter of an innocent tool, or follows an innocent tool's own description.
- An injected text is set into an innocent one, and is encoded, enciphered or misspelt; so are innocent texts, so that a
  disguise alone tells nothing.

Only innocent cases written for this training carry others, never those of real servers. A constructed case belongs to
the group of the case it was made from.
"""

from __future__ import annotations

import base64
import codecs
import random
from collections.abc import Callable
from typing import Any

from corpus import DEFINITION, Case

MOVABLE = frozenset(
    {"explicit_poisoning", "tool_poisoning", "prompt_injection", "shadowing", "implicit_trigger", "parameter_tampering",
     "context_collection", "delegation"}
)  # fmt: skip
_CARRIED = frozenset({"injected_instruction", "obfuscated_instruction", "other_language"})
_HOMOGLYPHS = str.maketrans("aeopcxyi", "\u0430\u0435\u043e\u0440\u0441\u0445\u0443\u0456")
_LEET = str.maketrans("aeiost", "431057")


def more(cases: list[Case], seed: int = 7) -> list[Case]:
    """The constructed cases."""
    chance = random.Random(seed)
    carriers = [c for c in cases if c.is_ours and not c.is_malicious]
    if not carriers:
        return []
    if cases[0].kind == DEFINITION:
        moved = [c for c in cases if c.is_malicious and c.label in MOVABLE]
        return [_moved(case, chance.choice(carriers), i % 2 == 0) for i, case in enumerate(moved)]
    short = [c for c in carriers if 40 <= len(c.data["text"]) <= 3000]
    planted = [c for c in cases if c.is_malicious and (c.label in _CARRIED or c.source == "bipia")]
    made = [_planted(c, chance.choice(short), chance) for c in planted if len(c.data["text"]) < 800]
    plain = [c for c in cases if c.data["text"].isascii() and 20 < len(c.data["text"]) < 500]
    malicious = [c for c in plain if c.is_malicious and c.label in _CARRIED]
    innocent = [c for c in plain if not c.is_malicious]
    disguised = chance.sample(malicious, len(malicious) // 2) + chance.sample(innocent, len(innocent) // 3)
    return made + [_with(c, text=chance.choice(DISGUISES)(c.data["text"])) for c in disguised]


def _moved(case: Case, carrier: Case, into_parameter: bool) -> Case:
    said = str(case.data.get("description", ""))
    if not into_parameter:
        whole = f"{carrier.data.get('description', '')} {said.split('. ', 1)[-1]}"
        return _with(case, **(carrier.data | {"description": whole, "peers": case.data.get("peers", [])}))
    schema: dict[str, Any] = dict(carrier.data.get("inputSchema") or {"type": "object"})
    parameters = dict(schema.get("properties") or {})
    name = next(iter(parameters), "query")
    told = parameters.get(name) if isinstance(parameters.get(name), dict) else {}
    parameters[name] = {**(told or {"type": "string"}), "description": said.split(". ", 1)[-1]}
    return _with(case, **(carrier.data | {"inputSchema": schema | {"properties": parameters}}))


def _planted(case: Case, carrier: Case, chance: random.Random) -> Case:
    lines = str(carrier.data["text"]).split("\n")
    at = chance.randint(0, len(lines))
    return _with(case, text="\n".join([*lines[:at], case.data["text"], *lines[at:]]))


def _with(case: Case, **data: Any) -> Case:
    return case._replace(source=f"{case.source}+", data=case.data | data)


def _spelt(pattern: str, glue: str) -> Callable[[str], str]:
    return lambda text: glue.join(pattern.format(byte) for byte in text.encode())


DISGUISES: tuple[Callable[[str], str], ...] = (
    lambda text: "data: " + base64.b64encode(text.encode()).decode(),
    lambda text: base64.b64encode(text.encode()).decode(),
    lambda text: base64.b64encode(base64.b64encode(text.encode())).decode(),
    lambda text: codecs.encode(text, "rot13"),
    lambda text: text[::-1],
    lambda text: text.encode().hex(),
    lambda text: text.translate(_HOMOGLYPHS),
    lambda text: text.translate(_LEET),
    lambda text: " ".join(text),
    lambda text: "\u200b".join(text),
    lambda text: "".join(chr(0xE0000 + ord(c)) if " " <= c <= "~" else c for c in text),
    lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
    _spelt("%{:02x}", ""),
    _spelt("&#{};", ""),
    _spelt("\\u{:04x}", ""),
    _spelt("{:08b}", " "),
)
