"""How gateways and the servers behind them fare, and the orders that contain."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, UnsetType

from watchkeeper.events.catalogue.kind import BY_ACTOR, DONE, EITHER, FAILED, ON_TARGET, VERDICTS, Body, Kind, says


class Ports(Body, frozen=True, kw_only=True):
    """Where a gateway serves."""

    ports: Annotated[dict[str, int], says("Route → its port on this host.")]


class Replaced(Body, frozen=True, kw_only=True):
    """A worker that died."""

    worker: Annotated[int, says("Its number.", ge=0)]
    pid: Annotated[int | None, says("The process that died.")]
    lived_seconds: Annotated[float, says("How long it had lived.", ge=0)]


class Suspended(Body, frozen=True, kw_only=True):
    """A time without a record, at its beginning."""

    writer: Annotated[str, says("Whose log it is that could not be written.")]
    why: Annotated[str, says("Why.")]
    since: Annotated[int, says("When the first call passed unrecorded, microseconds.", ge=0)]


class Resumed(Suspended, frozen=True, kw_only=True):
    """The same, once it was over."""

    until: Annotated[int, says("When the last one did.", ge=0)]
    seconds: Annotated[float, says("How long that was.")]
    unrecorded: Annotated[int, says("How many messages and facts have no event of their own.", ge=0)]
    by_server: Annotated[
        dict[str, dict[str, int]],
        says("Server → outcome → how many; `refused` never reached the pipeline, `other` are facts beside calls."),
    ]
    process_ended: Annotated[bool, says("Whether the process that counted ended meanwhile.")]


class Reason(Body, frozen=True, kw_only=True):
    """Only why."""

    reason: Annotated[str, says("Why; empty when there is nothing to say.")]


class Spawned(Body, frozen=True, kw_only=True):
    """A server that was started."""

    command: Annotated[list[str], says("Program and arguments; values of variables are masked.")]
    variables: Annotated[list[str], says("Names of the variables it got, never their values.")]
    cwd: Annotated[str, says("Its working folder; empty for the sandbox's own.")]
    pid: Annotated[int, says("Its process.", ge=0)]
    sandbox: Annotated[str, says("What it is shut in by.")]


class Exited(Body, frozen=True, kw_only=True):
    """A server that ended."""

    pid: Annotated[int, says("Its process.", ge=0)]
    reason: Annotated[str, says("Why it ended.")]
    returncode: Annotated[int | None, says("Its exit code, negative for a signal; null if it was not waited for.")]
    answered: Annotated[int, says("Requests it answered.", ge=0)]
    dropped: Annotated[int, says("Messages of its that were dropped.", ge=0)]
    garbage_lines: Annotated[int, says("Lines of its that were no messages.", ge=0)]
    log_lines: Annotated[int, says("Lines that it logged.", ge=0)]


class Breaker(Body, frozen=True, kw_only=True):
    """A breaker's move."""

    reason: Annotated[str, says("What failed last; empty when it closes.")]
    seconds: Annotated[float, says("How long it stays open.", ge=0)]
    principal: Annotated[str, says("Whose calls are meant, or `everybody`.")]


class Order(Body, frozen=True, kw_only=True):
    """A containment order."""

    order: Annotated[str, says("Its id.")]
    kind: Annotated[str, says("What is done, such as `hold_tool`; all kinds are in docs/concepts/orders.md.")]
    target: Annotated[str, says("What it contains; its form depends on the kind, a tool is SERVER/TOOL.")]
    generation: Annotated[int, says("The generation of orders that has it.", ge=0)]
    incident: Annotated[str, says("The incident it was given for; empty when for none.")]
    reason: Annotated[str, says("Why it was given, or lifted.")]
    run: Annotated[str, says("The playbook's run that gave it; empty when a person did.")] | UnsetType = UNSET
    asked_by: (
        Annotated[list[str], says("Who or what wanted it: the playbook or rule, the persons who approved.")] | UnsetType
    ) = UNSET


