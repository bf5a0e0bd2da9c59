"""Incoming webhooks of chat systems. Obligations, and what each one stops:

1. Text of an incident is put where the system reads no markup (Slack's `plain_text`, a code block in Mattermost, text
   runs in Teams): no mention of a whole channel, no link that is called something else, no picture that is fetched.
2. The one link is our own, to the console that the settings name.
3. An answer that is not the one of the system is no success: something else listens at that address.

They have no key to be told twice by: after a crash a message may be there twice, and the second says so.
"""

from __future__ import annotations

from typing import Any

from watchkeeper.core.errors import Misconfigured
from watchkeeper.respond.errands import Errand, Receipt, Repeats, Verb
from watchkeeper.respond.integrations.interface import Ground
from watchkeeper.respond.integrations.settings import IntegrationSettings
from watchkeeper.respond.integrations.wire import Wire
from watchkeeper.respond.integrations.wording import subject, text

_SLACK_HEADER, _SLACK_TEXT = 150, 3_000
_OK = {"slack": ("ok",), "mattermost": ("ok",), "teams": ("", "1")}
"""What each answers when it took a message; Teams' workflows answer 202 and nothing."""
_FENCE, _TICK = "```", "\u02cb"


class Chat:
    """To one channel."""

    verbs = frozenset({Verb.TELL})
    repeats = Repeats.TWICE

    def __init__(self, name: str, settings: IntegrationSettings, ground: Ground) -> None:
        where = f"respond.integrations.{name}"
        if settings.style not in _OK:
            raise Misconfigured(f"{where}.style: a chat has one", hint="write slack, mattermost or teams")
        self._style = settings.style
        # a chat's address is its password: whoever knows it may write there
        secret = ground.read_secret(f"{where}.secret", settings.secret)
        self._wire = Wire(where, settings, ground, [secret])
        self._url = self._wire.check("secret" if secret else "url", secret.reveal() or settings.url)

    def deliver(self, errand: Errand, *, again: bool) -> Receipt:
        answer = self._wire.send("POST", self._url, BODIES[self._style](errand, again))
        if answer.text.strip() not in _OK[self._style]:
            return Receipt(said=f"this is not what {self._style} answers: {answer.said}", verified=False)
        return Receipt(said=answer.said)

    def verify(self, errand: Errand, receipt: Receipt) -> Receipt:
        return receipt


def slack(errand: Errand, again: bool) -> dict[str, Any]:
    """Blocks of plain text; the fallback that notifications show is escaped, and parsed for nothing."""
    head = subject(errand)
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _plain(head[:_SLACK_HEADER])},
        {"type": "section", "text": _plain(text(errand, again=again)[:_SLACK_TEXT] or "-")},
    ]
    if errand.link:
        button = {"type": "button", "text": _plain("Open"), "url": errand.link}
        blocks.append({"type": "actions", "elements": [button]})
    return {
        "text": _escaped(head),
        "mrkdwn": False,
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": blocks,
    }


def mattermost(errand: Errand, again: bool) -> dict[str, Any]:
    """A code block, out of which no backtick leads."""
    said = f"{subject(errand)}\n\n{text(errand, again=again)}".replace("`", _TICK)
    link = f"\n[Open]({errand.link})" if errand.link else ""
    return {"text": f"{_FENCE}\n{said}\n{_FENCE}{link}"}


def teams(errand: Errand, again: bool) -> dict[str, Any]:
    """An adaptive card of text runs, in which Markdown is not read."""
    lines = [subject(errand), *text(errand, again=again).split("\n")]
    body = [{"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": line or " "}]} for line in lines]
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    if errand.link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open", "url": errand.link}]
    return {
        "type": "message",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}],
    }


BODIES = {"slack": slack, "mattermost": mattermost, "teams": teams}


def _plain(said: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": said, "emoji": False}


def _escaped(said: str) -> str:
    return said.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
