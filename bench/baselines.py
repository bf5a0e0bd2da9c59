"""What baselines call out in vain on ordinary days, and what they find: `python bench/baselines.py [--json]`.

Simulated, as no estate's calls may be published; what the days hold is written down, so that it can be argued with:

- 40 principals: 26 agents of people in three time zones (working days, few at the weekend, absent on some days), 8
  jobs by the clock, 6 that build at any hour and in bursts; 15 servers with 3 to 14 tools, of which each principal uses
  some, most of them rarely, and goes on to try others (a fifth of people's agents are curious);
- counts by the hour spread wider than by chance (a gamma of shape 2); sizes and times are log-normal, with heavy tails;
- a server is deployed anew every second day: times move by a third, one tool in three gets another argument, a new tool
  comes now and then (the registry sees both); a new principal starts each week; one public holiday; one hour in which a
  server fails and two in which one is slow (not counted as in vain: a person would want to know).

Alerts in vain are counted from the fifteenth day on. Then anomalies are planted, thirty of each kind, each into the
state as it was at the end: *found* is by the baseline meant for it, *by any* by one of them (intervals: Wilson, 95 %).
Speed is by the processor's time, which other work on the machine lengthens less than the clock's.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from _rates import wilson

from watchkeeper.app.baselines import baselines_of
from watchkeeper.core.clock import SECOND
from watchkeeper.detect.baselines.learners.interface import DAY, HOUR
from watchkeeper.detect.baselines.stage import BaselineStage
from watchkeeper.detect.interface import Seen
from watchkeeper.detect.model import Detection
from watchkeeper.events import Event, Position

START = 1_790_208_000 * SECOND
"""A Thursday, at midnight."""
TRIALS = 30
QUIET_DAYS = 14


class Tool:
    """One, and what its calls look like."""

    def __init__(self, server: str, name: str, chance: random.Random) -> None:
        self.server, self.name = server, name
        self.milliseconds = chance.lognormvariate(4, 1)
        self.spread = chance.uniform(0.3, 0.8)
        self.bytes_out = chance.lognormvariate(7, 1.2)
        self.failing = chance.choice([0.0, 0.005, 0.01, 0.03])
        self.arguments = {f"arg{at}": "x" if chance.random() < 0.7 else 1 for at in range(chance.randrange(1, 4))}
        self.optional = "limit" if chance.random() < 0.3 else ""


class Principal:
    """One, its hours and its habits."""

    def __init__(self, name: str, kind: str, tools: list[Tool], chance: random.Random) -> None:
        self.name, self.kind = name, kind
        self.zone = chance.choice([-6, 0, 7])
        self.rate = {"person": chance.uniform(4, 40), "job": chance.uniform(5, 60), "build": chance.uniform(3, 25)}[
            kind
        ]
        known = chance.sample(tools, min(len(tools), {"person": 12, "job": 3, "build": 6}[kind]))
        self.tools = known
        self.weights = [1 / (at + 1) ** 1.3 for at in range(len(known))]
        self.curious = {"person": chance.choice([0.0005] * 4 + [0.01]), "job": 0.0, "build": 0.0002}[kind]
        self.denied = chance.choice([0.0, 0.002, 0.01])
        self.absent: set[int] = set()

    def expected(self, day: int, hour: int, chance: random.Random) -> float:
        """Calls in an hour."""
        weekend = (day + 3) % 7 in (5, 6)  # the first day is a Thursday
        if self.kind == "job":
            return self.rate if hour % 4 == 2 else 0.0
        if self.kind == "build":
            return self.rate * chance.choice([0, 0, 0, 1, 3]) * (0.3 if weekend else 1.0)
        local = (hour + self.zone) % 24
        if day in self.absent or not 8 <= local < 18:
            return 0.02
        return self.rate * (0.05 if weekend else 1.0) * (0.5 if local in (8, 12, 17) else 1.0)


class Estate:
    """Everybody, and the calls of their days."""

    def __init__(self, seed: int) -> None:
        self.chance = chance = random.Random(seed)
        self.tools = [
            Tool(f"server-{at}", f"tool-{number}", chance)
            for at in range(15)
            for number in range(chance.randrange(3, 15))
        ]
        kinds = ["person"] * 26 + ["job"] * 8 + ["build"] * 6
        self.people = [Principal(f"agent:{at}", kind, self.tools, chance) for at, kind in enumerate(kinds)]
        self.count = 0

    def day(self, day: int) -> list[Event]:
        """Its events, in order."""
        chance, events = self.chance, []
        if day % 2 == 1:
            events += self._deploy(day)
        if day % 7 == 5:
            self.people.append(Principal(f"agent:new-{day}", "person", self.tools, chance))
        for one in self.people:
            if one.kind == "person" and (chance.random() < 0.04 or day == 24):
                one.absent.add(day)
        failing = (chance.choice(self.tools).server, chance.randrange(9, 16)) if day == 20 else ("", -1)
        slow = (chance.choice(self.tools).server, chance.randrange(9, 16)) if day in (18, 26) else ("", -1)
        for hour in range(24):
            for one in self.people:
                mean = one.expected(day, hour, chance)
                number = _poisson(mean * chance.gammavariate(2, 0.5), chance) if mean else 0
                session = f"{one.name}-{day}-{hour // 4}"
                for _ in range(number):
                    when = START + day * DAY + hour * HOUR + chance.randrange(HOUR)
                    events.append(self.call(one, self._tool(one), when, session, (failing, slow, hour)))
        return sorted(events, key=lambda event: event.time)

    def _tool(self, one: Principal) -> Tool:
        chance = self.chance
        if chance.random() < one.curious:
            tool = chance.choice(self.tools)
            if tool not in one.tools:
                one.tools.append(tool)
                one.weights.append(chance.choice([0.001, 0.05]))
            return tool
        return chance.choices(one.tools, one.weights)[0]

    def _deploy(self, day: int) -> Iterator[Event]:
        chance = self.chance
        server = chance.choice(self.tools).server
        at = START + day * DAY  # by night, before the first call
        for tool in [tool for tool in self.tools if tool.server == server]:
            tool.milliseconds *= chance.uniform(0.75, 1.33)
            if chance.random() < 0.33:
                tool.arguments[f"new{day}"] = "x"
                yield self._event(at, "registry.pin.changed", server=server, target=tool.name, outcome="success")
        if chance.random() < 0.4:
            tool = Tool(server, f"tool-of-{day}", chance)
            self.tools.append(tool)
            yield self._event(at, "registry.definition.seen", server=server, target=tool.name)
            for one in chance.sample(self.people, 6):
                one.tools.append(tool)
                one.weights.append(0.2)

    def call(self, one: Principal, tool: Tool, when: int, session: str, trouble: Any = None) -> Event:
        """One call as the gateway records it."""
        chance = self.chance
        failing, slow, hour = trouble or (("", -1), ("", -1), 0)
        arguments = dict(tool.arguments) | ({tool.optional: 1} if tool.optional and chance.random() < 0.2 else {})
        sent = 80 + chance.randrange(200)
        stretch = 4 if (tool.server, hour) == slow else 1
        body: dict[str, Any] = {
            "method": "tools/call", "arguments": json.dumps(arguments), "session": session, "bytes_in": sent,
            "bytes_out": int(min(chance.lognormvariate(0, 0.9) * tool.bytes_out, 2e6)) + 20,
            "duration_us": int(chance.lognormvariate(0, tool.spread) * tool.milliseconds * 1000 * stretch) + 500,
        }  # fmt: skip
        outcome = "deny" if chance.random() < one.denied else "allow"
        if chance.random() < (0.8 if (tool.server, hour) == failing else tool.failing):
            body["failure"] = "tool_error"
        return self._event(
            when, "gateway.request.decided", actor=one.name, server=tool.server, target=tool.name, outcome=outcome,
            body=body,
        )  # fmt: skip

    def _event(self, when: int, kind: str, **said: Any) -> Event:
        self.count += 1
        return Event(v=1, id=f"e{self.count}", time=when, kind=kind, **said)


def _poisson(mean: float, chance: random.Random) -> int:
    if mean > 30:
        return max(0, round(chance.gauss(mean, mean**0.5)))
    number, left = 0, chance.expovariate(1)
    while left < mean:
        number, left = number + 1, left + chance.expovariate(1)
    return number


def look(stage: BaselineStage, events: list[Event]) -> list[Detection]:
    """What the stage tells of them."""
    found: list[Detection] = []
    passed = 0
    for event in events:
        if event.time // SECOND > passed:
            passed = event.time // SECOND
            stage.pass_time(event.time)
        found += stage.look(Seen(event, Position("w", 0)))
    return found


def planted(estate: Estate, kind: str, at: int) -> tuple[list[Event], str]:
    """The events of an anomaly, and the group that it is told of."""
    chance = estate.chance
    steady = [one for one in estate.people if one.curious < 0.005 and "new" not in one.name]
    one = chance.choice(steady)
    tool = chance.choices(one.tools, one.weights)[0]
    others = [other for other in estate.tools if other not in one.tools]

    def calls(number: int, of: Tool = tool, **said: Any) -> list[Event]:
        made = []
        for turn in range(number):
            event = estate.call(one, of, at + turn * 20 * SECOND, "odd")
            body = {name: value for name, value in event.body.items() if name != "failure"} | said.pop("body", {})
            made.append(_with(event, body=body, **said))
            said["body"] = {name: body[name] for name in body if name not in event.body}
        return made

    if kind == "principal_new_tool":
        of = chance.choice([other for other in others if other.server in {mine.server for mine in one.tools}] or others)
        return calls(1, of), one.name
    if kind == "principal_new_server":
        return calls(1, Tool("server-unknown", "anything", chance)), one.name
    if kind == "server_new_tool":
        return calls(1, Tool(tool.server, "debug_shell", chance)), tool.server
    if kind == "tool_new_shape":
        odd = {"arguments": json.dumps(dict(tool.arguments) | {"sidenote": "x"})}
        return [_with(calls(1)[0], body=calls(1)[0].body | odd)], f"{tool.server}/{tool.name}"
    if kind == "principal_rate":
        usual = max(one.expected(27, at // HOUR % 24, chance), 10)
        number = int(min(max(usual * 6, 150), 1500))
        return [
            _with(event, time=at + turn * (3000 * SECOND // number)) for turn, event in enumerate(calls(number))
        ], one.name
    if kind == "principal_denied":
        return [_with(event, outcome="deny" if turn % 2 else "allow") for turn, event in enumerate(calls(24))], one.name
    if kind == "tool_failing":
        return [
            _with(event, body=event.body | ({"failure": "tool_error"} if turn % 5 < 3 else {}))
            for turn, event in enumerate(calls(30))
        ], f"{tool.server}/{tool.name}"
    if kind == "tool_slow":
        return [
            _with(event, body=event.body | {"duration_us": event.body["duration_us"] * 5}) for event in calls(40)
        ], f"{tool.server}/{tool.name}"
    if kind == "session_tools":
        many = chance.sample(estate.tools, 30)
        return [
            _with(calls(1, of)[0], time=at + turn * SECOND, outcome="allow") for turn, of in enumerate(many)
        ], one.name
    big = calls(1)[0]
    return [_with(big, outcome="allow", body=big.body | {"bytes_out": 20_000_000})], f"{tool.server}/{tool.name}"


def _with(event: Event, **said: Any) -> Event:
    return Event(**({name: getattr(event, name) for name in event.__struct_fields__} | said))


KINDS = (
    "principal_new_tool", "principal_new_server", "server_new_tool", "tool_new_shape", "principal_rate",
    "principal_denied", "tool_failing", "tool_slow", "session_tools", "tool_answer_size",
)  # fmt: skip


def measure(days: int, seed: int) -> dict[str, Any]:
    """Everything."""
    make: Callable[[], BaselineStage] = lambda: BaselineStage(baselines_of(""), subjects=20_000)  # noqa: E731
    estate, stage = Estate(seed), make()
    vain: Counter[str] = Counter()
    calls, spent, trouble = 0, 0.0, 0
    for day in range(days):
        events = estate.day(day)
        began = time.process_time()
        found = look(stage, events)
        spent += time.process_time() - began
        calls += len(events)
        if day >= QUIET_DAYS:
            wanted = {"tool_failing"} if day == 20 else {"tool_slow"} if day in (18, 26) else set()
            trouble += sum(one.by.name in wanted for one in found)
            vain.update(one.by.name for one in found if one.by.name not in wanted)
    subjects = len(estate.people) + len(estate.tools)
    measured = days - QUIET_DAYS
    kept = {key: row for key, row in stage.changes().items() if row is not None}
    recall: dict[str, tuple[int, int]] = {}
    for kind in KINDS:
        by_it = by_any = 0
        for turn in range(TRIALS):
            fresh = make()
            fresh.restore(kept)
            events, group = planted(estate, kind, START + days * DAY + (turn % 24) * HOUR)
            fresh.pass_time(events[0].time - 1)
            found = look(fresh, sorted(events, key=lambda event: event.time))
            by_it += any(one.by.name == kind and one.group == group for one in found)
            by_any += bool(found)
        recall[kind] = (by_it, by_any)
    return {
        "calls": calls, "days": measured, "principals_and_tools": subjects, "vain": dict(vain), "trouble_told": trouble,
        "vain_per_day_per_1000": 1000 * sum(vain.values()) / measured / subjects,
        "vain_per_day": sum(vain.values()) / measured,
        "calls_per_second": calls / spent, "bytes_kept": sum(map(len, kept.values())), "recall": recall,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="machine-readable")
    parser.add_argument("--days", type=int, default=35)
    parser.add_argument("--seed", type=int, default=1)
    said = parser.parse_args()
    figures = measure(said.days, said.seed)
    if said.json:
        print(json.dumps(figures))
        return
    print(f"{figures['calls']} calls; {figures['principals_and_tools']} principals and tools; {figures['days']} days")
    print(
        f"in vain: {figures['vain_per_day']:.1f} a day, {figures['vain_per_day_per_1000']:.2f} a day and 1,000 of these"
    )
    for name, number in sorted(figures["vain"].items(), key=lambda one: -one[1]):
        print(f"  {name:24} {number:5}")
    print(f"told of the three hours of real trouble: {figures['trouble_told']}")
    for kind, (by_it, by_any) in figures["recall"].items():
        low, high = wilson(by_it, TRIALS)
        print(f"  {kind:24} found {by_it}/{TRIALS} [{100 * low:.0f}, {100 * high:.0f}] %, by any {by_any}/{TRIALS}")
    print(f"{figures['calls_per_second']:,.0f} calls/s of one core's time; {figures['bytes_kept']:,} bytes kept")


if __name__ == "__main__":
    main()