class Ended(Body, frozen=True, kw_only=True):
    """What a gateway ended, or found to be ended."""

    gateway: Annotated[str, says("The gateway that did it.")]
    reason: Annotated[str, says("Why.")]
    incident: Annotated[str, says("The incident it was done for; empty when for none.")]
    run: Annotated[str, says("The playbook's run that did it; empty for a person.")]
    asked_by: Annotated[list[str], says("Who approved it, or asked for it.")]
    sessions: Annotated[int, says("Sessions of the older era, with endpoints too.", ge=0)]
    calls: Annotated[int, says("Requests that were under way and were cut.", ge=0)]
    streams: Annotated[int, says("Standing streams that were cut.", ge=0)]
    processes: Annotated[list[int], says("Servers that ran for it, by process.")]
    cancelled: Annotated[int, says("Tasks that their server says are over.", ge=0)]
    doubts: Annotated[list[str], says("What a server did not confirm.")]


class Acknowledged(Body, frozen=True, kw_only=True):
    """Orders in force."""

    generation: Annotated[int, says("The generation that is in force in this gateway.", ge=0)]


class Probe(Body, frozen=True, kw_only=True):
    """What the live pipeline would do."""

    gateway: Annotated[str, says("The gateway that was asked.")]
    principal: Annotated[str, says("On whose behalf the probe asked.")]
    method: Annotated[str, says("The method it asked about.")]
    effect: Annotated[str, says("`allow`, `modify`, `ask` or `deny`.")]
    enforced: Annotated[bool, says("False where shadow mode would let it pass all the same.")]
    rules: Annotated[list[str], says("Ids of the policies and orders that spoke.")]
    reason: Annotated[str, says("Why.")]


KINDS = {
    "gateway.process.started": Kind(body=Ports, sets=BY_ACTOR, outcomes=DONE),
    "gateway.process.stopped": Kind(body=Ports, sets=BY_ACTOR, outcomes=DONE),
    "gateway.recording.suspended": Kind(body=Suspended, sets=ON_TARGET, outcomes=FAILED),
    "gateway.recording.resumed": Kind(body=Resumed, sets=ON_TARGET, outcomes=FAILED),
    "gateway.worker.replaced": Kind(body=Replaced, sets=ON_TARGET, outcomes=FAILED),
    "gateway.certificate.renewed": Kind(body=Reason, sets=BY_ACTOR, outcomes=DONE),
    "gateway.certificate.refused": Kind(body=Reason, sets=BY_ACTOR, outcomes=FAILED),
    "gateway.upstream.spawned": Kind(body=Spawned, sets=("server", "outcome"), may=("actor", "era"), outcomes=DONE),
    "gateway.upstream.exited": Kind(body=Exited, sets=("server", "outcome"), may=("actor", "era"), outcomes=EITHER),
    "gateway.upstream.failed": Kind(body=Reason, sets=("server", "outcome"), may=("actor", "era"), outcomes=FAILED),
    "gateway.breaker.opened": Kind(body=Breaker, sets=("actor", "server", "outcome"), may=("target",), outcomes=FAILED),
    "gateway.breaker.closed": Kind(body=Breaker, sets=("actor", "server", "outcome"), may=("target",), outcomes=DONE),
    "gateway.order.issued": Kind(body=Order, sets=ON_TARGET, may=("server",), outcomes=DONE),
    "gateway.order.acknowledged": Kind(body=Acknowledged, sets=ON_TARGET, outcomes=DONE),
    "gateway.order.lifted": Kind(body=Order, sets=ON_TARGET, may=("server",), outcomes=DONE),
    "gateway.custody.ended": Kind(body=Ended, sets=ON_TARGET, may=("server",), outcomes=EITHER),
    "gateway.custody.drained": Kind(body=Ended, sets=ON_TARGET, may=("server",), outcomes=EITHER),
    "gateway.probe.answered": Kind(
        body=Probe, sets=("actor", "server", "outcome"), may=("target",), outcomes=VERDICTS, labels=("probe",)
    ),
}
