"""Signatures of Standard Webhooks: the published example, and what is not signed, late or not ours."""

from __future__ import annotations

import base64

import pytest

from watchkeeper.core.errors import Misconfigured, Untrusted
from watchkeeper.core.secrets import Secret
from watchkeeper.respond.webhooks.signing import TOLERANCE, keys_of, sign, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, TIME, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
KEYS = keys_of("s", Secret(SECRET))


def check(message_id: str = ID, timestamp: str = str(TIME), signature: str = SIGNATURE, body: bytes = BODY) -> None:
    verify(KEYS, message_id, timestamp, signature, body, now=TIME)


@pytest.mark.behaviour("webhooks.signed")
def test_the_published_example_is_signed_and_verified_as_published() -> None:
    assert sign(KEYS, ID, TIME, BODY) == SIGNATURE
    check()
    check(signature=f"v1a,xxxx v1,AAAA {SIGNATURE}")


@pytest.mark.behaviour("webhooks.forged")
@pytest.mark.parametrize(
    "changed",
    [
        {"message_id": "msg_other"},
        {"message_id": ""},
        {"message_id": "é"},
        {"timestamp": str(TIME + 1)},
        {"timestamp": ""},
        {"timestamp": "-1"},
        {"timestamp": "9" * 13},
        {"signature": ""},
        {"signature": SIGNATURE.removeprefix("v1,")},
        {"signature": SIGNATURE[:-2]},
        {"signature": "\udcff"},
        {"signature": " ".join([*["v1,x"] * 8, SIGNATURE])},
        {"body": BODY + b" "},
    ],
    ids=str,
)
def test_what_differs_in_anything_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(Untrusted):
        check(**changed)  # type: ignore[arg-type]


@pytest.mark.behaviour("webhooks.late")
@pytest.mark.parametrize(("off", "is_taken"), [(TOLERANCE, True), (-TOLERANCE, True), (301, False), (-301, False)])
def test_what_is_more_than_five_minutes_off_is_refused(off: int, is_taken: bool) -> None:
    if is_taken:
        verify(KEYS, ID, str(TIME), SIGNATURE, BODY, now=TIME + off)
        return
    with pytest.raises(Untrusted):
        verify(KEYS, ID, str(TIME), SIGNATURE, BODY, now=TIME + off)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_%%%", "x" * 200])
def test_what_is_no_secret_is_refused_without_being_told(secret: str) -> None:
    with pytest.raises(Misconfigured) as told:
        keys_of("approvals.webhooks.ops.secret", Secret(secret))
    assert not secret or secret not in told.value.reason
    assert "approvals.webhooks.ops.secret" in told.value.reason


def test_a_secret_may_come_with_or_without_its_prefix() -> None:
    key = b"k" * 32
    assert keys_of("s", Secret(base64.b64encode(key).decode())) == (key,)
