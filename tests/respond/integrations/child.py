"""A process that pages once and is killed by whoever it pages: `child.py DATA URL HOST`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.respond.conftest import CLOCK, Estate
from tests.respond.integrations.conftest import errand, made
from tests.respond.integrations.test_outbox import outbox_of
from watchkeeper.respond.errands import Verb


def main(data: str, url: str, host: str) -> None:
    estate = Estate(Path(data))
    pager = made("pager", host, style="pagerduty", url=url, secret="env:KEY")
    outbox_of(estate, pager, CLOCK).carry(errand(Verb.TRIGGER))


if __name__ == "__main__":
    main(*sys.argv[1:])
