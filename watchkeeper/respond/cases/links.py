"""What incidents have to do with: alerts, servers, clients, tools and their versions, advisories, hunts, tickets."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from sqlalchemy import select

from watchkeeper.core.errors import Conflict, Invalid, NotFound
from watchkeeper.core.ids import observed_id
from watchkeeper.respond import _store
from watchkeeper.respond.cases._store import LinkRow
from watchkeeper.respond.cases.model import Link, LinkKind
from watchkeeper.respond.cases.reading import link_of
from watchkeeper.respond.cases.registrar import Registrar, Work, said

LONGEST_VALUE = 512
_ADVISORY = re.compile(r"[A-Z][A-Z0-9]{1,15}-[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
"""`CVE-2025-6514`, `GHSA-…`, `PYSEC-…`, `MAL-…`."""


class Links:
    """Adds and takes back."""

    def __init__(self, registrar: Registrar) -> None:
        self._open = registrar.opened

    def add(self, name: str, by: str, kind: str, value: str, title: str = "") -> Link:
        """Say that an incident has to do with it. Raises `Conflict` when that was said before."""
        of, title = kind_of(kind), said(title, "the title", may_lack=True)
        value = said(value, f"the {of.value}", longest=LONGEST_VALUE)
        with self._open(name, by) as work:
            value = _checked(work, of, value)
            if self._find(work, of, value) is not None:
                raise Conflict(f"{work.row.number} is linked with it already")
            row = LinkRow(
                id=observed_id(),
                incident=work.row.id,
                kind=of.value,
                value=value,
                title=title,
                by=by,
                time=work.now,
            )
            work.session.add(row)
            work.tell(
                "respond.incident.linked",
                f"{by} links {of.value} {value}" + (f": {title}" if title else ""),
                {"link": of.value, "value": value},
            )
            return link_of(row)

    def remove(self, name: str, by: str, kind: str, value: str, reason: str) -> Link:
        """Take it back; the journal and the timeline keep both. Raises `NotFound`."""
        of, reason = kind_of(kind), said(reason, "the reason")
        with self._open(name, by) as work:
            row = self._find(work, of, value.strip())
            if row is None:
                raise NotFound(f"{work.row.number} is not linked with {value}", hint="see `incidents show`")
            work.session.delete(row)
            body = {"link": of.value, "value": row.value, "reason": reason}
            work.tell("respond.incident.unlinked", f"{by} unlinks {of.value} {row.value}: {reason}", body)
            return link_of(row)

    def _find(self, work: Work, of: LinkKind, value: str) -> LinkRow | None:
        known = select(LinkRow).where(LinkRow.incident == work.row.id, LinkRow.kind == of.value, LinkRow.value == value)
        return work.session.scalar(known)


def kind_of(kind: str) -> LinkKind:
    """Raises `Invalid`."""
    try:
        return LinkKind(kind)
    except ValueError as error:
        names = ", ".join(one.value for one in LinkKind)
        raise Invalid(f"nothing is linked as {kind!r}", hint=f"one of {names}") from error


def _checked(work: Work, of: LinkKind, value: str) -> str:
    if of is LinkKind.INCIDENT:
        other = _store.find_incident(work.session, value)
        if other.id == work.row.id:
            raise Invalid("an incident is not linked with itself")
        return other.number
    if of is LinkKind.TICKET or (of is LinkKind.ADVISORY and "://" in value):
        return _page(value)
    if of is LinkKind.ADVISORY and not _ADVISORY.fullmatch(value):
        raise Invalid(f"{value!r} names no advisory", hint="an identifier such as CVE-2025-6514, or its page")
    if of is LinkKind.TOOL and not all(value.partition("/")):
        raise Invalid(f"{value!r} names no tool", hint="SERVER/TOOL")
    return value


def _page(address: str) -> str:
    """An address that a person may follow. Raises `Invalid`."""
    try:
        parts = urlsplit(address)
        is_fit = parts.scheme in ("https", "http") and bool(parts.hostname) and not (parts.username or parts.password)
        _ = parts.port
    except ValueError as error:
        raise Invalid("this is no address of a page", hint="https://…") from error
    if not is_fit or not address.isprintable() or " " in address:
        raise Invalid("this is no address of a page that may be followed", hint="https://…, without a user or password")
    return address
