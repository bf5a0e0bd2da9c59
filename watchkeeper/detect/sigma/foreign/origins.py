"""Which log sources an event can be of: by its channel (Windows), by what it says of itself, by marks of its product.

What cannot be told is tried against every rule that nothing contradicts: a missed detection is worse than a slow one.
"""

from __future__ import annotations

from typing import Any

from watchkeeper.detect.sigma.foreign import windows
from watchkeeper.detect.sigma.foreign.ecs import at
from watchkeeper.detect.sigma.foreign.marks import CATEGORIES, MARKED, SERVICES, UNKNOWN, of_dataset
from watchkeeper.detect.sigma.foreign.model import Known, Origin
from watchkeeper.events.kinds import KINDS

Record = dict[str, Any]

_DOMAINS = frozenset(kind.split(".")[0] for kind in KINDS)
KNOWN = Known(windows.KNOWN.categories | CATEGORIES | _DOMAINS, windows.KNOWN.services | SERVICES)
_RPC = Origin("rpc_firewall", frozenset({"application"}))
_LINUX_SYSMON = "linux-sysmon/operational"
_EVENTLOG, _CLEARED = "microsoft-windows-eventlog", 104
_LONGEST = 256
"""Characters of a name that is remembered."""
_MANY = 4096
_KNOWN_WINDOWS: dict[tuple[Any, Any, Any], Origin] = {}
_WORDS = """
ADD_GROUP ADD_USER ANOM_ABEND ANOM_PROMISCUOUS AVC BPRM_FCAPS CONFIG_CHANGE CRED_ACQ CRED_DISP CRED_REFR CWD
DAEMON_END DAEMON_START DEL_GROUP DEL_USER EXECVE KERN_MODULE LOGIN MMAP OBJ_PID PATH PROCTITLE SECCOMP
SERVICE_START SERVICE_STOP SOCKADDR SYSCALL SYSTEM_BOOT SYSTEM_SHUTDOWN TTY USER_ACCT USER_AND_CRED USER_AUTH
USER_AVC USER_CHAUTHTOK USER_CMD USER_END USER_ERR USER_LOGIN USER_LOGOUT USER_MGMT USER_START USER_TTY
"""
_AUDIT = frozenset(_WORDS.split())
_AUDITD = Origin("linux", frozenset(), frozenset({"auditd"}))


def origin_of(record: Record) -> Origin:
    """The origin of a flat record (`shapes`)."""
    if "EventID" in record:
        return _windows(record)
    kind = record.get("kind")
    if isinstance(kind, str) and kind in KINDS:
        return _ours(kind)
    if isinstance(said := record.get("type"), str) and said.upper() in _AUDIT:
        return _AUDITD
    return _said(record) or _marked(record) or UNKNOWN


def _ours(kind: str) -> Origin:
    return Origin("mcp", frozenset({kind.split(".", maxsplit=1)[0]}), frozenset({"watchkeeper"}))


def _windows(record: Record) -> Origin:
    channel, provider, number = record.get("Channel"), record.get("Provider_Name"), record["EventID"]
    try:
        return _KNOWN_WINDOWS[channel, provider, number]
    except (KeyError, TypeError):  # new, or no names
        pass
    origin = _of_names(_first(channel), _first(provider), number, record.get("EventLog"))
    if isinstance(channel, str) and isinstance(provider, str | None) and type(number) is int:
        if len(_KNOWN_WINDOWS) >= _MANY:
            _KNOWN_WINDOWS.clear()
        if len(channel) + len(provider or "") < _LONGEST:
            _KNOWN_WINDOWS[channel, provider, number] = origin
    return origin


def _of_names(channel: Any, provider: Any, number: Any, log: Any) -> Origin:
    if channel is None and isinstance(log, str):
        channel = log
    return _of_windows(
        channel if isinstance(channel, str) else None,
        provider if isinstance(provider, str) else "",
        number if isinstance(number, int) else None,
    )


def _first(value: Any) -> Any:
    """What the log says, where the data of the event has a member of that name too."""
    return value[0] if isinstance(value, list) and value else value


def _of_windows(channel: str | None, provider: str, number: int | None) -> Origin:
    channel = (windows.PROVIDERS.get(provider.casefold(), "") if channel is None else channel).casefold()
    if number == _CLEARED and provider.casefold() == _EVENTLOG:
        channel = "system"  # its data name the log that was cleared, and rules ask for that
    if channel == _LINUX_SYSMON or provider == "Linux-Sysmon":
        as_windows = windows.origin_of(windows.SYSMON, number)
        return Origin("linux", as_windows.categories, as_windows.services)
    if channel == "rpcfw":
        return _RPC
    return windows.origin_of(channel, number)


def _said(record: Record) -> Origin | None:
    """What the event says of itself in words of Sigma or of ECS."""
    source = record.get("logsource")
    holder = source if isinstance(source, dict) else record
    product = holder.get("product")
    if isinstance(source, dict) or (isinstance(product, str) and product.casefold() in _PRODUCTS):
        words = [holder.get(name) for name in ("product", "category", "service")]
        name, category, service = (word.strip().casefold() if isinstance(word, str) else "" for word in words)
        if name not in _PRODUCTS or name == "mcp":  # an origin is a key: what a record says freely makes none
            return Origin(name if name in _PRODUCTS else "")
        return Origin(name, _known(category, KNOWN.categories), _known(service, KNOWN.services))
    return of_dataset(at(record, "event.dataset"), at(record, "event.module"))


def _known(word: str, words: frozenset[str]) -> frozenset[str] | None:
    return frozenset({word}) if word in words else None


_PRODUCTS = frozenset(
    {"windows", "linux", "macos", "aws", "azure", "gcp", "m365", "okta", "github", "kubernetes", "zeek", "cisco", "mcp"}
)


def _marked(record: Record) -> Origin | None:
    for is_of, origin in MARKED:
        if is_of(record):
            return origin if isinstance(origin, Origin) else origin(record)
    return None
