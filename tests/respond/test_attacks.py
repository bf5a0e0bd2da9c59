"""Response as an attacker meets it: hostile names and fields, forged and replayed approvals, clocks, full disks."""

from __future__ import annotations

import random

import pytest

from tests.respond.conftest import Estate
from watchkeeper.core.errors import Invalid

HOSTILE = {
    "NUL": "evil\x00name",
    "a name of 100,000 characters": "".join(random.Random(1).choices("0123456789abcdef", k=100_000)),
    "a way out": "../../etc/passwd",
    "a terminal's": "\x1b]0;owned\x07\x1b[2J",
    "SQL": "x'; DROP TABLE respond_incidents; --",
    "CEL": "' + incident.server + '",
}


@pytest.mark.behaviour("respond.hostile-fields")
def test_whatever_a_server_calls_things_incidents_open_and_the_next_alert_is_taken(shared_estate: Estate) -> None:
    estate, wanted = shared_estate, 2 * len(HOSTILE) + 2
    with estate.responding() as service:
        for number, word in enumerate(HOSTILE.values(), 1):
            estate.raise_alert(
                number, title=word, target=word, principal=f"agent:{word}", summary=word, rule=word, tags=[word]
            )
            estate.raise_alert(100 + number, server="", target=word, principal=f"agent:{word}")
            estate.raise_alert(200 + number, server=word, target=word)
        estate.raise_alert(300, server="another")
        estate.until(lambda: len(service.incidents.list()) == wanted)
        assert service.healthy
        assert all(service.incidents.show(one.number).timeline for one in service.incidents.list())


def test_half_a_character_never_gets_as_far_as_an_alert(estate: Estate) -> None:
    with pytest.raises(Invalid):
        estate.raise_alert(1, title="evil\ud800name")
