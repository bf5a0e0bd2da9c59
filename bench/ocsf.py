"""How many kinds of events have an OCSF form that validates, and how fast forms are made.

    python bench/ocsf.py [--json] [--quick]

- share_of_kinds_that_validate: each kind's example, and its barest event, against the published schema of the version
  that we map to (`ocsf-json-schema`, a development dependency), under the profiles that the form names. Errors are
  counted and shown.
- ocsf_events_per_second: `to_ocsf` over the examples of all kinds, one core, the quick look at each body included.
- ocsf_call_events_per_second: the same over the example of a call with findings and an answer, the most frequent event.
- ocsf_encoded_events_per_second: the same with the JSON that a sink sends.

Peer of the rates: `msgspec.to_builtins` of the same events, which is what handing them on without any mapping costs.
Each rate is the median of several rounds, the two turn by turn, per second of processor time of one core: nothing here
waits, so that what else the machine does is no part of it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import jsonschema_rs
import msgspec
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from watchkeeper.events import Event, new_event
from watchkeeper.events.catalogue import example_of, examples
from watchkeeper.events.kinds import KINDS
from watchkeeper.events.ocsf import VERSION, to_ocsf

CALL = "gateway.request.decided"


def errors_by_kind() -> dict[str, list[str]]:
    published = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=VERSION))

    @cache
    def judge(class_uid: int, profiles: tuple[str, ...]) -> jsonschema_rs.Validator:
        name = published.lookup_class_name_from_uid(class_uid)
        return jsonschema_rs.validator_for(published.get_class_schema(class_name=name, profiles=list(profiles)))

    def errors(event: Event) -> list[str]:
        made = to_ocsf(event)
        validator = judge(made["class_uid"], tuple(made["metadata"]["profiles"]))
        return [error.message for error in validator.iter_errors(made)]

    return {kind: errors(example_of(kind)) + errors(new_event(1, kind)) for kind in KINDS}


def share() -> dict[str, Any]:
    found = errors_by_kind()
    wrong = {kind: errors for kind, errors in found.items() if errors}
    return {
        "metric": "share_of_kinds_that_validate", "value": 1 - len(wrong) / len(found), "unit": "share", "peer": None,
        "peer_value": None, "ratio": None, "n": len(found), "ocsf": VERSION, "errors": wrong,
    }  # fmt: skip


def rate(act: Callable[[Event], object], events: Sequence[Event], seconds: float) -> float:
    done, began = 0, time.process_time()
    while (took := time.process_time() - began) < seconds:
        for event in events:
            act(event)
        done += len(events)
    return done / took


def rates(name: str, act: Callable[[Event], object], events: Sequence[Event], *, quick: bool) -> dict[str, Any]:
    rounds, seconds = (3, 0.2) if quick else (7, 1.0)
    pairs = [(rate(act, events, seconds), rate(msgspec.to_builtins, events, seconds)) for _ in range(rounds)]
    ours, peers = (statistics.median(column) for column in zip(*pairs, strict=True))
    return {
        "metric": name, "value": round(ours), "unit": "events/s", "peer": "msgspec.to_builtins",
        "peer_value": round(peers), "ratio": round(ours / peers, 3),
    }  # fmt: skip


def encoded(event: Event) -> bytes:
    return msgspec.json.encode(to_ocsf(event))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="shorter rounds, and fewer")
    chosen = parser.parse_args()
    everything, calls = list(examples().values()), [example_of(CALL)] * 64
    rows = [
        share(),
        rates("ocsf_events_per_second", to_ocsf, everything, quick=chosen.quick),
        rates("ocsf_call_events_per_second", to_ocsf, calls, quick=chosen.quick),
        rates("ocsf_encoded_events_per_second", encoded, everything, quick=chosen.quick),
    ]
    if chosen.json:
        print(json.dumps({"name": "ocsf", "results": rows}))
        return
    for row in rows:
        peer = (
            f"   {row['peer']}: {row['peer_value']:,} (x{row['ratio']})" if row["peer"] else f"   of {row['n']} kinds"
        )
        print(f"{row['metric']:<32} {row['value']:>10,} {row['unit']:<9}{peer}")
    for kind, errors in rows[0]["errors"].items():
        print(f"{kind}: {errors[:3]}")


if __name__ == "__main__":
    main()
