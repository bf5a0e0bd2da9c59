"""What a server may ask the user for, and where it may send them.

A form must not ask for secrets: what is typed into it passes through client, gateway and logs (MCP 2026-07-28
client/elicitation#security). For those there is the mode that opens an address, and the address has to be one that a
person can trust: https, or a page of this very host where the server is started here; nobody's credentials and nothing
personal in it. Looked at wherever it can be asked: a server's request, an answer's or a task's `inputRequests`, the
error -32042 of the older era. An address in letters that could be taken for others is a finding; whether it passes is
policy's word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from watchkeeper.gateway.duties.model import Breach
from watchkeeper.gateway.duties.tasks import NEWS
from watchkeeper.inspection.excerpts import shown
from watchkeeper.inspection.model import Finding
from watchkeeper.inspection.views import bare_text
from watchkeeper.protocol.message import URL_REQUIRED, Message

FORM = "protocol.elicitation-form"
LINK = "protocol.elicitation-url"
LOOK_ALIKE = "protocol.elicitation-look-alike"
LABEL = "look_alike_address"
METHOD = "elicitation/create"
METHODS = NEWS | {METHOD}
REQUIRED = URL_REQUIRED

_ASKS_FOR_SECRET = Breach(
    FORM, "The server asked the user to type a secret into a form. It must send them to a page of its own for that."
)
_NAMES = re.compile(
    r"\b(?:pass ?(?:word|wd|phrase|code)|pwd|secret|credentials?|api ?keys?|(?:access|secret|private|signing|ssh) keys?"
    r"|token$|cvv2?|cvc2?|(?:card )?security code|(?:credit |debit |payment )?card (?:number|no)|(?:credit|debit) card"
    r"|pin(?: code| number)?$|t?otp|mnemonic|(?:seed|recovery|backup) (?:phrase|words?|code|key)"
    r"|(?:one time|verification|2fa|mfa) code|social security|ssn|bank account|routing number|connection string)\b"
)
"""Names and titles of fields, in words, that ask for a secret or for what pays."""
_SECRETS = (
    r"(?:pass(?:word|wd|phrase|code)|api[ -]?key|(?:access|auth|bearer|refresh|session|api) token|credentials|cvv|cvc"
    r"|(?:secret|private|access) key|client secret|card number|credit card|security code|seed phrase"
    r"|recovery (?:phrase|code|key)|one[ -]time (?:code|password)|social security number|passwort|kennwort|mot de passe"
    r"|contrase[nñ]a|senha|wachtwoord|parola|has[lł]o)"
)
_ASKING = (
    r"(?:enter|type|paste|provide|give|share|supply|input|fill in|send|tell|your|gib|geben|entrez|saisissez|introduzca"
    r"|digite)"
)
_ASKS = re.compile(rf"\b{_ASKING}\b[^.!?\n]{{0,60}}\b{_SECRETS}\b|密码|密碼|パスワード|비밀번호|пароль")
"""Sentences that ask for one."""
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_TYPED = frozenset({"string", "number", "integer"})
_CHOSEN = ("enum", "oneOf", "anyOf", "const")
_IN_ADDRESS = frozenset(
    {"password", "passwd", "pwd", "secret", "client_secret", "token", "access_token", "refresh_token", "id_token"}
    | {"auth_token", "session_token", "api_key", "apikey", "private_key", "jwt"}
)
"""Parameters of an address that are credentials."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
HasPersonal = Callable[[bytes], bool]


class _Asked(msgspec.Struct):
    method: Any = None
    params: Any = None


class _Inputs(msgspec.Struct, rename="camel"):
    input_requests: dict[str, _Asked] | None = None


class _Error(msgspec.Struct):
    data: Any = None


_inputs = msgspec.json.Decoder(_Inputs).decode
_error = msgspec.json.Decoder(_Error).decode
_params = msgspec.json.Decoder(dict[str, Any]).decode


