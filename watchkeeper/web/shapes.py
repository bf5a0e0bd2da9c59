"""How numbers, times and states are written on a page. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from watchkeeper.core.clock import SECOND

UNKNOWN = "unknown"

# state word → (symbol, tone, words). Understandable without colour: the symbol and the words say all of it.
STATES: dict[str, tuple[str, str, str]] = {
    "allow": ("✓", "good", "allowed"),
    "modify": ("✎", "note", "changed"),
    "ask": ("?", "warn", "asked"),
    "deny": ("✕", "bad", "denied"),
    "refused": ("⊘", "bad", "turned away"),
    "success": ("✓", "good", "done"),
    "failure": ("!", "bad", "failed"),
    "approved": ("✓", "good", "approved"),
    "trusted_on_first_use": ("◔", "note", "trusted on first use"),
    "held": ("✕", "bad", "held"),
    "changed": ("≠", "bad", "changed"),
    "up": ("●", "good", "running"),
    "idle": ("○", "quiet", "idle"),
    "down": ("✕", "bad", "down"),
    "quarantined": ("⊘", "bad", "quarantined"),
    "open": ("▲", "bad", "open"),
    "containing": ("▲", "warn", "being contained"),
    "contained": ("■", "good", "contained"),
    "unverified": ("?", "warn", "containment unverified"),
    "partly_contained": ("◐", "warn", "partly contained"),
    "closed": ("✓", "quiet", "closed"),
    "none": ("\u2013", "quiet", "not contained"),
    "anchored": ("✓", "good", "fits its copies"),
    "contradicted": ("✕", "bad", "CONTRADICTED by its copies"),
    "unreachable": ("?", "warn", "not reached"),
    "intact": ("✓", "good", "verified"),
    "tampered": ("✕", "bad", "TAMPERED"),
    "tail": ("?", "warn", "intact, tail uncovered"),
    "unusable": ("✕", "bad", "cannot be read"),
    "completed": ("✓", "good", "done"),
    "skipped": ("\u2013", "quiet", "not needed"),
    "failed": ("✕", "bad", "failed"),
    "running": ("…", "note", "running"),
    "waiting": ("○", "quiet", "waiting"),
    "watching": ("●", "good", "watching"),
    "attention": ("▲", "bad", "needs attention"),
    "pending": ("?", "warn", "waits for a person"),
    "granted": ("✓", "note", "approved, not used yet"),
    "consumed": ("✓", "good", "approved and used"),
    "denied": ("✕", "bad", "denied"),
    "expired": ("\u2013", "quiet", "expired"),
    "voided": ("⊘", "quiet", "void"),
    "gate_open": ("?", "warn", "waits for a person"),
    "gate_approved": ("✓", "good", "approved"),
    "gate_declined": ("✕", "bad", "declined"),
    "gate_expired": ("\u2013", "warn", "nobody decided in time"),
    "gate_done": ("✓", "good", "done"),
    "gate_failed": ("✕", "bad", "could not be done"),
    "gate_void": ("⊘", "quiet", "not needed any more"),
    "run_gated": ("?", "warn", "waits"),
    "run_ahead": ("○", "quiet", "ahead"),
    "run_not_reached": ("\u2013", "quiet", "not reached"),
    "run_skipped": ("\u2013", "quiet", "not needed"),
    "unavailable": ("⊘", "warn", "nothing here does that"),
    "parked": ("⊘", "warn", "parked"),
    "page_due": ("●", "warn", "due"),
    "page_deferred": ("◌", "note", "put off"),
    "heard": ("●", "good", "heard"),
    "fell_silent": ("✕", "bad", "SILENT"),
    "fresh": ("✓", "good", "fresh"),
    "stale": ("?", "warn", "STALE"),
    "failing": ("!", "warn", "failing"),
    "never_asked": ("○", "warn", "not asked yet"),
    "by_hand": ("·", "quiet", "imported by hand"),
    "switched_off": ("\u2013", "quiet", "switched off"),
    "looked_for": ("●", "note", "looked for"),
    "in_force": ("⊘", "bad", "in force"),
    "lifted": ("✓", "quiet", "lifted"),
    "in force": ("◌", "note", "in force"),
    "removed": ("\u2013", "quiet", "removed"),
    "enabled": ("●", "good", "enabled"),
    "silent": ("◌", "note", "silent"),
    "disabled": ("⊘", "warn", "disabled"),
}
SEVERITIES = {
    1: ("·", "quiet", "informational"),
    2: ("▂", "quiet", "low"),
    3: ("▄", "note", "medium"),
    4: ("▆", "warn", "high"),
    5: ("█", "bad", "critical"),
}


def state(word: object) -> tuple[str, str, str]:
    """(symbol, tone, words) of a state; a word we do not know is shown as it is, and never as good news."""
    text = str(getattr(word, "value", word) or UNKNOWN)
    return STATES.get(text, ("?", "warn", text.replace("_", " ")[:40]))


def severity(value: object) -> tuple[str, str, str]:
    """(symbol, tone, word) of an OCSF severity."""
    return SEVERITIES.get(value, ("?", "warn", UNKNOWN)) if isinstance(value, int) else ("?", "warn", UNKNOWN)


def clock_time(microseconds: int | None) -> str:
    """`17:20:03.412`, UTC."""
    if not microseconds:
        return UNKNOWN
    return _moment(microseconds).strftime("%H:%M:%S.%f")[:-3]


def full_time(microseconds: int | None) -> str:
    """`2026-11-22 17:20:03.412 UTC`."""
    if not microseconds:
        return UNKNOWN
    return _moment(microseconds).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + " UTC"


def short_time(microseconds: int, now: int) -> str:
    """`17:20:03.412` of today, `11-22 17:20:03` of another day."""
    moment = _moment(microseconds)
    if moment.date() == _moment(now).date():
        return clock_time(microseconds)
    return moment.strftime("%m-%d %H:%M:%S")


def span_words(microseconds: int) -> str:
    """`5 min`: how long a bar of a chart stands for."""
    seconds = microseconds // SECOND
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def axis_words(microseconds: int, span: int) -> str:
    """A time below a chart, as exact as its bars."""
    moment = _moment(microseconds)
    if span >= 86_400 * SECOND:
        return moment.strftime("%Y-%m-%d")
    return moment.strftime("%m-%d %H:%M" if span >= 1_800 * SECOND else "%H:%M" if span >= 60 * SECOND else "%H:%M:%S")


def ago(microseconds: int | None, now: int) -> str:
    """`12 s ago`; `just now` within a second, and for clocks that disagree a little."""
    if not microseconds:
        return UNKNOWN
    seconds = (now - microseconds) // SECOND
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return "just now"


def until(microseconds: int | None, now: int) -> str:
    """`in 12 min`; `over` once it has come."""
    if not microseconds:
        return UNKNOWN
    seconds = (microseconds - now) // SECOND
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        if seconds >= size:
            return f"in {seconds // size} {unit}"
    return "over"


def duration(microseconds: int | None) -> str:
    """`830 µs`, `1.24 ms`, `2.10 s`."""
    if microseconds is None:
        return UNKNOWN
    if microseconds < 1_000:
        return f"{microseconds} µs"
    if microseconds < SECOND:
        return f"{microseconds / 1_000:.3g} ms" if microseconds < 999_500 else "1 s"
    if microseconds < 120 * SECOND:
        return f"{microseconds / SECOND:.2f} s"
    return f"{microseconds // (60 * SECOND)} min"


def number(value: int | None) -> str:
    """`12,345`, or `unknown`."""
    return UNKNOWN if value is None else f"{value:,}"


def size(value: int | None) -> str:
    """`1.2 MB`."""
    if value is None:
        return UNKNOWN
    amount = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def short_fingerprint(text: str) -> str:
    """`sha256:3fa2c1…9b04`."""
    head, colon, digest = text.rpartition(":")
    return f"{head}{colon}{digest[:8]}…{digest[-4:]}" if len(digest) > 16 else text


def _moment(microseconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(microseconds / SECOND, UTC)
    except (OverflowError, OSError, ValueError):
        return datetime.fromtimestamp(0, UTC)
