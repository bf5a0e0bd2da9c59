"""`watchkeeper policy bundle`: make, sign, verify and install signed sets of policies; roll back; what is in force."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from watchkeeper.app.administration import Administration
from watchkeeper.app.bundle_status import policies_in_force
from watchkeeper.app.settings import PolicySettings, data_folder, load
from watchkeeper.cli import options, output
from watchkeeper.cli.policies.sets import FOLDER
from watchkeeper.core.errors import Invalid, NotFound, Unavailable
from watchkeeper.core.files import write_private
from watchkeeper.core.keys import SigningKey, public_text
from watchkeeper.policy.bundles import build as build_bundle
from watchkeeper.policy.bundles import collect, open_bundle, prove, read_envelope, try_out
from watchkeeper.policy.bundles import sign as sign_envelope

FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


@click.group()
def bundle() -> None:
    """Signed bundles of policies: made once, approved by people, the same on every gateway."""


@bundle.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@options.as_json
@options.errors_told
def key(file: Path, as_json: bool) -> None:
    """Print the public key of a signing key; the key is made when there is none in FILE."""
    public = public_text(SigningKey.load_or_create(file.resolve()).public)
    if as_json:
        output.as_json({"public": public})
    else:
        output.text(public)


@bundle.command()
@click.argument("folders", nargs=-1, type=FOLDER, metavar="[FOLDER]…")
@click.option("-o", "--output", "target", required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--version", required=True, type=click.IntRange(1), help="Higher than that of every bundle before.")
@click.option("--pack", "packs", multiple=True, help="A pack to put in, with those that it needs; may be repeated.")
@click.option("--description", default="", help="What is new in it.")
@click.option("--created", default="", help="When it was made (2026-01-31T12:00:00Z), for the same bytes every time.")
@options.config
@options.data
@options.as_json
@options.errors_told
def build(
    folders: tuple[Path, ...],
    target: Path,
    version: int,
    packs: tuple[str, ...],
    description: str,
    created: str,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Make a bundle from folders and packs, with their tests and the windows of time of the settings.

    The tests are run first; a bundle whose tests fail is not made.
    """
    if created and not _MOMENT.fullmatch(created):
        raise Invalid(f"{created!r} is no moment", hint="write it like 2026-01-31T12:00:00Z")
    moment = created or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    windows = load(config, data_folder(data)).settings.policy.windows
    envelope = build_bundle(
        collect(folders, packs), version=version, created=moment, description=description, windows=windows
    )
    made = open_bundle(envelope)
    tests = try_out(made.manifest)
    _write(target, envelope.raw())
    if as_json:
        output.as_json({"file": target, "version": version, "digest": made.digest, "tests": tests})
    else:
        output.text(f"{target}: version {version}, {len(made.manifest.files)} files, {tests} tests hold.")
        output.text(f"sha256 {made.digest}\nSign it: `watchkeeper policy bundle sign {target} --key KEY`")


@bundle.command()
@click.argument("file", type=FILE)
@click.option("--key", "key_file", required=True, type=FILE, help="A signing key (`policy bundle key`).")
@options.as_json
@options.errors_told
def sign(file: Path, key_file: Path, as_json: bool) -> None:
    """Add your signature to a bundle. Read what is in it first: `policy bundle verify FILE --unsigned`."""
    envelope = read_envelope(file.read_bytes())
    made = open_bundle(envelope)
    signed = sign_envelope(envelope, SigningKey.load_or_create(key_file.resolve()))
    _write(file, signed.raw())
    if as_json:
        output.as_json({"file": file, "digest": made.digest, "signatures": len(signed.signatures)})
    else:
        output.text(f"{file}: {len(signed.signatures)} signatures over sha256 {made.digest}")


