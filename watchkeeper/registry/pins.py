"""Pins: what each server's definitions are allowed to be, and what the hot path may ask of them.

Above: the gateway asks `state` and `schema` on every call (memory only) and hands each listing to `observe` (blocking,
on a thread); people hold and approve. Below: `transitions` says how a pin moves, `_store` keeps it, `facts` words it
for the journal. It inspects nothing and forwards nothing.

Obligations:

1. A fact is durable in the journal before the pin moves, and the pin has moved before the caller goes on. A crash
   between the two repeats a fact; it never loses one.
2. Gateways on one control state are put in line by the tenant's generation; each reloads what the others changed.
3. Nobody approves another definition than the one they looked at (`fingerprint`), and no agent approves anything.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from sqlalchemy.orm import Session

from watchkeeper.core.clock import Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Conflict, Denied, Invalid, NotFound
from watchkeeper.events import Event, Journal
from watchkeeper.inspection.fingerprints import Definition
from watchkeeper.inspection.model import Finding
from watchkeeper.registry import _store, facts, transitions
from watchkeeper.registry._mirror import Mirror
from watchkeeper.registry._noting import Noting, grouped
from watchkeeper.registry._relatives import Groups, Relatives
from watchkeeper.registry.changes import ChangeClass
from watchkeeper.registry.diff import unified
from watchkeeper.registry.model import TOOL, Observation, Peer, Pin, PinState, SetApart, Sighting, Snapshot
from watchkeeper.registry.settings import PinTerms
from watchkeeper.registry.summary import summarise

Findings = Mapping[str, tuple[Finding, ...]]
"""Fingerprint → what the inspectors noticed in that definition."""


MOST = 20_000
"""Names that are pinned of one server."""


class Pins:
    """The pins of one tenant, kept in the control state and mirrored in memory. Safe for threads and processes."""

    def __init__(self, database: Database, journal: Journal, clock: Clock, tenant: str = "default") -> None:
        self._database = database
        self._journal = journal
        self._clock = clock
        self._tenant = tenant
        self._lock = threading.Lock()
        self._mirror = Mirror()
        self._pins = self._mirror.pins
        self._schemas = self._mirror.schemas
        self._outputs = self._mirror.outputs
        self.terms = PinTerms()
        """What the settings say of each server; whoever reads the settings sets it."""
        self.generation = -1
        """The generation that memory mirrors."""
        _store.ensure_generation(database, tenant)
        self.reload()

    # what the hot path asks: memory only

    def state(self, server: str, kind: str, name: str) -> PinState:
        """What this definition may do now."""
        pin = self._pins.get((server, kind, name))
        return pin.state if pin is not None else PinState.UNKNOWN

    def schema(self, server: str, name: str) -> bytes | None:
        """The pinned tool's `inputSchema`, raw JSON; None when no definition of it was ever trusted or approved."""
        return self._schemas.get((server, name))

    def output_schema(self, server: str, name: str) -> bytes | None:
        """The pinned tool's `outputSchema`, raw JSON; None when it has none, or was never trusted or approved."""
        return self._outputs.get((server, name))

    def fingerprint(self, server: str, kind: str, name: str) -> str:
        """Of the definition that may be used now; empty when there is none, or it is held."""
        pin = self._pins.get((server, kind, name))
        return pin.pinned if pin is not None and pin.state is not PinState.HELD else ""

    def shown(self, server: str, name: str) -> tuple[str, ...]:
        """Fingerprints of a tool's pinned definition and of the one seen last; none for one that was never seen."""
        pin = self._pins.get((server, TOOL, name))
        return (pin.pinned, pin.seen) if pin is not None else ()

    def claims_to_read(self, server: str, name: str) -> bytes:
        """A tool's pinned definition if it says `readOnlyHint`, in its canonical form; else empty."""
        return self._mirror.readers.get((server, name), b"")

    def is_known(self, server: str, definition: Definition) -> bool:
        """Whether this definition is the pinned one or the one seen last, and so was inspected before."""
        pin = self._pins.get((server, definition.kind, definition.name))
        return pin is not None and definition.fingerprint in (pin.seen, pin.pinned)

    def held(self, server: str) -> frozenset[tuple[str, str]]:
        """(kind, name) of everything of this server that is held."""
        return self._mirror.held.get(server, frozenset())

    def labels(self, server: str, kind: str, name: str) -> tuple[str, ...]:
        """What policies may ask of a definition: `lookalike`, `same_name`, `renamed`, `moved`, `identity_dependent`."""
        return self._mirror.labels.get((server, kind, name), ())

    def label_tools(self, labeller: Callable[[bytes], tuple[str, ...]]) -> None:
        """Label every tool by its definition, too, from now on. Blocking."""
        if self._mirror.labeller is None:
            with self._lock:
                self._mirror.labeller, self.generation = labeller, -1
            self.reload()

    def company(self, server: str) -> tuple[Peer, ...]:
        """The tools of all other servers that a model may see beside this server's; held ones are not among them."""
        return self._mirror.company(server)

    def recall(self, server: str, definitions: Sequence[Definition], whole: str = "") -> Observation | None:
        """What `observe` would say of a listing without news; None when there is news."""
        return self._recall(server, grouped(definitions), whole)

    # what listings and people change: blocking

    def observe(
        self, server: str, definitions: Sequence[Definition], findings: Findings, whole: str = ""
    ) -> Observation:
        """Take note of what a server lists, and say what of it is held.

        `whole` is the kind of which this is the whole list, not a page: only then is it known what is gone.
        `findings` are those of every definition that is not known yet. Raises `Unavailable` when the control state or
        the journal cannot be written, and `Invalid` when the server has shown too many names: then nothing was noted,
        and nothing of the listing may pass.
        """
        groups = grouped(definitions)
        known = self._recall(server, groups, whole)
        return known if known is not None else self._note(server, groups, findings, whole)

    def approve(self, server: str, kind: str, name: str, by: str, *, fingerprint: str = "") -> Pin:
        """Pin the definition seen last.

        Raises `NotFound`, `Denied` for an agent, and `Conflict` when `fingerprint` is given and another definition has
        been seen since.
        """
        _refuse_agents(by)
        with self._database.write() as session:
            at = _store.lock_generation(session, self._tenant)
            pin = self._get(session, server, kind, name)
            if fingerprint and fingerprint != pin.seen:
                raise Conflict(
                    f"{server} shows another definition of {name!a} by now: {pin.seen}",
                    hint="look at it with `watchkeeper pins diff`, then approve that one",
                )
            step = transitions.approved(pin, by, self._clock.now())
            self._move(session, step, at, by)
        self.reload()
        return step.pin

    def approve_all(self, server: str, by: str, *, cosmetic_only: bool = False) -> tuple[Pin, ...]:
        """Approve every definition of a server as seen last, those that are approved already excepted.

        With `cosmetic_only` just those that are held for nothing but a cosmetic change.
        """
        waiting = [pin for pin in self.list(server) if pin.state is not PinState.APPROVED]
        if cosmetic_only:
            waiting = [pin for pin in waiting if pin.change == ChangeClass.COSMETIC and not pin.held_by]
        return tuple(self.approve(server, pin.kind, pin.name, by, fingerprint=pin.seen) for pin in waiting)

    def hold(self, server: str, kind: str, name: str, reason: str, by: str) -> Pin:
        """Hold a definition by hand, until somebody approves it; the return of the pinned one does not release it."""
        with self._database.write() as session:
            at = _store.lock_generation(session, self._tenant)
            pin = self._get(session, server, kind, name)
            step = transitions.held(pin, reason, by, self._clock.now())
            if step.event:
                self._move(session, step, at, by)
        self.reload()
        return step.pin

    def set_apart(self, server: str, found: Sequence[SetApart], findings: Findings) -> tuple[Pin, ...]:
        """Hold definitions that the server shows to some only, as a canary found them, until somebody approves.

        One that a person approved after both had been seen stays as it is.
        """
        with self._database.write() as session:
            at = _store.lock_generation(session, self._tenant)
            occasion = self._occasion(server, at.value + 1)
            noting = Noting(session, occasion, findings, Relatives(self._mirror, server, {}, ""))
            held = [pin for one in found if (pin := noting.set_apart(server, one)) is not None]
            if noting.facts:
                at.value += 1
                self._record(noting.facts)
        self.reload()
        return tuple(held)

    def reload(self) -> bool:
        """Take over what any process changed since; True when there was something."""
        with self._lock:
            with self._database.read() as session:
                current = _store.generation(session, self._tenant)
                if current == self.generation:
                    return False
                news = _store.pins_after(session, self._tenant, self.generation)
            self._mirror.take(news)
            self.generation = current
            return True

    # what people and evidence ask: reads the control state

    def list(self, server: str = "") -> tuple[Pin, ...]:
        """Every pin, or those of one server, by server, kind and name."""
        self.reload()
        pins = [pin for pin in tuple(self._pins.values()) if server in ("", pin.server)]
        return tuple(sorted(pins, key=lambda pin: (pin.server, pin.kind, pin.name)))

    def get(self, server: str, name: str, kind: str = TOOL) -> Pin:
        """One pin. Raises `NotFound`."""
        with self._database.read() as session:
            return self._get(session, server, kind, name)

    def history(self, server: str, kind: str, name: str) -> tuple[Sighting, ...]:
        """Every definition ever shown under this name, oldest first."""
        with self._database.read() as session:
            return tuple(_store.sightings(session, self._tenant, _store.key_of(server, kind, name)))

    def diff(self, server: str, name: str, kind: str = TOOL) -> str:
        """Unified diff from the pinned definition to the one seen last, nothing in it invisible; empty when equal."""
        return self.snapshot(server, name, kind).diff

    def snapshot(self, server: str, name: str, kind: str = TOOL) -> Snapshot:
        """Evidence of a pin and its whole history. Raises `NotFound`."""
        with self._database.read() as session:
            pin = self._get(session, server, kind, name)
            history = _store.sightings(session, self._tenant, _store.key_of(server, kind, name))
        texts = {sighting.fingerprint: sighting.canonical for sighting in history}
        pair = texts.get(pin.pinned, b""), texts.get(pin.seen, b"")
        text = unified(*pair, before="pinned", after="seen")
        return Snapshot(self._clock.now(), pin, tuple(history), text, summarise(*pair))

    # how a change is carried out

    def _recall(self, server: str, groups: Groups, whole: str) -> Observation | None:
        held: set[tuple[str, str]] = set()
        for key, group in groups.items():
            pin = self._pins.get((server, *key))
            if pin is None or len(group) > 1 or pin.seen not in group:
                return None
            if pin.state is PinState.HELD:
                held.add(key)
        self._keep(server, groups, whole)
        return Observation(frozenset(held))

    def _keep(self, server: str, groups: Groups, whole: str) -> None:
        if whole:
            self._mirror.listed[server, whole] = frozenset(name for kind, name in groups if kind == whole)

    def _note(self, server: str, groups: Groups, findings: Findings, whole: str) -> Observation:
        held: set[tuple[str, str]] = set()
        changed: set[tuple[str, str]] = set()
        with self._database.write() as session:
            at = _store.lock_generation(session, self._tenant)
            self._refuse_crowd(server, groups)
            occasion = self._occasion(server, at.value + 1)
            noting = Noting(session, occasion, findings, Relatives(self._mirror, server, groups, whole))
            for key, group in groups.items():
                step = noting.note(server, *key, group)
                if step.pin.state is PinState.HELD:
                    held.add(key)
                if step.event == transitions.CHANGED:
                    changed.add(key)
            if noting.facts:
                at.value += 1
                self._record(noting.facts)
        self.reload()
        self._keep(server, groups, whole)
        return Observation(frozenset(held), frozenset(changed))

    def _occasion(self, server: str, generation: int) -> facts.Occasion:
        terms = self.terms
        return facts.Occasion(self._tenant, generation, self._clock.now(), terms.of(server), terms.text_bytes(server))

    def _refuse_crowd(self, server: str, groups: Groups) -> None:
        """A server that invents names without end would fill memory: its listing is refused as a whole."""
        known = sum(of == server for of, _, _ in tuple(self._pins))
        fresh = sum((server, *key) not in self._pins for key in groups)
        if fresh and known + fresh > MOST:
            raise Invalid(f"{server} has shown more than {MOST} names", hint="look at what it lists; it may be hostile")

    def _get(self, session: Session, server: str, kind: str, name: str) -> Pin:
        pin = _store.get_pin(session, self._tenant, _store.key_of(server, kind, name))
        if pin is None:
            raise NotFound(f"{server} never showed a {kind} {name!a}", hint="see `watchkeeper pins list`")
        return pin

    def _move(self, session: Session, step: transitions.Step, at: _store.GenerationRow, actor: str) -> None:
        at.value += 1
        _store.put_pin(session, self._tenant, step.pin, at.value)
        self._record([facts.pin_moved(self._clock.now(), self._tenant, step, actor=actor)])

    def _record(self, events: Sequence[Event]) -> None:
        last = [self._journal.append(event) for event in events][-1]
        self._journal.wait(last)


def _refuse_agents(by: str) -> None:
    if by.startswith("agent:"):
        raise Denied("an agent cannot approve what it is shown", rule="registry.operators-approve")
