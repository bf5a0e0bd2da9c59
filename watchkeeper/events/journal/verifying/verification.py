"""Verification of every log of a data folder, byte by byte, in bounded memory, while writers run.

Exit codes: 0 intact · 1 tampered · 2 unusable · 3 intact up to N, the tail uncovered. Missing data is never 0.
"""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from watchkeeper.core.errors import Unavailable, Untrusted, WatchkeeperError
from watchkeeper.events.journal.forms.seal import BadBlock, Opener
from watchkeeper.events.journal.note import origin_of, read_verifier_key, verifier_key
from watchkeeper.events.journal.reading.scan import Damage, Progress, Scan
from watchkeeper.events.journal.subjects import SubjectKeys
from watchkeeper.events.journal.writing.log import PUBLIC, copied_checkpoint

INTACT, TAMPERED, UNUSABLE, UNCOVERED = 0, 1, 2, 3
_WORST_FIRST = (TAMPERED, UNUSABLE, UNCOVERED, INTACT)
PATIENCE = 0.2
"""Seconds that a half-written tail is given to become whole before it counts as torn."""


class LogReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in one log."""

    writer: str
    code: int
    reason: str
    """Why the code is not 0; empty when it is."""
    file: str = ""
    offset: int = 0
    """Where the first bad byte's frame begins, when there is one."""
    records: int = 0
    """Records that were proven, from the first on."""
    erased: int = 0
    """Of those, records whose subject's key is not there: proven to be unchanged, and unreadable."""
    removed: int = 0
    """Of those, records that retention removed: their entries are proven, the records are gone."""
    commits: int = 0
    root: str = ""
    """Hex root of the tree over `records`."""
    key: str = ""
    """The public key that it was checked with (C2SP verifier key): compare it with the one you know."""


class Report(msgspec.Struct, frozen=True):
    """What was found in all of them; `code` is the exit code."""

    code: int
    reason: str
    """Why the code is not 0; with code 0, what could not be looked at although everything that was fits."""
    logs: tuple[LogReport, ...] = ()


def verify(data_dir: Path, progress: Progress | None = None, *, patience: float = PATIENCE) -> Report:
    """Check every log under `data_dir/journal`. Never raises for what it finds: the report says it."""
    folder = data_dir / "journal"
    try:
        writers = sorted(path.name for path in folder.iterdir() if path.is_dir())
    except OSError as error:
        return Report(UNUSABLE, f"there is no journal to read in {data_dir}: {(error.strerror or '').lower()}")
    if not writers:
        return Report(UNUSABLE, f"there is no journal in {data_dir}")
    try:
        keys = SubjectKeys(data_dir)
    except WatchkeeperError as error:
        return Report(UNUSABLE, error.reason)
    try:
        logs = tuple(_verify_log(data_dir, writer, keys, progress, patience) for writer in writers)
        has_keys = keys.is_present
    finally:
        keys.close()
    worst = min(logs, key=lambda log: _WORST_FIRST.index(log.code))
    reason = f"{worst.writer}: {worst.reason}" if worst.reason else ""
    if worst.code == INTACT and not has_keys:
        reason = "there are no subject keys here: hashes and signatures fit, no record could be compared"
    return Report(worst.code, reason, logs)


def public_key_of(data_dir: Path, writer: str) -> bytes:
    """The public key to check a log with: that of the signing key where it is at hand, else the one beside the log.

    Raises `Untrusted` when the two differ, `Unavailable` when there is neither or the private one is damaged.
    """
    private, public = data_dir / "keys" / f"journal-{writer}.pem", data_dir / "journal" / writer / PUBLIC
    try:
        own = _public_half(private) if private.exists() else None
    except (OSError, ValueError) as error:
        raise Unavailable(f"the key of {writer} cannot be read: {error}", hint="restore it from a backup") from error
    try:
        name, beside = read_verifier_key(public.read_text()) if public.exists() else ("", None)
    except ValueError as error:
        raise Untrusted(f"{public} is no public key: {error}", hint="keep the files as evidence") from error
    if own is None and beside is None:
        raise Unavailable(f"there is no key to check {writer} with", hint=f"restore {private} from a backup")
    if beside is not None and (name != origin_of(writer, beside) or beside != (own or beside)):
        raise Untrusted(f"{public} is not the public half of the signing key", hint="keep the files as evidence")
    return own or beside or b""


def _public_half(path: Path) -> bytes:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise Untrusted(f"{path} can be read by others", hint=f"chmod 600 {path}")
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("not a private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("not an Ed25519 key")
    return key.public_key().public_bytes_raw()


def _verify_log(
    data_dir: Path, writer: str, keys: SubjectKeys, progress: Progress | None, patience: float
) -> LogReport:
    try:
        public = public_key_of(data_dir, writer)
        return _walk(data_dir / "journal" / writer, public, keys, progress, patience)
    except Untrusted as error:
        return LogReport(writer=writer, code=TAMPERED, reason=error.reason)
    except (OSError, WatchkeeperError) as error:
        return LogReport(writer=writer, code=UNUSABLE, reason=str(error))


def _walk(folder: Path, public: bytes, keys: SubjectKeys, progress: Progress | None, patience: float) -> LogReport:
    writer = folder.name
    origin = origin_of(writer, public)
    copied = copied_checkpoint(folder, origin, public)
    scan, opener = Scan(folder, origin, public, patience=patience), Opener(writer, keys)
    records = erased = removed = 0
    for place, frame in scan.frames():
        try:
            absent = opener.records(frame).count(None)
        except BadBlock as error:
            scan.damage = Damage(str(error), place.path, place.offset, is_torn=False)
            break
        erased, removed = (erased, removed + absent) if frame.is_emptied else (erased + absent, removed)
        records = scan.proven
        if progress is not None:
            progress(writer, scan.bytes_read, scan.bytes_total)
    code, reason = _conclude(scan, records, copied)
    return LogReport(
        writer=writer,
        code=code,
        reason=reason,
        file=scan.damage.path.name if scan.damage else "",
        offset=scan.damage.offset if scan.damage else 0,
        records=records,
        erased=erased,
        removed=removed,
        commits=scan.commits,
        root=scan.tree.root().hex() if records == scan.tree.size else "",
        key=verifier_key(origin, public),
    )


def _conclude(scan: Scan, records: int, copied: int) -> tuple[int, str]:
    if scan.damage is not None and scan.damage.is_torn:
        return UNCOVERED, f"intact up to {records} records; {scan.damage.reason}"
    if scan.damage is not None:
        return TAMPERED, scan.damage.reason
    if copied > records:
        return UNCOVERED, f"intact up to {records} records; a copied checkpoint covers {copied}"
    if records == 0:
        return UNUSABLE, "the log is empty"
    return INTACT, ""
