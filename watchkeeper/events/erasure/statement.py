"""The report of a look for a person's data, signed with a log's key: `verifier.py` checks it, with Python alone.

The signature is over a line that no checkpoint begins with, so that one can never be taken for the other.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.core.errors import Untrusted
from watchkeeper.core.keys import SigningKey
from watchkeeper.events.erasure.model import Absence
from watchkeeper.events.journal.note import key_hash, origin_of, verifier_key

FORMAT = "watchkeeper-absence/1"


def signed(data_dir: Path, writer: str, absence: Absence) -> dict[str, Any]:
    """The statement as JSON types. Raises `Untrusted` when the log's key is not there."""
    path = data_dir / "keys" / f"journal-{writer}.pem"
    if not path.exists():
        raise Untrusted(f"the signing key of the journal of {writer} is missing", hint=f"restore {path} from a backup")
    key = SigningKey.load_or_create(path)
    name = origin_of(writer, key.public)
    text = msgspec.json.encode(absence, order="sorted").decode()
    signature = key_hash(name, key.public) + key.sign(f"{FORMAT}\n{text}\n".encode())
    return {
        "format": FORMAT,
        "statement": text,
        "key": verifier_key(name, key.public),
        "signature": base64.b64encode(signature).decode(),
    }
