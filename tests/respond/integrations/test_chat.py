"""Chat systems: what is shown there is text, whatever it says; and what is no chat system is no success."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.respond.integrations.conftest import errand, made
from tests.respond.integrations.servers import Request, elsewhere
from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.fetch.model import FetchFailed
from watchkeeper.respond.errands import NotTaken, Rejected, Verb
from watchkeeper.respond.integrations.chat import BODIES
from watchkeeper.respond.integrations.wording import AGAIN

HOSTILE = "<!channel> <https://evil.example|our console> @all [x](https://evil.example) ```\n@here *b* & \u202e![p](http://e/i.png)"
OK = {"slack": b"ok", "mattermost": b"ok", "teams": b""}


def strings_of(value: Any) -> list[tuple[str, str]]:
    """Every string of a body, with the name it stands under."""
    if isinstance(value, dict):
        return [
            pair for key, one in value.items() for pair in ([(key, one)] if isinstance(one, str) else strings_of(one))
        ]
    return [pair for one in value for pair in strings_of(one)] if isinstance(value, list) else []


@pytest.mark.behaviour("integrations.chat-text")
def test_slack_is_given_plain_text_and_a_fallback_without_a_control_sequence() -> None:
    body = BODIES["slack"](errand(title=HOSTILE, text=HOSTILE, link="https://console.example/incidents/1"), False)
    assert {block["text"]["type"] for block in body["blocks"] if "text" in block} == {"plain_text"}
    assert "<" not in body["text"]
    assert ">" not in body["text"]
    assert (body["parse"], body["link_names"], body["mrkdwn"]) == ("none", False, False)
    assert [value for key, value in strings_of(body) if key == "url"] == ["https://console.example/incidents/1"]


@pytest.mark.behaviour("integrations.chat-text")
def test_mattermost_shows_it_in_a_block_of_code_that_nothing_ends() -> None:
    text = BODIES["mattermost"](errand(title=HOSTILE, text=HOSTILE), False)["text"]
    assert text.startswith("```\n")
    assert text.endswith("\n```")
    assert text.count("`") == 6
    assert "\u202e" not in text


@pytest.mark.behaviour("integrations.chat-text")
def test_teams_is_given_text_runs_and_mentions_nobody() -> None:
    body = BODIES["teams"](errand(title=HOSTILE, text=HOSTILE), False)
    card = body["attachments"][0]["content"]
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert {run["type"] for block in card["body"] for run in block["inlines"]} == {"TextRun"}
    assert "msteams" not in card
    assert "actions" not in card


@pytest.mark.parametrize("style", sorted(OK))
def test_a_message_is_posted_and_its_answer_kept(style: str) -> None:
    with elsewhere(lambda _: (200, OK[style])) as there:
        chat = made("chat", there.host, style=style, url=f"{there.url}/hook")
        receipt = chat.deliver(errand(), again=False)
        assert (receipt.said, receipt.verified) == (f"200 {OK[style].decode()}".strip(), None)
        assert chat.verify(errand(), receipt) == receipt
        (request,) = there.got
        assert "INC-2026-0001" in json.dumps(request.json)


def test_a_second_copy_says_that_it_is_one() -> None:
    assert AGAIN in json.dumps(BODIES["slack"](errand(), True))
    assert AGAIN not in json.dumps(BODIES["slack"](errand(), False))


@pytest.mark.behaviour("integrations.lies")
def test_an_answer_that_is_not_the_systems_is_no_success() -> None:
    with elsewhere(lambda _: (200, b"<html>Welcome to our guest network</html>")) as there:
        receipt = made("chat", there.host, style="slack", url=there.url).deliver(errand(), again=False)
    assert receipt.verified is False
    assert "not what slack answers" in receipt.said


@pytest.mark.behaviour("integrations.secrets")
def test_an_address_that_is_a_secret_is_told_nowhere() -> None:
    def echo(request: Request) -> tuple[int, Any]:
        return 404, {"no": request.path}

    with elsewhere(echo) as there:
        secrets = {"CHAT": f"{there.url}/services/T0/B0/hidden"}
        chat = made("chat", there.host, style="slack", secret="env:CHAT", secrets=secrets)
        with pytest.raises(Rejected) as caught:
            chat.deliver(errand(), again=False)
    assert "hidden" not in caught.value.reason
    with pytest.raises(FetchFailed) as gone:
        chat.deliver(errand(), again=False)
    assert "hidden" not in gone.value.reason


def test_it_is_told_later_from_never() -> None:
    answers: list[tuple[int, Any, dict[str, str]]] = [
        (503, b"", {}),
        (429, b"", {"Retry-After": "7"}),
        (400, b"bad", {}),
    ]
    with elsewhere(lambda _: answers.pop(0)) as there:
        chat = made("chat", there.host, style="slack", url=there.url)
        with pytest.raises(NotTaken):
            chat.deliver(errand(), again=False)
        with pytest.raises(NotTaken) as later:
            chat.deliver(errand(), again=False)
        assert later.value.after == 7
        with pytest.raises(Rejected):
            chat.deliver(errand(), again=False)


def test_a_chat_that_cannot_be_is_refused_when_it_is_made() -> None:
    with pytest.raises(Misconfigured):
        made("chat", url="https://chat.example/hook")
    with pytest.raises(Misconfigured):
        made("chat", style="slack", url="http://chat.example/hook")
    assert made("chat", style="slack", url="https://chat.example/hook").verbs == {Verb.TELL}
