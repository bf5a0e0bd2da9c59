"""Beginning with an endpoint: `initialize` opens a session with every member, `server/discover` asks them all."""

from __future__ import annotations

import asyncio

import msgspec

from watchkeeper.gateway.aggregate import edit
from watchkeeper.gateway.aggregate.asking import Said, shared
from watchkeeper.gateway.aggregate.company import Company, Visit
from watchkeeper.gateway.aggregate.greeting import Greeting, discovered, greeting_in, initialized
from watchkeeper.gateway.aggregate.model import LeftOut, Member, NotServed
from watchkeeper.gateway.aggregate.party import Party
from watchkeeper.gateway.aggregate.together import nobody, together, whole
from watchkeeper.gateway.upstream import Outbound
from watchkeeper.protocol.eras import SUPPORTED, WrongVersion

MAX_INITIALIZE = 65_536
"""It is kept for as long as the session, for servers that begin late or again."""


class Hello:
    """One endpoint's."""

    def __init__(self, company: Company) -> None:
        self._company = company

    async def discover(self, visit: Visit) -> Outbound:
        """What all members are, in one answer. Raises `NotServed` when none answers."""
        company = self._company
        lacking = company.standing.lacking("modern")
        asked = [(member, shared(visit.message)) for member in company.members if member not in lacking]
        gone = [LeftOut(member.name, "it does not speak this protocol era") for member in lacking]
        return await together(company, visit, asked, lambda said: self._discovered(visit, said, gone))

    def _discovered(self, visit: Visit, heard: list[Said], gone: list[LeftOut]) -> Outbound:
        company = self._company
        now = asyncio.get_running_loop().time()
        greetings: list[tuple[Member, Greeting]] = []
        for said in heard:
            company.standing.learn_discovered(said, now)
            greeting = greeting_in(said.result) if said.result else None
            if greeting is None:
                gone.append(LeftOut(said.member.name, said.reason if not said.result else "its answer cannot be read"))
            else:
                greetings.append((said.member, greeting))
        company.left_out(visit, gone)
        if not greetings:
            return nobody(visit, heard, gone)
        named = [set(g.supported_versions) for _, g in greetings if isinstance(g.supported_versions, list)]
        versions = tuple(version for version in SUPPORTED if all(version in some for some in named))
        result = discovered(company.endpoint.route.name, versions, greetings, gone)
        return whole(msgspec.json.encode({"jsonrpc": "2.0", "id": visit.message.id, "result": result}))

    async def initialize(self, visit: Visit) -> Outbound:
        """A session with every member that gives one, and ours in front. Raises `WrongVersion`."""
        company = self._company
        if len(visit.message.raw) > MAX_INITIALIZE:
            raise NotServed("endpoint.unrouted", "this initialize is too large to be kept for the servers")
        party = Party(visit, company.members, company.standing.learn_initialized)
        message = shared(visit.message)
        try:
            seats = [party.seat(member, company.endpoint.member_seconds, message) for member in company.members]
            await asyncio.gather(*seats)
            await self._require_era(visit)
            await party.agree(company.endpoint.member_seconds)
        except BaseException:  # cancelled, too: nobody else knows of these sessions
            company.parties.drop(party)
            raise
        sitting = [seat for seat in party.seats.values() if seat.is_open and seat.greeting is not None]
        gone = [LeftOut(seat.member.name, seat.reason) for seat in party.seats.values() if not seat.is_open]
        company.left_out(visit, gone)
        if not sitting:
            company.parties.drop(party)
            return nobody(visit, [seat.said for seat in party.seats.values() if seat.said is not None], gone)
        company.parties.add(party)
        company.chronicle.session("gateway.session.opened", party.principal, party.id)
        greetings = [(seat.member, seat.greeting) for seat in sitting if seat.greeting is not None]
        result = initialized(company.endpoint.route.name, party.version, greetings, gone)
        out = whole(msgspec.json.encode({"jsonrpc": "2.0", "id": visit.message.id, "result": result}))
        out.headers.append((b"Mcp-Session-Id", party.id.encode()))
        return out

    async def _require_era(self, visit: Visit) -> None:
        """An era that some member lacks is not served while another is common to all (docs/decisions/0007)."""
        standing = self._company.standing
        if not standing.lacking("legacy"):
            return
        await self._company.learn_eras(visit)
        if standing.is_refused("legacy"):
            requested = edit.text_at(visit.message.raw, ("params", "protocolVersion")) or ""
            raise WrongVersion(requested, visit.message.id)
