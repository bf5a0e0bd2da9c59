"""Tokens in memory: one request for each key, whoever waits and whoever leaves."""

from __future__ import annotations

import asyncio

import pytest

from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.gateway.credentials.keeper import MAX_TOKENS, Keeper
from watchkeeper.gateway.credentials.model import CredentialFailed, Token, new_token


class Issuer:
    """Gives a token each time it is told to."""

    def __init__(self, clock: ManualClock) -> None:
        self.asked = 0
        self.ready = asyncio.Event()
        self.error: CredentialFailed | None = None
        self._clock = clock

    async def __call__(self) -> Token:
        self.asked += 1
        await self.ready.wait()
        if self.error is not None:
            raise self.error
        return new_token(f"t{self.asked}", self._clock.now(), 300)


@pytest.fixture
def issuer(clock: ManualClock) -> Issuer:
    return Issuer(clock)


async def settle() -> None:
    """Let every task come as far as it can."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.behaviour("credentials.one-request-at-a-time")
async def test_whoever_waits_gets_the_one_token_and_whoever_leaves_stops_nothing(
    clock: ManualClock, issuer: Issuer
) -> None:
    keeper = Keeper(clock)
    waiting = [asyncio.create_task(keeper.token("a", issuer)) for _ in range(20)]
    await settle()
    waiting[0].cancel()
    await settle()
    issuer.ready.set()
    tokens = await asyncio.gather(*waiting[1:])
    assert (issuer.asked, len({token.access for token in tokens}), waiting[0].cancelled()) == (1, 1, True)
    assert (await keeper.token("a", issuer)).access == tokens[0].access
    assert (await keeper.token("b", issuer)).access != tokens[0].access


@pytest.mark.behaviour("credentials.one-request-at-a-time")
async def test_closing_waits_for_an_answer_that_nobody_hears_any_more(clock: ManualClock, issuer: Issuer) -> None:
    keeper = Keeper(clock)
    waiting = asyncio.create_task(keeper.token("a", issuer))
    await settle()
    waiting.cancel()
    closing = asyncio.create_task(keeper.close())
    await settle()
    assert not closing.done()
    issuer.error = CredentialFailed("nobody hears this, and nothing warns of it")
    issuer.ready.set()
    await closing


@pytest.mark.behaviour("credentials.issuer-spared")
async def test_a_failure_is_told_to_everybody_for_a_moment_and_then_forgotten(
    clock: ManualClock, issuer: Issuer
) -> None:
    keeper = Keeper(clock)
    issuer.error = CredentialFailed("down")
    issuer.ready.set()
    for _ in range(3):
        with pytest.raises(CredentialFailed):
            await keeper.token("a", issuer)
    assert issuer.asked == 1
    clock.advance(SECOND)
    issuer.error = None
    assert (await keeper.token("a", issuer)).access


@pytest.mark.behaviour("grants.ended-at-once")
async def test_what_was_under_way_when_everything_was_forgotten_is_not_kept(clock: ManualClock, issuer: Issuer) -> None:
    keeper = Keeper(clock)
    waiting = asyncio.create_task(keeper.token("a", issuer))
    await settle()
    keeper.clear()
    issuer.ready.set()
    await waiting
    await keeper.token("a", issuer)
    assert issuer.asked == 2


@pytest.mark.behaviour("credentials.cached")
async def test_no_more_tokens_are_kept_than_there_is_room_for(clock: ManualClock, issuer: Issuer) -> None:
    keeper = Keeper(clock)
    issuer.ready.set()
    for n in range(MAX_TOKENS + 1):
        await keeper.token(str(n), issuer)
    await keeper.token("1", issuer)
    assert issuer.asked == MAX_TOKENS + 1
    await keeper.token("0", issuer)
    assert issuer.asked == MAX_TOKENS + 2
