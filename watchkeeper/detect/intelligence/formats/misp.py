"""MISP: events and feeds in JSON (attributes that are marked `to_ids`), and warning lists, which are allow-lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from watchkeeper.core.clock import SECOND, from_iso
from watchkeeper.core.errors import Invalid
from watchkeeper.detect.intelligence.formats.markings import strictest, word
from watchkeeper.detect.intelligence.model import LONGEST_TEXT, Draft, Read, Tlp, Type
from watchkeeper.detect.intelligence.values import guess, normal

_TYPES: dict[str, tuple[Type, ...]] = {
    "ip-src": (Type.IP,), "ip-dst": (Type.IP,), "ip-src|port": (Type.IP,), "ip-dst|port": (Type.IP,),
    "domain": (Type.DOMAIN,), "hostname": (Type.DOMAIN,), "hostname|port": (Type.DOMAIN,),
    "domain|ip": (Type.DOMAIN, Type.IP),
    "url": (Type.URL,), "uri": (Type.URL,), "link": (Type.URL,),
    "email": (Type.EMAIL,), "email-src": (Type.EMAIL,), "email-dst": (Type.EMAIL,),
    "md5": (Type.HASH,), "sha1": (Type.HASH,), "sha256": (Type.HASH,), "sha512": (Type.HASH,),
    "filename|md5": (Type.HASH,), "filename|sha1": (Type.HASH,), "filename|sha256": (Type.HASH,),
    "filename|sha512": (Type.HASH,),
}  # fmt: skip
_CONFIDENCE = {"1": 85, "2": 65, "3": 45}
"""By the event's threat level: high, medium, low."""
_MOST_TAGS = 20


def read(data: bytes, most: int) -> Read:
    """The indicators of an event, several, or a warning list. Raises `Invalid` when it is none of them."""
    try:
        document = msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Invalid(f"this is no JSON of MISP: {str(error)[:120]}") from error
    found = Read()
    if isinstance(document, dict) and isinstance(document.get("list"), list):
        return _warning_list(found, document, most)
    events = list(_events(document))
    if not events:
        raise Invalid("this is no MISP event", hint='an object with "Event", an array of them, or a warning list')
    for event in events:
        _event(found, event, most)
    return found


def _events(document: Any) -> Iterator[dict[str, Any]]:
    listed = document.get("response", [document]) if isinstance(document, dict) else document
    for one in listed if isinstance(listed, list) else []:
        event = one.get("Event", one if "Attribute" in one else None) if isinstance(one, dict) else None
        if isinstance(event, dict):
            yield event


def _event(found: Read, event: dict[str, Any], most: int) -> None:
    title = _text(event.get("info"))
    confidence = _CONFIDENCE.get(str(event.get("threat_level_id", "")))
    tlp = _tlp(event)
    for attribute in _attributes(event):
        if len(found.drafts) >= most:
            raise Invalid(f"the file has more than {most} indicators; that many are read at once")
        if not attribute.get("to_ids"):
            found.ignored += 1
            continue
        try:
            _attribute(found, attribute, title, confidence, tlp)
        except Invalid as error:
            found.refuse(_text(attribute.get("uuid")) or "an attribute", error.reason)


def _attributes(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for holder in (event, *_dicts(event.get("Object"))):
        yield from _dicts(holder.get("Attribute"))


def _attribute(found: Read, said: dict[str, Any], title: str, confidence: int | None, tlp: Tlp | None) -> None:
    named, value = _text(said.get("type")), said.get("value")
    kinds = _TYPES.get(named)
    if kinds is None:
        raise Invalid(f"no event of MCP shows a {named[:40]!r}")
    if not isinstance(value, str):
        raise Invalid("the attribute has no value")
    parts = value.split("|") if "|" in named else [value]
    wanted = parts[-1:] if named.startswith("filename|") else parts[: len(kinds)]
    own = strictest([_tlp(said), tlp])
    for kind, part in zip(kinds, wanted, strict=False):
        is_network = kind is Type.IP and "/" in part
        real = Type.NETWORK if is_network else kind
        found.drafts.append(
            Draft(
                type=real,
                value=normal(real, part),
                id=_text(said.get("uuid")),
                confidence=confidence,
                valid_from=_seen(said.get("first_seen")),
                modified=_stamp(said.get("timestamp")),
                tlp=own,
                title=_text(said.get("comment")) or title,
                tags=tuple(_names(said))[:_MOST_TAGS],
                revoked=bool(said.get("deleted")),
            )
        )


def _warning_list(found: Read, document: dict[str, Any], most: int) -> Read:
    sort = document.get("type")
    if sort not in ("hostname", "cidr", "string"):
        raise Invalid(
            f"a warning list of the sort {str(sort)[:30]!r} is not read", hint="hostname, cidr and string are"
        )
    for number, one in enumerate(document["list"][:most], 1):
        try:
            kind, value = guess(one.lstrip(".")) if isinstance(one, str) else guess("")
            found.allowed.append((kind.value, value))
        except Invalid as error:
            found.refuse(f"entry {number}", error.reason)
    return found


def _tlp(holder: dict[str, Any]) -> Tlp | None:
    return strictest(word(name) for name in _names(holder) if name.lower().startswith("tlp:"))


def _names(holder: dict[str, Any]) -> Iterable[str]:
    return [_text(tag.get("name")) for tag in _dicts(holder.get("Tag"))]


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value[:LONGEST_TEXT] if isinstance(value, str) else ""


def _stamp(value: Any) -> int:
    text = str(value)
    return int(text) * SECOND if text.isdigit() and len(text) < 12 else 0


def _seen(value: Any) -> int:
    return from_iso(value) if isinstance(value, str) and value else 0
