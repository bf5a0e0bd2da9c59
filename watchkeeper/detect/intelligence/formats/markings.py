"""TLP as the formats write it: ids of STIX's marking definitions, tags, words. Pure.

Of several the strictest holds; one that is not known is told apart from none, so that a caller can deny on doubt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from watchkeeper.detect.intelligence.model import TLP_ORDER, Tlp

MARKINGS = {
    "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": Tlp.CLEAR,
    "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": Tlp.GREEN,
    "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": Tlp.AMBER,
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": Tlp.RED,
    "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487": Tlp.CLEAR,
    "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb": Tlp.GREEN,
    "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421": Tlp.AMBER,
    "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003": Tlp.AMBER_STRICT,
    "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1": Tlp.RED,
}
"""The definitions of TLP 1 (STIX 2.1, §7.2.1.4) and of TLP 2 (OASIS extension)."""
_WORDS = {"white": Tlp.CLEAR, "amber-strict": Tlp.AMBER_STRICT, "amber_strict": Tlp.AMBER_STRICT} | {
    one.value: one for one in Tlp
}


def word(text: str) -> Tlp | None:
    """`TLP:AMBER`, `tlp:white`, `green`; `None` for anything else."""
    return _WORDS.get(text.strip().lower().removeprefix("tlp:").strip())


def strictest(found: Iterable[Tlp | None]) -> Tlp | None:
    """The one that lets fewest read it; `None` when there is none."""
    known = [one for one in found if one is not None]
    return max(known, key=TLP_ORDER.index, default=None)


def of_references(references: Iterable[str], known: Mapping[str, Tlp] = MARKINGS) -> Tlp | None:
    """What an object's markings come to; a marking that is not known counts as the strictest: it may be a contract."""
    return strictest(known.get(one, Tlp.RED) for one in references)
