"""Tokens by which operators act from programs.

Obligations, and the attack each one stops:
1. 256 random bits, shown once, kept only as a hash: a stolen database opens nothing.
2. Each has scopes and an end, and never more than its owner's role now: a token found later, or kept by somebody who
   has another job, is worth little or nothing.
3. The prefix is not an agent's, and agents' tokens are not looked up here: an agent that tries its own acts as nobody.
4. Minting and ending are facts before they take effect; so is a refusal, but for floods of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from threading import Lock

from sqlalchemy import select, update

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Invalid, NotFound
from watchkeeper.core.ids import new_token
from watchkeeper.events import Severity, new_event
from watchkeeper.operators._store import PersonRow, TokenRow, hashed
from watchkeeper.operators.model import SCOPES, Acting, Token
from watchkeeper.operators.ports import Recorder

PREFIX = "wkop"
LONGEST = 366 * 24 * 3600
"""Seconds that a token can be good for."""
_TOUCH_EVERY = 60 * SECOND
_FAILURES, _FAILURE_WINDOW = 10, 60 * SECOND


class Tokens:
    """One tenant's tokens. Safe for threads and processes; blocks."""

    def __init__(self, database: Database, journal: Recorder, clock: Clock, tenant: str = "default") -> None:
        self._database = database
        self._journal = journal
        self._clock = clock
        self._tenant = tenant
        self._failed: deque[int] = deque(maxlen=_FAILURES)
        self._lock = Lock()

    def mint(self, name: str, scopes: Collection[str], seconds: int, by: str) -> tuple[str, Token]:
        """A new token of this operator, and what is known of it. Raises `Invalid`, `NotFound`."""
        chosen = tuple(sorted(set(scopes)))
        if wrong := [scope for scope in chosen if scope not in SCOPES]:
            raise Invalid(f"there is no scope {wrong[0][:80]!a}", hint=f"choose from {', '.join(SCOPES)}")
        if not chosen:
            raise Invalid("a token needs a scope", hint=f"choose from {', '.join(SCOPES)}")
        if not 0 < seconds <= LONGEST:
            raise Invalid("a token is good for at most 366 days, and for a moment at least", hint="for example 30d")
        now, secret = self._clock.now(), new_token(PREFIX)
        key = hashed(secret)
        token = Token(f"tok-{key[:10]}", name, chosen, by[:128], now, now + seconds * SECOND)
        with self._database.write() as session:
            person = session.get(PersonRow, (self._tenant, name))
            if person is None or person.revoked_at:
                raise NotFound(f"there is no operator {name[:80]!a}", hint="see `watchkeeper operators invite`")
            session.add(
                TokenRow(
                    secret_hash=key,
                    tenant=self._tenant,
                    id=token.id,
                    operator=name,
                    scopes=" ".join(chosen),
                    issued_by=token.issued_by,
                    issued_at=now,
                    expires_at=token.expires_at,
                )
            )
            body = {"token": token.id, "scopes": chosen, "expires_at": token.expires_at}
            self._record("operators.token.issued", by, name, body)
        return secret, token

    def who(self, credential: str) -> Acting | None:
        """Whose token this is, with their role as it is now; None when it is (no longer) good."""
        now = self._clock.now()
        if not credential.startswith(f"{PREFIX}_"):
            self._refuse("it is no operator's token")
            return None
        key = hashed(credential)
        with self._database.read() as session:
            row = session.get(TokenRow, key)
            person = session.get(PersonRow, (self._tenant, row.operator)) if row is not None else None
        if row is None or person is None or row.tenant != self._tenant:
            self._refuse("it is unknown")
            return None
        if row.revoked_at or person.revoked_at or now >= row.expires_at:
            self._refuse("it was revoked or has expired", row.id)
            return None
        if now - row.used_at >= _TOUCH_EVERY:
            with self._database.write() as session:
                session.execute(update(TokenRow).where(TokenRow.secret_hash == key).values(used_at=now))
        return Acting(f"operator:{row.operator}", person.role, tuple(row.scopes.split()), "token")

    def list(self, operator: str = "") -> Sequence[Token]:
        """Every token, or those of one operator, the newest first."""
        query = select(TokenRow).where(TokenRow.tenant == self._tenant)
        if operator:
            query = query.where(TokenRow.operator == operator)
        with self._database.read() as session:
            return [_token(row) for row in session.scalars(query.order_by(TokenRow.issued_at.desc(), TokenRow.id))]

    def end(self, token_id: str, by: str) -> Token:
        """Revoke a token. Raises `NotFound`."""
        with self._database.write() as session:
            query = select(TokenRow).where(TokenRow.tenant == self._tenant, TokenRow.id == token_id)
            row = session.scalar(query)
            if row is None or row.revoked_at:
                raise NotFound(f"there is no token {token_id[:80]!a}", hint="see `watchkeeper operators tokens`")
            row.revoked_at = self._clock.now()
            self._record("operators.token.ended", by, row.operator, {"token": row.id})
            return _token(row)

    def _refuse(self, reason: str, token_id: str = "") -> None:
        now = self._clock.now()
        with self._lock:
            if len(self._failed) == _FAILURES and now - self._failed[0] < _FAILURE_WINDOW:
                return
            self._failed.append(now)
        body = {"reason": reason} | ({"token": token_id} if token_id else {})
        event = new_event(
            now, "operators.token.refused", tenant=self._tenant, outcome="deny", severity=Severity.LOW, body=body
        )
        self._journal.record(event)

    def _record(self, kind: str, by: str, name: str, body: dict[str, object]) -> None:
        now, target = self._clock.now(), f"operator:{name}"
        self._journal.record(
            new_event(now, kind, tenant=self._tenant, actor=by, target=target, outcome="success", body=body)
        )


def _token(row: TokenRow) -> Token:
    fields = {name: getattr(row, name) for name in Token.__struct_fields__}
    return Token(**fields | {"scopes": tuple(row.scopes.split())})
