"""The places for copies of checkpoints, as the settings name them, and who keeps them up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from watchkeeper.app.settings import Loaded, environment
from watchkeeper.core.clock import Clock, SystemClock
from watchkeeper.core.errors import Misconfigured
from watchkeeper.core.fetch.client import Fetcher
from watchkeeper.core.fetch.model import FetchRefused
from watchkeeper.core.secrets import SecretReader
from watchkeeper.events.anchors.bucket import Bucket, BucketPlace
from watchkeeper.events.anchors.folder import FolderPlace
from watchkeeper.events.anchors.keeper import Keeper, Placed
from watchkeeper.events.anchors.model import Compared
from watchkeeper.events.anchors.place import Place
from watchkeeper.events.anchors.sigv4 import Credentials
from watchkeeper.events.anchors.webhook import WebhookPlace
from watchkeeper.events.journal.outside import AnchorSettings, check_anchors
from watchkeeper.events.journal.verifying.verification import TAMPERED, UNUSABLE
from watchkeeper.respond.webhooks.signing import keys_of, sign

if TYPE_CHECKING:
    from watchkeeper.app.platform import Platform


def places_of(loaded: Loaded, clock: Clock | None = None) -> list[Placed]:
    """Every place of the settings, checked, none asked yet. Raises `Misconfigured`."""
    anchors = loaded.settings.journal.anchors
    check_anchors(anchors)
    if not anchors:
        return []
    fetcher, clock = Fetcher(loaded.settings.fetch), clock or SystemClock()
    return [
        Placed(_place(name, one, fetcher, clock), one.every_seconds, one.compare_hours * 3600)
        for name, one in anchors.items()
    ]


def anchors_of(loaded: Loaded) -> list[Place]:
    """The places, for a command that asks for them. Raises `Misconfigured` where none is named."""
    places = [placed.place for placed in places_of(loaded)]
    if not places:
        raise Misconfigured(
            "no place for copies of checkpoints is named",
            hint='set [journal.anchors.NAME], such as folder = "/mnt/other"',
        )
    return places


def copy_once(data_dir: Path, places: Sequence[Place]) -> list[str]:
    """Copy each log's newest checkpoint to each place now; why it was not, for each that did not answer."""
    keeper = Keeper(data_dir, [Placed(place, 1, 1) for place in places], lambda _: None, SystemClock())
    keeper.close()
    return [f"{one.place}: {one.why}" for one in keeper.state() if one.why]


def with_anchors(code: int, compared: Sequence[Compared]) -> int:
    """The exit code of a verification, once the copies have had their say. What is not known is never 0."""
    if code == TAMPERED or any(one.contradictions for one in compared):
        return TAMPERED
    return UNUSABLE if any(one.failure for one in compared) else code


def keeper_of(loaded: Loaded, platform: Platform) -> Keeper | None:
    """Who copies and compares; `None` where nowhere is named."""
    places = places_of(loaded, platform.clock)
    return Keeper(loaded.data_dir, places, platform.journal.record, platform.clock) if places else None


def _place(name: str, one: AnchorSettings, fetcher: Fetcher, clock: Clock) -> Place:
    if one.folder:
        return FolderPlace(name, Path(one.folder))
    where, reader = f"journal.anchors.{name}", SecretReader(environment())
    if one.bucket:
        by = Credentials(
            reader.read(f"{where}.access_key", one.access_key).reveal(),
            reader.read(f"{where}.secret_key", one.secret_key).reveal(),
            one.region,
        )
        endpoint = one.endpoint or f"https://s3.{one.region}.amazonaws.com"
        _check(f"{where}.endpoint", endpoint, fetcher)
        return BucketPlace(name, Bucket(endpoint, one.bucket, one.prefix), by, fetcher, clock)
    keys = keys_of(f"{where}.secret", reader.read(f"{where}.secret", one.secret))
    _check(f"{where}.url", one.url, fetcher)
    return WebhookPlace(name, one.url, lambda id_, seconds, body: sign(keys, id_, seconds, body), fetcher, clock)


def _check(setting: str, url: str, fetcher: Fetcher) -> None:
    try:
        fetcher.check(url)
    except FetchRefused as error:
        raise Misconfigured(f"{setting}: {error.reason}", hint=error.hint) from error
