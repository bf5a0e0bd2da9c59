"""AWS Signature Version 4 for one request with its whole body at hand. Pure."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote

import msgspec

_ALGORITHM = "AWS4-HMAC-SHA256"


class Credentials(msgspec.Struct, frozen=True):
    """Whose name a request bears, and for which region and service."""

    access_key: str
    secret_key: str
    region: str
    service: str = "s3"

    def __repr__(self) -> str:
        return f"Credentials({self.access_key}, …)"


def canonical_path(path: str) -> str:
    """A path as it is sent and signed."""
    return quote(path, safe="/-_.~")


def canonical_query(query: Mapping[str, str]) -> str:
    """A query as it is sent and signed."""
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query.items())
    return "&".join(f"{name}={value}" for name, value in pairs)


class Asked(msgspec.Struct, frozen=True):
    """A request, before it is signed."""

    verb: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """`host`, and what else is to be signed."""
    body: bytes = b""


def sign(by: Credentials, stamp: str, asked: Asked) -> dict[str, str]:
    """The headers to send beside `Host`; `stamp` is the time as `20130524T000000Z`."""
    digest = hashlib.sha256(asked.body).hexdigest()
    signed = {name.lower(): " ".join(value.split()) for name, value in asked.headers.items()}
    signed |= {"x-amz-content-sha256": digest, "x-amz-date": stamp}
    names = ";".join(sorted(signed))
    lines = [asked.verb, canonical_path(asked.path), canonical_query(asked.query)]
    lines += [f"{name}:{signed[name]}" for name in sorted(signed)]
    request = "\n".join([*lines, "", names, digest])
    scope = f"{stamp[:8]}/{by.region}/{by.service}/aws4_request"
    text = "\n".join([_ALGORITHM, stamp, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{by.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    authorization = f"{_ALGORITHM} Credential={by.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {name: value for name, value in signed.items() if name != "host"} | {"authorization": authorization}
