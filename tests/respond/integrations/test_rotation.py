"""A secret in a file gets a successor: proven where it is used before the old one goes, whatever dies in between."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.respond.conftest import Estate
from tests.respond.integrations.conftest import ground
from tests.respond.integrations.servers import Reply, Request, elsewhere
from watchkeeper.core.errors import Conflict, Misconfigured, NotFound, Unavailable
from watchkeeper.respond.integrations import IntegrationSettings
from watchkeeper.respond.integrations.rotation import KeptSecrets, fingerprint
from watchkeeper.respond.integrations.secret_file import SecretFile
from watchkeeper.respond.ports import Asking


class Service:
    """What reads the file and takes what stands in it as a bearer token; it may not look, or keep the old one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.also: set[str] = set()
        self.is_blind = False
        self.status = 0
        self.known = path.read_text().strip()

    def __call__(self, request: Request) -> Reply:
        if self.status:
            return self.status, b""
        if not self.is_blind:
            self.known = self.path.read_text().strip()
        given = request.headers["authorization"].removeprefix("Bearer ")
        return (200, b"ok") if given in {self.known, *self.also} else (401, b"no")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "kept" / "secret"
    path.parent.mkdir()
    path.write_text("old-one\n")
    path.chmod(0o600)
    return path


def keeper(path: Path, url: str = "", host: str = "") -> SecretFile:
    settings = IntegrationSettings(type="secret_file", path=str(path) if path != Path() else "", url=url)
    return SecretFile("db", settings, ground(*([f"http://{host}"] if host else [])))


def asking(key: str = "k") -> Asking:
    return Asking(key=key, by="system:respond", reason="leaked")


def beside(path: Path) -> set[str]:
    return {one.name for one in path.parent.iterdir()}


@pytest.mark.behaviour("integrations.rotation")
def test_the_new_one_is_taken_before_the_old_one_is_gone(path: Path, estate: Estate) -> None:
    service = Service(path)
    with elsewhere(service) as there:
        kept = KeptSecrets({"db": keeper(path, there.url, there.host)}, estate.database)
        done = kept.rotate("db", asking())
        assert (done.old, done.new) == (fingerprint("old-one"), fingerprint(path.read_text()))
        assert (kept.works("db", done.new), kept.works("db", done.old)) == (True, False)
        assert kept.rotate("db", asking()) == done
        again = kept.rotate("db", asking("another"))
    assert again.old == done.new
    assert beside(path) == {"secret", "secret.rotation"}
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() not in (path.parent / "secret.rotation").read_text()


@pytest.mark.behaviour("integrations.rotation")
def test_a_new_one_that_is_not_taken_gives_way_to_the_old_one(path: Path, estate: Estate) -> None:
    service = Service(path)
    service.is_blind = True
    with elsewhere(service) as there, pytest.raises(Unavailable) as caught:
        KeptSecrets({"db": keeper(path, there.url, there.host)}, estate.database).rotate("db", asking())
    assert "back in place" in caught.value.reason
    assert path.read_text().strip() == "old-one"
    assert beside(path) == {"secret"}


@pytest.mark.behaviour("integrations.lies")
def test_an_old_one_that_is_still_taken_is_no_rotation_yet(path: Path, estate: Estate) -> None:
    service = Service(path)
    service.also = {"old-one"}
    with elsewhere(service) as there:
        kept = KeptSecrets({"db": keeper(path, there.url, there.host)}, estate.database)
        with pytest.raises(Unavailable):
            kept.rotate("db", asking())
        first = path.read_text()
        service.also = set()
        assert kept.rotate("db", asking()).new == fingerprint(first)


@pytest.mark.behaviour("integrations.rotation")
@pytest.mark.parametrize("after", ["stage", "half a stage", "works", "503"])
def test_killed_anywhere_the_same_key_goes_on_and_makes_no_second_one(path: Path, estate: Estate, after: str) -> None:
    service = Service(path)
    with elsewhere(service) as there:
        one = keeper(path, there.url, there.host)
        first = one.stage("k").new
        if after == "half a stage":  # before the new one was in place
            path.rename(path.with_name("secret.new"))
            path.write_text("old-one")
        if after == "works":
            assert one.works(first)
        if after == "503":
            service.status = 503
            with pytest.raises(Unavailable):
                KeptSecrets({"db": one}, estate.database).rotate("db", asking())
            service.status = 0
        with pytest.raises(Conflict):
            one.stage("another")
        done = KeptSecrets({"db": keeper(path, there.url, there.host)}, estate.database).rotate("db", asking())
    assert (done.new, fingerprint(path.read_text())) == (first, first)
    assert beside(path) == {"secret", "secret.rotation"}


def test_a_secret_that_nobody_keeps_is_not_found_and_who_lost_the_right_rotates_none(
    path: Path, estate: Estate
) -> None:
    with pytest.raises(NotFound):
        KeptSecrets({}, estate.database).rotate("db", asking())

    def fence(_: object) -> None:
        raise Conflict("another process has taken over")

    with pytest.raises(Conflict):
        KeptSecrets({"db": keeper(path)}, estate.database).fenced(fence).rotate("db", asking())
    assert path.read_text() == "old-one\n"


@pytest.mark.parametrize("wrong", ["", "relative", "/nowhere/at/all"])
def test_a_file_that_cannot_be_is_refused(path: Path, wrong: str) -> None:
    with pytest.raises(Misconfigured):
        keeper(Path(wrong))
    link = path.with_name("link")
    link.symlink_to(path)
    with pytest.raises(Misconfigured):
        keeper(link)