def look(message: Message, *, is_local: bool, has_personal: HasPersonal) -> Breach | tuple[Finding, ...]:
    """What is wrong with what a server's message asks the user for, or what is to be noticed about it."""
    found: list[Finding] = []
    for asked in _asked_in(message):
        if asked.get("mode", "form") != "url":
            if asks_for_secret(asked):
                return _ASKS_FOR_SECRET
            continue
        url = asked.get("url")
        if why := flaw_in(url, is_local=is_local, has_personal=has_personal):
            return Breach(LINK, f"The address that the server wants the user to open {why}.")
        if is_look_alike(str(url)):
            excerpt = shown(str(url).encode())
            found.append(Finding("protocol", LOOK_ALIKE, LABEL, 3, excerpt=excerpt))
    return tuple(found)


def asks_for_secret(asked: dict[str, Any]) -> bool:
    """Whether a form has a field for what nobody should type into one."""
    schema = asked.get("requestedSchema")
    fields = schema.get("properties") if isinstance(schema, dict) else None
    free = [(name, field) for name, field in fields.items() if _is_free(field)] if isinstance(fields, dict) else []
    if not free:
        return False
    texts = [str(asked.get("message", "")), *(str(field.get("description", "")) for _, field in free)]
    names = [text for name, field in free for text in (name, str(field.get("title", "")))]
    is_named = any(_NAMES.search(_in_words(spelling)) for text in names for spelling in (text, bare_text(text)))
    return is_named or any(_ASKS.search(spelling.lower()) for text in texts for spelling in (text, bare_text(text)))


def flaw_in(url: object, *, is_local: bool, has_personal: HasPersonal) -> str:
    """What is wrong with an address that a person is to open; empty when nothing is."""
    if not isinstance(url, str) or not url.isprintable() or " " in url or "\\" in url:
        return "is no address"
    try:
        parts = urlsplit(url)
        host = parts.hostname
        given = parse_qsl(parts.query, keep_blank_values=True) + parse_qsl(parts.fragment, keep_blank_values=True)
    except ValueError:
        return "is no address"
    if not host:
        return "is no address"
    if parts.scheme != "https" and not (parts.scheme == "http" and is_local and host in _LOOPBACK):
        return "is not https"
    if "@" in parts.netloc:
        return "has credentials in it"
    if any(name.lower() in _IN_ADDRESS and value for name, value in given):
        return "has credentials in it"
    if has_personal(msgspec.json.encode(unquote(url))):
        return "has credentials or personal data in it"
    return ""


def is_look_alike(url: str) -> bool:
    """Whether a host's name is, or stands for, letters beyond those that everybody can tell apart."""
    host = urlsplit(url).hostname or ""
    return not host.isascii() or any(label.startswith("xn--") for label in host.split("."))


def _asked_in(message: Message) -> Iterator[dict[str, Any]]:
    """Parameters of every elicitation in a message; what cannot be read as one is another duty's to refuse."""
    try:
        if message.method == METHOD:
            yield _params(message.params)
        elif message.kind == "error":
            data = _error(message.error).data
            listed = data.get("elicitations") if isinstance(data, dict) else None
            yield from (one for one in listed if isinstance(one, dict)) if isinstance(listed, list) else ()
        else:
            asked = _inputs(message.params or message.result).input_requests or {}
            yield from (one.params for one in asked.values() if one.method == METHOD and isinstance(one.params, dict))
    except msgspec.MsgspecError:
        return


def _is_free(field: object) -> bool:
    """Whether a person types into a field, and does not choose."""
    if not isinstance(field, dict) or any(name in field for name in _CHOSEN):
        return False
    kind = field.get("type", "string")
    return kind in _TYPED if isinstance(kind, str) else True


def _in_words(name: str) -> str:
    """`clientSecret_v2` as `client secret v 2`."""
    return " ".join(_WORDS.findall(name)).lower() if name.isascii() else name.lower()
