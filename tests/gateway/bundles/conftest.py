"""A book on a data folder, and bundles that one person signs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from watchkeeper.app.platform import Platform, opened
from watchkeeper.core.keys import SigningKey, public_text
from watchkeeper.events import Event, JournalReader
from watchkeeper.gateway.bundles import BundleBook
from watchkeeper.policy.bundles import Parts, Signed, TrustSettings, build, prove, sign

Make = Callable[..., Signed]


@pytest.fixture(scope="session")
def ann() -> SigningKey:
    return SigningKey.generate()


@pytest.fixture
def make(ann: SigningKey) -> Make:
    trust = TrustSettings({"ann": public_text(ann.public)})

    def make(version: int, text: str = "// nothing\n") -> Signed:
        envelope = build(
            Parts({"mine/mine.cedar": text}, {}), version=version, created="t", description=f"v{version}", windows={}
        )
        return prove(sign(envelope, ann).raw(), trust)

    return make


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with opened(tmp_path / "data", "watch") as platform:
        yield platform


@pytest.fixture
def book(platform: Platform) -> BundleBook:
    return BundleBook(platform.database, platform.journal, platform.clock)


def events(data_dir: Path, prefix: str = "policy.bundle") -> list[Event]:
    records = JournalReader(data_dir).read({}, limit=10_000)
    return [record.event for record in records if record.event and record.event.kind.startswith(prefix)]
