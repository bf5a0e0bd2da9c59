"""The book of approvals: what is asked of people, what they said, and the one time that a grant is used.

Above: gateways file requests and use grants up; operators list and decide, by whatever face. Below: control state and
journal. Blocking; an event loop asks through threads.

Obligations, and what each one stops:

1. A fact is durable before it takes effect; a crash between the two repeats a fact, and never a call.
2. Whoever uses a grant up does so in one transaction; of all processes that try, one succeeds (replay, races).
3. What is past its time is over whether or not anybody has recorded it (a grant found later).
4. Few are open at once, and the same request is one entry with a count (wearing the approver down).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence

import msgspec
from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import Session

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Denied, NotFound
from watchkeeper.events import Event, Journal
from watchkeeper.gateway import _store as counters
from watchkeeper.gateway.approvals import _store, facts, voting
from watchkeeper.gateway.approvals._store import ApprovalRow, to_approval
from watchkeeper.gateway.approvals.model import (
    OPEN,
    Approval,
    Bounds,
    Choice,
    State,
    Vote,
    Wanted,
    seen_at,
)
from watchkeeper.gateway.approvals.ports import Roles, Standing
from watchkeeper.gateway.approvals.roles import RankedRoles
from watchkeeper.gateway.caller import DEFAULT

TOO_MANY = "approval.too-many"
KEPT_SECONDS = 90 * 24 * 3600
"""How long one that is over stays in the list; its facts stay in the journal."""
MOST_LISTED = 1000
_OPEN = [state.value for state in OPEN]


class Approvals:
    """Every tenant's approvals. Safe for threads and processes."""

    def __init__(
        self,
        database: Database,
        journal: Journal,
        clock: Clock,
        roles: Roles | None = None,
        standing: Standing | None = None,
    ) -> None:
        self._database = database
        self._journal = journal
        self._clock = clock
        self.roles: Roles = roles or RankedRoles()
        """Who may decide what."""
        self._standing = standing
        counters.ensure_generation(database, DEFAULT, _store.APPROVALS)

    # what gateways do

    def request(self, wanted: Wanted, bounds: Bounds) -> Approval:
        """Ask people, or say what became of asking: the same call is the same entry for as long as it stands.

        Raises `Denied` when too many are open.
        """
        now = self._clock.now()
        with self._database.write() as session:
            at = counters.lock_generation(session, DEFAULT, _store.APPROVALS)
            row = session.scalar(_latest(wanted))
            if row is not None and _stands(to_approval(row), now, bounds):
                row.count, row.last_at = row.count + 1, now
                return to_approval(row)
            if refusal := self._crowd(session, wanted, bounds, now):
                raise refusal
            at.value += 1
            self._supersede(session, wanted, at, now)
            approval = _opened(wanted, now)
            session.add(_store.put(ApprovalRow(), approval))
            self._journal.record(facts.requested(approval, now))
        return approval

    def consume(self, approval_id: str, binding: str, correlation: str) -> Approval | None:
        """Use a grant up, for the call of this binding; None when there is none to use (any more)."""
        now = self._clock.now()
        with self._database.write() as session:
            at = counters.lock_generation(session, DEFAULT, _store.APPROVALS)
            row = self._row(session, approval_id)
            approval = seen_at(to_approval(row), now)
            if approval.state is not State.GRANTED or approval.binding != binding:
                return None
            if voting.missing(self._as_of_now(approval), self.roles):
                self._void(row, voting.LOST, at, now)
                return None
            after = msgspec.structs.replace(approval, state=State.CONSUMED, ended_at=now)
            self._move(row, after, at, facts.consumed(after, now, correlation))
        return after

    def standing(self, approval_ids: Collection[str]) -> list[Approval]:
        """These as they stand now; for gateways in which somebody waits."""
        now = self._clock.now()
        with self._database.read() as session:
            rows = session.scalars(select(ApprovalRow).where(ApprovalRow.id.in_(approval_ids)))
            return [seen_at(to_approval(row), now) for row in rows]

    def forget(self, principal: str) -> int:
        """Delete every request of a principal, for good, open ones too; how many there were."""
        with self._database.write() as session:
            counters.lock_generation(session, DEFAULT, _store.APPROVALS).value += 1
            rows = session.scalars(select(ApprovalRow).where(ApprovalRow.principal == principal)).all()
            for row in rows:
                session.delete(row)
            return len(rows)

    def expire(self) -> int:
        """Record what is past its time; how many there were. Cheap when there is nothing."""
        now = self._clock.now()
        row = ApprovalRow
        due = select(row).where(row.state.in_(_OPEN), row.expires_at <= now)
        with self._database.read() as session:
            if session.scalar(due.limit(1)) is None:
                return 0
        with self._database.write() as session:
            at = counters.lock_generation(session, DEFAULT, _store.APPROVALS)
            found = session.scalars(due).all()
            for one in found:
                was, after = one.state, seen_at(to_approval(one), now)
                self._move(one, after, at, facts.expired(after, now, was))
            session.execute(delete(row).where(row.ended_at > 0, row.ended_at < now - KEPT_SECONDS * SECOND))
        return len(found)

    def void(self, reason_of: Callable[[Approval], str]) -> int:
        """Void every open one for which there is a reason; how many there were."""
        now = self._clock.now()
        everyone = select(ApprovalRow).where(ApprovalRow.state.in_(_OPEN), ApprovalRow.expires_at > now)
        with self._database.read() as session:
            if not any(reason_of(to_approval(row)) for row in session.scalars(everyone)):
                return 0
        with self._database.write() as session:
            at = counters.lock_generation(session, DEFAULT, _store.APPROVALS)
            voided = [(row, why) for row in session.scalars(everyone) if (why := reason_of(to_approval(row)))]
            for row, why in voided:
                self._void(row, why, at, now)
        return len(voided)

    # what people do

    def list(self, state: str = "", *, tenant: str | None = None) -> Sequence[Approval]:
        """Those in this state, or all, the newest first; of one tenant where it is named."""
        row, now = ApprovalRow, self._clock.now()
        query = select(row).order_by(row.requested_at.desc(), row.id)
        if tenant is not None:
            query = query.where(row.tenant == tenant)
        if state in _OPEN:
            query = query.where(row.state == state, row.expires_at > now)
        elif state and state != State.EXPIRED:
            query = query.where(row.state == state)
        with self._database.read() as session:
            found = [seen_at(to_approval(one), now) for one in session.scalars(query.limit(MOST_LISTED))]
        return [approval for approval in found if state in ("", approval.state)]

    def show(self, approval_id: str) -> Approval:
        """One approval. Raises `NotFound`."""
        with self._database.read() as session:
            return seen_at(to_approval(self._row(session, approval_id)), self._clock.now())

    def earlier(self, approval: Approval, most: int = 5) -> Sequence[Approval]:
        """What was decided about the same tool before, the newest first."""
        row = ApprovalRow
        query = select(row).where(
            row.tenant == approval.tenant,
            row.server == approval.server,
            row.target == approval.target,
            row.id != approval.id,
            row.votes != "[]",
        )
        with self._database.read() as session:
            found = session.scalars(query.order_by(row.last_at.desc(), row.id).limit(most))
            return [seen_at(to_approval(one), self._clock.now()) for one in found]

    def decide(
        self, approval_id: str, *, by: str, choice: Choice, reason: str = "", role: str = "admin", claimed: str = ""
    ) -> Approval:
        """Say yes or no.

        `role` is what the operator acts in, as the face that knows them says. Raises `NotFound`, `Denied` for whoever
        may not, and `Conflict` when it is decided already, or is over.
        """
        voting.refuse_agents(by)
        self._refuse_revoked(by, role)
        now = self._clock.now()
        with self._database.write() as session:
            at = counters.lock_generation(session, DEFAULT, _store.APPROVALS)
            row = self._row(session, approval_id)
            vote = Vote(by, role, choice, now, reason, claimed)
            after = voting.voted(self._as_of_now(seen_at(to_approval(row), now)), vote, self.roles)
            self._move(row, after, at, facts.decided(after, vote, now))
        return after

    def missing(self, approval: Approval) -> dict[str, int]:
        """Policy → how many more people must approve, as the votes count now; empty when none."""
        return voting.missing(self._as_of_now(approval), self.roles)

    # inside

    def _as_of_now(self, approval: Approval) -> Approval:
        return approval if self._standing is None else voting.as_of_now(approval, self._standing)

    def _refuse_revoked(self, by: str, role: str) -> None:
        if self._standing is not None and not self._standing.counts_as(by, role, self._clock.now()):
            raise Denied("this operator was revoked", rule=voting.LACKS_ROLE, hint="have somebody decide who operates")

    def _row(self, session: Session, approval_id: str) -> ApprovalRow:
        row = session.scalar(select(ApprovalRow).where(ApprovalRow.id == approval_id))
        if row is None:
            raise NotFound(f"there is no approval {approval_id!a}", hint="see `watchkeeper approvals list`")
        return row

    def _move(self, row: ApprovalRow, after: Approval, at: counters.GenerationRow, fact: Event) -> None:
        at.value += 1
        _store.put(row, after)
        self._journal.record(fact)

    def _void(self, row: ApprovalRow, why: str, at: counters.GenerationRow, now: int) -> None:
        was = row.state
        after = msgspec.structs.replace(to_approval(row), state=State.VOIDED, because=why, ended_at=now)
        self._move(row, after, at, facts.voided(after, now, was))

    def _supersede(self, session: Session, wanted: Wanted, at: counters.GenerationRow, now: int) -> None:
        """Open requests for the same under another definition or other policies can never be used again."""
        row = ApprovalRow
        query = select(row).where(
            row.tenant == wanted.tenant,
            row.principal == wanted.principal,
            row.server == wanted.server,
            row.method == wanted.method,
            row.target == wanted.target,
            row.state.in_(_OPEN),
            row.expires_at > now,
        )
        for one in session.scalars(query).all():
            if why := stale(to_approval(one), wanted.policy, wanted.definition):
                self._void(one, why, at, now)

    @staticmethod
    def _crowd(session: Session, wanted: Wanted, bounds: Bounds, now: int) -> Denied | None:
        row = ApprovalRow
        query = select(func.count()).select_from(row).where(row.state.in_(_OPEN), row.expires_at > now)
        of_one = query.where(row.tenant == wanted.tenant, row.principal == wanted.principal)
        hint = "wait until a person has decided some of them"
        if (session.scalar(of_one) or 0) >= bounds.per_principal:
            return Denied("Too many requests of this client wait for approval already.", rule=TOO_MANY, hint=hint)
        if (session.scalar(query) or 0) >= bounds.in_all:
            return Denied("Too many requests wait for approval already.", rule=TOO_MANY, hint=hint)
        return None


def stale(approval: Approval, policy: str, definition: str) -> str:
    """Why an open approval can never be used again; empty when it can."""
    if approval.policy != policy:
        return "other policies are in force"
    return "the definition changed" if approval.definition != definition else ""


def _latest(wanted: Wanted) -> Select[ApprovalRow]:
    row = ApprovalRow
    same = select(row).where(row.tenant == wanted.tenant, row.binding == wanted.binding)
    return same.order_by(row.requested_at.desc(), row.id).limit(1)


def _stands(approval: Approval, now: int, bounds: Bounds) -> bool:
    """Whether this is still the answer to the same call."""
    state = seen_at(approval, now).state
    return state in OPEN or (state is State.DENIED and now < approval.ended_at + bounds.denial_seconds * SECOND)


def _opened(wanted: Wanted, now: int) -> Approval:
    return Approval(
        **msgspec.structs.asdict(wanted),
        id=f"ask-{secrets.token_hex(5)}",
        state=State.PENDING,
        count=1,
        requested_at=now,
        last_at=now,
        expires_at=now + wanted.seconds * SECOND,
    )
