"""What the commands share: the folder's store, who acts, and how a value is named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from watchkeeper.app.administration import Administration
from watchkeeper.app.intelligence import CHANGED, NOTE, library_of
from watchkeeper.app.settings import Loaded, data_folder, load
from watchkeeper.core.errors import Invalid
from watchkeeper.detect.intelligence.keeping.library import Imported, Library
from watchkeeper.detect.intelligence.model import Type
from watchkeeper.detect.intelligence.values import guess, normal

_FORMS = {
    "": "an address, a network, a name, a URL, an e-mail address, a digest; else say which with --type",
    "ip": "such as 192.0.2.7 or 2001:db8::1",
    "network": "such as 192.0.2.0/24, and not wider than /8 (IPv6: /16)",
    "domain": "such as cdn.example.org",
    "url": "such as https://example.org/path",
    "email": "such as someone@example.org",
    "hash": "MD5, SHA-1, SHA-256 or SHA-512, in hexadecimal",
    "package": "such as npm/name, pypi/name@1.2 or */name",
    "definition": "such as sha256:…, as `watchkeeper pins list` shows it",
    "server": "its name, as in the settings",
}
"""What to write instead, by type."""
TYPES = [kind.value for kind in Type]
type_option = click.option(
    "--type", "kind", type=click.Choice(["", *TYPES]), default="", metavar="TYPE",
    help=f"What the value is, where its looks do not say: {', '.join(TYPES)}.",
)  # fmt: skip


def opened(config: Path | None, data: Path | None) -> tuple[Loaded, Library]:
    """Raises `NotFound` where nothing ever ran."""
    loaded = load(config, data_folder(data))
    return loaded, library_of(loaded)


def meant(kind: str, value: str) -> tuple[Type, str]:
    """Type and value in their one form. Raises `Invalid`."""
    try:
        return (Type(kind), normal(Type(kind), value)) if kind else guess(value)
    except Invalid as error:
        raise Invalid(error.reason, hint=error.hint or _FORMS[kind]) from error


def note(loaded: Loaded, kind: str, target: str, body: Mapping[str, Any]) -> None:
    """Have it recorded, by the watch or here."""
    Administration(loaded.data_dir).call(NOTE, kind=kind, target=target, body=dict(body))


def note_change(loaded: Loaded, what: str, target: str, why: str = "") -> None:
    """Have a change of sources or of the allow-list recorded."""
    note(loaded, CHANGED, target, {"what": what, "why": why})


def told(done: Imported) -> str:
    """What became of a file, for people: nothing that was refused goes unsaid."""
    parts = [f"{done.source}: {done.read} indicators read; {done.added} new, {done.changed} changed, "
             f"{done.unchanged} as they were"]  # fmt: skip
    for number, word in (
        (done.revoked, "revoked"),
        (done.removed, "gone from the source"),
        (done.expired, "past their end, and not looked for"),
        (done.silenced, "on an allow-list, and not looked for (`watchkeeper intel allow list`)"),
        (done.allowed, "new entries of the allow-list"),
        (done.ignored, "objects that are no indicators"),
        (done.left_out, "branches of patterns that no event can show, left out"),
    ):
        if number:
            parts.append(f"  {number} {word}")
    if done.refused:
        parts.append(f"  {done.refused} refused:")
        parts += [f"    {count} times {why}" for why, count in sorted(done.why.items(), key=lambda one: -one[1])]
    return "\n".join(parts)
