"""Host names: their one form, their parents, and where a name stops being somebody's own. Pure.

The list of public suffixes is ours, short, and errs towards *more* of them: a name that is taken for one is refused as
an indicator, which is said; one that is missed would match every customer of a registry.
"""

from __future__ import annotations

import re
import unicodedata

_SECOND = frozenset({"ac", "co", "com", "edu", "gob", "gov", "mil", "net", "nom", "org"})
"""Second-level names under which countries register."""
_BY_COUNTRY = {
    "at": {"gv", "or"},
    "au": {"asn", "id"},
    "br": {"art", "blog", "dev", "eco", "ind", "inf"},
    "id": {"go", "or", "sch", "web"},
    "il": {"k12", "muni"},
    "in": {"firm", "gen", "ind", "nic", "res"},
    "jp": {"ad", "ed", "go", "gr", "lg", "ne", "or"},
    "ke": {"go", "me", "ne", "or"},
    "kr": {"go", "ne", "or", "pe", "re"},
    "nz": {"geek", "gen", "govt", "iwi", "kiwi", "maori", "school"},
    "pl": {"biz", "info", "waw"},
    "ru": {"msk", "pp", "spb"},
    "th": {"go", "in", "mi", "or"},
    "tr": {"bel", "biz", "gen", "info", "web"},
    "tw": {"club", "game", "idv"},
    "uk": {"ltd", "me", "nhs", "plc", "police", "sch"},
    "za": {"law", "web"},
}
_PLATFORMS = """
    appspot.com azurewebsites.net azurestaticapps.net blogspot.com cloudfront.net cloudfunctions.net deno.dev
    duckdns.org firebaseapp.com fly.dev github.io githubusercontent.com gitlab.io glitch.me herokuapp.com hf.space
    loca.lt netlify.app ngrok.app ngrok.dev ngrok.io ngrok-free.app ngrok-free.dev onrender.com pages.dev
    pythonanywhere.com r2.dev railway.app repl.co replit.app replit.dev run.app serveo.net supabase.co surge.sh
    trycloudflare.com ts.net vercel.app web.app workers.dev amazonaws.com s3.amazonaws.com blob.core.windows.net
    azurecontainerapps.io
    """
_HOSTING = frozenset(_PLATFORMS.split())
"""Platforms that give a name to anybody who asks."""
_MOST = 253
_is_host = re.compile("[a-z0-9_.-]+").fullmatch


def host(text: str) -> str:
    """The name in lower case and ASCII, without a dot at its end; empty when it is no name of two labels or more."""
    name = text.rstrip(".").lower()
    if not name.isascii():
        name = _in_ascii(name)
    if not 3 < len(name) <= _MOST or "." not in name or not _is_host(name):
        return ""
    if name[0] in ".-" or name[-1] == "-" or ".." in name or ".-" in name or "-." in name:
        return ""
    if len(name) > 63 and max(map(len, name.split("."))) > 63:
        return ""
    top = name.rpartition(".")[2]
    return name if len(top) > 1 and top[0].isalpha() and "_" not in top else ""


def _in_ascii(name: str) -> str:
    """IDNA 2003, as resolvers do it: `é` is punycode, a full-width dot is a dot, what is invisible is nothing."""
    if len(name) > _MOST:
        return ""
    try:
        return unicodedata.normalize("NFKC", name).encode("idna").decode("ascii").lower()
    except UnicodeError:
        return ""


def is_public_suffix(name: str) -> bool:
    """Whether names under this one belong to many."""
    first, _, rest = name.partition(".")
    if not rest:
        return True
    if "." not in rest and len(rest) == 2 and (first in _SECOND or first in _BY_COUNTRY.get(rest, ())):
        return True
    return name in _HOSTING


def walk(name: str) -> list[str]:
    """The name and its parents, down to the one that somebody registered; nothing for a public suffix."""
    found = []
    while name and not is_public_suffix(name):
        found.append(name)
        name = name.partition(".")[2]
    return found


def mark(place: str) -> str:
    """The last two labels of a name, an address as it is: what an index notes, to set aside most places by one look."""
    head, _, top = place.rpartition(".")
    if top.isdigit() or ":" in place:
        return place
    return f"{head.rpartition('.')[2]}.{top}" if head else top


def host_of(url: str) -> str:
    """Of a URL in its one form: name or address, without brackets and port."""
    place = url.partition("://")[2].partition("/")[0]
    return place[1:].partition("]")[0] if place[:1] == "[" else place.partition(":")[0]


def place_of(key: str) -> str:
    """The host that a key is about (`index` writes its mark); empty where it is about none."""
    if key[0] == "d":
        return key[2:]
    if key[0] == "e":
        return key.rpartition("@")[2]
    return host_of(key[2:]) if key[0] == "u" else ""