@bundle.command()
@click.argument("file", type=FILE)
@click.option("--unsigned", is_flag=True, help="Show what is in it, whoever signed it.")
@options.config
@options.data
@options.as_json
@options.errors_told
def verify(file: Path, unsigned: bool, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Say whether enough trusted people signed a bundle, and whether its tests hold. Nothing is changed.

    Exit code 76 if it did not verify, 65 if it is no bundle or a test in it fails.
    """
    raw = file.read_bytes()
    trust = load(config, data_folder(data)).settings.policy.trust
    if unsigned:
        made, signers = open_bundle(read_envelope(raw)), list[str]()
    else:
        proven = prove(raw, trust)
        made, signers = proven.bundle, list(proven.signers)
    manifest, tests = made.manifest, try_out(made.manifest)
    if as_json:
        shown = msgspec.to_builtins(manifest) | {"files": sorted(manifest.files)}
        output.as_json(shown | {"digest": made.digest, "signers": signers, "tests": tests})
        return
    signed = f"signed by {', '.join(signers)}" if signers else "NOT VERIFIED: signatures were not looked at"
    output.text(f"version {manifest.version}, made {manifest.created}, {signed}; {tests} tests hold.")
    output.text(f"sha256 {made.digest}")
    if manifest.description:
        output.text(manifest.description)
    output.text("\n".join(f"  {name}" for name in sorted(manifest.files)))


@bundle.command()
@click.argument("file", type=FILE)
@options.config
@options.data
@options.as_json
@options.errors_told
def install(file: Path, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Verify a bundle, keep it, and put it in force in every gateway at once.

    A version that is not newer than all before is refused: to go back, use `policy rollback`.
    """
    if file.stat().st_size > 8 * 1024 * 1024:
        raise Invalid(f"{file} is too large to be a bundle")
    text = read_envelope(file.read_bytes()).raw().decode()
    _order(config, data, as_json, lambda ask, settings: ask("policy.install", bundle=text, settings=settings))


@bundle.command("list")
@options.data
@options.as_json
@options.errors_told
def list_(data: Path | None, as_json: bool) -> None:
    """List the bundles that were installed, by whom, and when each was in force."""
    told = Administration.at(data).call("policy.bundles")
    if as_json:
        output.as_json(told)
        return
    last = told["moves"][-1] if told["moves"] else None
    output.table(
        ["version", "sha256", "installed", "by", "signed by", "state", "what is new"],
        [
            [
                b["version"],
                b["digest"][:12],
                output.moment(b["installed_at"]),
                b["installed_by"],
                ", ".join(b["signers"]),
                "in force" if last and last["version"] == b["version"] else "-",
                b["description"] or "-",
            ]
            for b in told["bundles"]
        ],
        empty="No bundle was installed: policies come from the settings alone.",
        below=("signed by", "what is new"),
    )
    if told["moves"]:
        output.text("")
        output.table(
            ["in force since", "version", "how", "by", "reason"],
            [
                [output.moment(m["stamp"]), m["version"], m["kind"].replace("_", " "), m["by"], m["reason"] or "-"]
                for m in told["moves"]
            ],
            empty="",
        )


@click.command()
@click.option("--to", type=click.IntRange(1), default=None, help="The version. Default: the one before.")
@click.option("--reason", required=True, help="Why; goes into the journal.")
@options.config
@options.data
@options.as_json
@options.errors_told
def rollback(to: int | None, reason: str, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Put an earlier bundle in force again, in every gateway at once. It is verified anew by the keys trusted now."""
    _order(
        config,
        data,
        as_json,
        lambda ask, settings: ask("policy.rollback", to=to or 0, reason=reason, settings=settings),
    )


@click.command()
@options.data
@options.as_json
@options.errors_told
def status(data: Path | None, as_json: bool) -> None:
    """Say which policies each running gateway has in force, and since when.

    Exit code 0 if all say the same and what was ordered, 70 if one does not, 66 if no gateway runs.
    """
    folder = data_folder(data)
    rows = policies_in_force(folder)
    if not rows:
        raise NotFound(f"no gateway runs on {folder}", hint="start it with `watchkeeper up` or `watchkeeper gateway`")
    if as_json:
        output.as_json(rows)
    else:
        output.table(
            ["gateway", "bundle", "sha256", "policies", "set", "since", "note"],
            [_standing(row) for row in rows],
            empty="",
            below=("note",),
        )
    troubles = [row["trouble"] or row["note"] for row in rows if row["trouble"] or row["note"]]
    if troubles or len({row.get("policies") for row in rows}) > 1:
        raise Unavailable(troubles[0] if troubles else "gateways differ", hint="look at the log of the gateway")


def _order(
    config: Path | None,
    data: Path | None,
    as_json: bool,
    give: Callable[[Callable[..., Any], dict[str, Any]], dict[str, Any]],
) -> None:
    """Give an order about bundles, and tell what came of it."""
    folder = data_folder(data)
    settings: PolicySettings = load(config, folder).settings.policy
    whole = msgspec.structs.replace(settings, folders=tuple(str(Path(one).resolve()) for one in settings.folders))
    told = give(Administration.at(data).call, msgspec.to_builtins(whole))
    rows = policies_in_force(folder)
    late = [row["gateway"] for row in rows if row.get("stamp") != told["stamp"]]
    if as_json:
        output.as_json(told | {"gateways": len(rows), "late": late})
        return
    output.text(f"Version {told['version']} is ordered, signed by {', '.join(told['signers'])}.")
    if not rows:
        output.text("No gateway runs: the next one that starts has it in force.")
    elif late:
        output.text(f"NOT in force yet in {', '.join(late)}: see `watchkeeper policy status`.")
    else:
        output.text(f"In force in {len(rows)} of {len(rows)} gateways.")


def _standing(row: dict[str, Any]) -> list[object]:
    if row["trouble"]:
        return [row["gateway"], "?", "?", "?", "?", "?", row["trouble"]]
    found = row["bundle"]
    return [
        row["gateway"],
        found["version"] if found else "none",
        found["digest"][:12] if found else "-",
        row["count"],
        row["policies"][:12],
        output.moment(row["since"]),
        row["note"] or "-",
    ]


def _write(path: Path, raw: bytes) -> None:
    write_private(path.resolve(), raw)
