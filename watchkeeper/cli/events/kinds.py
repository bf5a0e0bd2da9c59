"""`watchkeeper events kinds`: what can be recorded, and what each kind of event holds."""

from __future__ import annotations

import difflib
from typing import Any

import click

from watchkeeper.cli import options, output
from watchkeeper.core.errors import NotFound
from watchkeeper.events.catalogue import ENTRIES, example_of, schema_of
from watchkeeper.events.catalogue.fields import lines_of
from watchkeeper.events.kinds import KINDS
from watchkeeper.events.ocsf import meanings_of, to_ocsf
from watchkeeper.events.retention import retention_class

_WIDTH = max(map(len, KINDS))


@click.command()
@click.argument("kind", required=False, default="")
@options.as_json
@options.errors_told
def kinds(kind: str, as_json: bool) -> None:
    """List the kinds of events; with KIND, show one in full.

    KIND may be the beginning of one, up to a dot: gateway.approval. Of one kind you see what its events hold, how long
    they are kept (which class of [retention]), an example as it is recorded, and the same in OCSF's form. Nothing of
    this needs a running service or a data folder.
    """
    if kind in KINDS:
        _show(kind, as_json=as_json)
        return
    found = [one for one in sorted(KINDS) if not kind or one.startswith(f"{kind}.")]
    if not found:
        near = difflib.get_close_matches(kind, KINDS, n=1)
        hint = f"did you mean {near[0]}?" if near else "see `watchkeeper events kinds`"
        raise NotFound(f"there is no kind of event {kind[:80]!a}", hint=hint)
    if as_json:
        output.as_json([_in_short(one) for one in found])
        return
    for one in found:  # no table: it would cut the sentences
        output.text(f"{one:<{_WIDTH}}  {retention_class(one).value:<14}  {_ocsf_words(one):<27}  {KINDS[one]}")


def _show(kind: str, *, as_json: bool) -> None:
    example = example_of(kind)
    if as_json:
        more = {"schema": schema_of(kind), "example": example, "example_ocsf": to_ocsf(example)}
        output.as_json(_in_short(kind) | more)
        return
    entry = ENTRIES[kind]
    output.text(f"{kind}\n{KINDS[kind]}\n")
    output.text(f"kept as     {retention_class(kind).value}")
    output.text(f"ocsf        {_ocsf_words(kind)}")
    output.text(f"always sets {', '.join(entry.sets)}")
    output.text(f"may set     {', '.join(entry.may) or '-'}\n")
    lines = lines_of(kind)
    output.text("Its body:" if lines else "Its body is empty.")
    for line in lines:
        output.text(f"  {line.path}: {line.type}{'' if line.is_required else ', not always'}\n      {line.sentence}")
    if entry.open:
        output.text(f"It may have other members: {entry.open}.")
    output.text("\nAs it is recorded:")
    output.as_json(example)
    output.text("\nIn OCSF's form:")
    output.as_json(to_ocsf(example))


def _in_short(kind: str) -> dict[str, Any]:
    forms = [
        {
            "class_uid": meaning.of.uid,
            "class_name": meaning.of.name,
            "activity_id": meaning.activity,
            "activity_name": meaning.activity_name,
            "type_uid": meaning.of.uid * 100 + meaning.activity,
            "profiles": meaning.of.profiles,
        }
        for meaning in meanings_of(kind)
    ]
    return {"kind": kind, "sentence": KINDS[kind], "retention": retention_class(kind), "ocsf": forms}


def _ocsf_words(kind: str) -> str:
    return ", ".join(f"{meaning.of.name} {meaning.of.uid}" for meaning in meanings_of(kind))
