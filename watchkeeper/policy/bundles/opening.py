"""Proving a bundle: first its signatures, then what it says of its files. Nothing of it is used before.

1. Too few good signatures of trusted keys: refused before the payload is looked at (a parser fed by a stranger).
2. A file that is not the one in the manifest's list, or not in it: refused.
3. A name that could lead out of a folder, or is no policy or test: refused.
"""

from __future__ import annotations

import hashlib
import re

import msgspec

from watchkeeper.core.errors import Invalid, Misconfigured, Untrusted
from watchkeeper.policy.bundles.building import sha256
from watchkeeper.policy.bundles.envelope import Envelope, read_envelope
from watchkeeper.policy.bundles.model import PREDICATE, STATEMENT, Bundle, Manifest, Signed
from watchkeeper.policy.bundles.settings import TrustSettings, trusted_keys

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}(\.cedar|\.tests\.yaml)")
_MOST_VERSION = 2**53


class _Digest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sha256: str


class _Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    digest: _Digest


class _Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"kind": "_type"}):
    kind: str
    subject: tuple[_Subject, ...]
    predicateType: str
    predicate: Manifest


def prove(raw: bytes, trust: TrustSettings) -> Signed:
    """A bundle that enough trusted people signed, and who.

    Raises `Invalid` when it is none, `Untrusted` when too few did or it is not what it says, `Misconfigured` when the
    settings trust nobody.
    """
    keys = trusted_keys(trust)
    if not keys:
        raise Misconfigured("no key is trusted to sign policies", hint="name keys under [policy.trust]")
    envelope = read_envelope(raw)
    signers = envelope.signers(keys)
    if len(signers) < trust.threshold:
        who = ", ".join(signers) or "nobody"
        raise Untrusted(
            f"{trust.threshold} trusted people have to sign a bundle; {who} did",
            hint="have others sign it: `watchkeeper policy bundle sign FILE --key KEY`",
        )
    return Signed(open_bundle(envelope), signers, raw)


def open_bundle(envelope: Envelope) -> Bundle:
    """What is in an envelope, whoever signed it. Raises `Invalid` and `Untrusted`."""
    payload = envelope.signed()
    try:
        statement = msgspec.json.decode(payload, type=_Statement)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Invalid("the bundle holds no policies", hint="was it made by a newer version?") from error
    manifest = statement.predicate
    if (statement.kind, statement.predicateType) != (STATEMENT, PREDICATE):
        raise Invalid("the bundle is of another kind", hint="was it made by a newer version?")
    if not 1 <= manifest.version < _MOST_VERSION:
        raise Invalid(f"{manifest.version} is no version", hint="versions count from 1")
    if wrong := [name for name in manifest.files if not _NAME.fullmatch(name)]:
        raise Invalid(f"{wrong[0]!r} is no name of a file in a bundle", hint="write it as FOLDER/FILE.cedar")
    listed = [(subject.name, subject.digest.sha256) for subject in statement.subject]
    if sorted(listed) != sorted((name, sha256(text)) for name, text in manifest.files.items()):
        raise Untrusted("the files of the bundle are not those of its list", hint="build it anew")
    return Bundle(manifest, hashlib.sha256(payload).hexdigest())
