"""CSV with a header: columns found by their usual names, or named by whoever imports."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping

from watchkeeper.core.clock import SECOND, from_iso
from watchkeeper.core.errors import Invalid
from watchkeeper.detect.intelligence.formats.markings import word
from watchkeeper.detect.intelligence.model import LONGEST_TEXT, Draft, Read, Tlp, Type
from watchkeeper.detect.intelligence.values import guess, normal

COLUMNS: dict[str, tuple[str, ...]] = {
    "value": ("value", "indicator", "ioc", "ioc_value", "observable", "url", "domain", "ip", "ip_address", "sha256"),
    "type": ("type", "indicator_type", "ioc_type", "kind"),
    "confidence": ("confidence", "confidence_level", "score"),
    "valid_from": ("valid_from", "first_seen", "first_seen_utc", "date", "dateadded", "created"),
    "valid_until": ("valid_until", "expires", "expiration", "expiry"),
    "tlp": ("tlp", "marking"),
    "title": ("title", "name", "description", "comment", "threat", "malware", "malware_printable"),
    "tags": ("tags", "labels"),
    "id": ("id", "uuid"),
}
"""What we want → names of columns that are taken for it."""
TYPES = {
    "ip": Type.IP, "ipv4": Type.IP, "ipv6": Type.IP, "ipv4-addr": Type.IP, "ipv6-addr": Type.IP, "ip:port": Type.IP,
    "ip-src": Type.IP, "ip-dst": Type.IP, "address": Type.IP, "cidr": Type.NETWORK, "network": Type.NETWORK,
    "domain": Type.DOMAIN, "hostname": Type.DOMAIN, "fqdn": Type.DOMAIN, "domain-name": Type.DOMAIN,
    "host": Type.DOMAIN,
    "url": Type.URL, "uri": Type.URL, "email": Type.EMAIL, "email-addr": Type.EMAIL,
    "hash": Type.HASH, "md5": Type.HASH, "sha1": Type.HASH, "sha256": Type.HASH, "sha512": Type.HASH,
    "md5_hash": Type.HASH, "sha1_hash": Type.HASH, "sha256_hash": Type.HASH, "file": Type.HASH,
    "package": Type.PACKAGE, "purl": Type.PACKAGE, "definition": Type.DEFINITION, "fingerprint": Type.DEFINITION,
    "server": Type.SERVER,
}  # fmt: skip
_WORDS = {"low": 30, "medium": 60, "moderate": 60, "high": 85, "certain": 95}
_LONGEST_LINE = 65_536


def read(data: bytes, most: int, columns: Mapping[str, str]) -> Read:
    """The indicators of a table. `columns` names some of `COLUMNS` by the header's own words. Raises `Invalid`."""
    found = Read()
    rows = _rows(data.decode("utf-8-sig", "replace"), found)
    header = next(rows, (0, []))[1]
    places = _places([name.strip().lower() for name in header], columns)
    for number, row in rows:
        if len(found.drafts) >= most:
            raise Invalid(f"the file has more than {most} lines; that many are read at once")
        said = {name: row[at].strip() for name, at in places.items() if at < len(row)}
        try:
            found.drafts.append(_draft(said, header[places["value"]].strip().lower()))
        except Invalid as error:
            found.refuse(f"line {number}", error.reason)
    return found


def _rows(text: str, found: Read) -> Iterator[tuple[int, list[str]]]:
    """Lines that are no comment, split; a quoted line break inside a field is not read."""
    for number, line in enumerate(io.StringIO(text), 1):
        if not line.strip() or line.lstrip()[:1] == "#":
            continue
        if len(line) > _LONGEST_LINE:
            found.refuse(f"line {number}", "the line is too long")
            continue
        try:
            yield number, next(csv.reader([line], delimiter=";" if ";" in line and "," not in line else ","))
        except csv.Error:
            found.refuse(f"line {number}", "the line is no CSV")


def _places(header: list[str], columns: Mapping[str, str]) -> dict[str, int]:
    unknown = sorted(set(columns) - set(COLUMNS))
    if unknown:
        raise Invalid(f"there is no {unknown[0]} of an indicator", hint=f"one of {', '.join(COLUMNS)}")
    missing = [name for name in columns.values() if name.lower() not in header]
    if missing:
        raise Invalid(f"the table has no column {missing[0]!r}", hint=f"it has {', '.join(header)[:200] or 'none'}")
    places = {name: header.index(column.lower()) for name, column in columns.items()}
    for name, usual in COLUMNS.items():
        at = next((header.index(one) for one in usual if one in header), None)
        if name not in places and at is not None:
            places[name] = at
    if "value" not in places:
        raise Invalid("the table has no column of values", hint="name it: --map value=COLUMN")
    return places


def _draft(said: Mapping[str, str], heading: str) -> Draft:
    kind, value = _typed(said.get("type", "").lower() or heading, said["value"])
    return Draft(
        type=kind,
        value=value,
        id=said.get("id", "")[:LONGEST_TEXT],
        confidence=_confidence(said.get("confidence", "")),
        valid_from=_time(said.get("valid_from", "")),
        valid_until=_time(said.get("valid_until", "")),
        tlp=_tlp(said.get("tlp", "")),
        title=said.get("title", "")[:LONGEST_TEXT],
        tags=tuple(
            tag.strip()[:LONGEST_TEXT] for tag in said.get("tags", "").replace("|", ",").split(",") if tag.strip()
        )[:20],
    )


def _typed(named: str, value: str) -> tuple[Type, str]:
    kind = TYPES.get(named)
    if kind is None:
        return guess(value)
    if kind is Type.IP and "/" in value:
        kind = Type.NETWORK
    return kind, normal(kind, value)


def _confidence(text: str) -> int | None:
    if not text:
        return None
    number = _WORDS.get(text.lower())
    if number is None:
        number = int(text) if text.isdigit() and len(text) < 4 else -1
    if not 0 <= number <= 100:
        raise Invalid("the confidence is not between 0 and 100")
    return number


def _tlp(text: str) -> Tlp | None:
    found = word(text) if text else None
    if text and found is None:
        raise Invalid("the TLP is none that we know")
    return found


def _time(text: str) -> int:
    if not text:
        return 0
    if text.isdigit() and len(text) < 12:
        return int(text) * SECOND
    return from_iso(text.removesuffix(" UTC"))
