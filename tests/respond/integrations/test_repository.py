"""Commits taken back in real clones: only on a branch of their own, proven by trees, and nothing else is run."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.respond.integrations.conftest import errand, made
from watchkeeper.core.errors import Invalid, Misconfigured
from watchkeeper.respond.errands import Errand, NotTaken, Receipt, Rejected, Verb
from watchkeeper.respond.integrations import Integration
from watchkeeper.respond.integrations.repository import branch_of

WHO = (
    "-c",
    "user.name=t",
    "-c",
    "user.email=t@example.org",
    "-c",
    "init.defaultBranch=main",
    "-c",
    "commit.gpgSign=false",
)


class Clone:
    """A repository with work in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "-q")

    def git(self, *arguments: str) -> str:
        command = ["git", *WHO, "-C", str(self.folder), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, message: str, **files: str) -> str:
        for name, text in files.items():
            (self.folder / f"{name}.txt").write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")

    def tree(self, commit: str) -> str:
        return self.git("rev-parse", f"{commit}^{{tree}}")


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    clone = Clone(tmp_path / "clone")
    clone.commit("one", config="a\n", tools="x\n")
    return clone


def repository(clone: Clone, **settings: Any) -> Integration:
    return made("git", repository=str(clone.folder), **settings)


def revert(commit: str, key: str = "k", verb: Verb = Verb.REVERT, **members: Any) -> Errand:
    return errand(verb, key, subject=commit, **members)


def done(one: Integration, asked: Errand) -> Receipt:
    return one.verify(asked, one.deliver(asked, again=False))


@pytest.mark.behaviour("integrations.revert")
def test_a_commit_at_the_tip_is_taken_back_and_the_tree_is_the_one_before(clone: Clone) -> None:
    before = clone.git("rev-parse", "HEAD")
    bad = clone.commit("two\nwith a second file", config="evil\n", new="y\n")
    (clone.folder / "config.txt").write_text("somebody works here\n")
    receipt = done(repository(clone), revert(bad, text="why\x1b[2J", number="INC-2026-0001"))
    assert receipt.verified is True
    assert clone.tree(receipt.reference) == clone.tree(before)
    assert clone.git("rev-parse", "main", branch_of(bad), f"{receipt.reference}^").split() == [
        bad,
        receipt.reference,
        bad,
    ]
    assert (clone.folder / "config.txt").read_text() == "somebody works here\n"
    assert clone.git("rev-parse", "--abbrev-ref", "HEAD") == "main"
    message = clone.git("log", "-1", "--format=%an%n%B", receipt.reference)
    assert message.startswith(f"Watchkeeper\nRevert {bad}")
    assert "\x1b" not in message


@pytest.mark.behaviour("integrations.revert")
def test_the_same_key_again_is_the_same_revert_also_after_a_crash_before_it_was_pushed(
    clone: Clone, tmp_path: Path
) -> None:
    bad = clone.commit("two", config="evil\n")
    clone.git("init", "-q", "--bare", str(tmp_path / "remote"))
    clone.git("remote", "add", "origin", str(tmp_path / "remote"))
    clone.git("push", "-q", "origin", "main")
    first = repository(clone).deliver(revert(bad), again=False)  # not pushed: killed there
    one = repository(clone, remote="origin")
    assert one.verify(revert(bad), first).verified is False
    again = done(one, revert(bad))
    assert (again.reference, again.verified) == (first.reference, True)
    assert done(one, revert(bad)).reference == first.reference
    refs = clone.git("ls-remote", "origin").split()
    assert refs[refs.index(branch_of(bad)) - 1] == first.reference
    assert refs[refs.index("refs/heads/main") - 1] == bad


@pytest.mark.behaviour("integrations.revert")
def test_a_commit_below_others_is_taken_back_alone(clone: Clone) -> None:
    bad = clone.commit("two", config="evil\n", new="y\n")
    good = clone.commit("three", tools="better\n")
    receipt = done(repository(clone), revert(bad))
    assert receipt.verified is True
    names = clone.git("diff", "--name-status", good, receipt.reference).split()
    assert names == ["M", "config.txt", "D", "new.txt"]
    assert clone.git("show", f"{receipt.reference}:config.txt") == "a"


@pytest.mark.behaviour("integrations.revert")
def test_what_later_commits_changed_is_left_to_a_person(clone: Clone) -> None:
    bad = clone.commit("two", config="evil\n")
    clone.commit("three", config="other\n")
    with pytest.raises(Rejected):
        repository(clone).deliver(revert(bad), again=False)
    assert branch_of(bad) not in clone.git("for-each-ref", "--format=%(refname)").split()


@pytest.mark.behaviour("integrations.revert")
def test_a_revert_is_taken_back_by_another_commit(clone: Clone) -> None:
    bad = clone.commit("two", config="evil\n")
    one = repository(clone)
    reverted = done(one, revert(bad))
    back = done(one, revert(bad, "k:undo", Verb.REINSTATE))
    assert back.verified is True
    assert clone.tree(back.reference) == clone.tree(bad)
    assert clone.git("rev-parse", f"{back.reference}^") == reverted.reference
    assert done(one, revert(bad, "k:undo", Verb.REINSTATE)).reference == back.reference


@pytest.mark.behaviour("integrations.revert-hostile")
@pytest.mark.parametrize(
    "name",
    ["HEAD", "main", "--output=x", "-x", "abc1234", "0" * 39, "A" * 40, "refs/heads/main", "0" * 40 + "\n", "", "`id`",
     "0" * 39 + ";", "main..HEAD", "0" * 40],
)  # fmt: skip
def test_what_is_no_whole_name_of_a_commit_here_is_refused(clone: Clone, name: str) -> None:
    refs = clone.git("for-each-ref")
    with pytest.raises(Invalid):
        repository(clone).deliver(revert(name), again=False)
    assert clone.git("for-each-ref") == refs
    assert not (clone.folder / "x").exists()


@pytest.mark.behaviour("integrations.revert-hostile")
def test_no_hook_filter_or_program_of_the_repository_runs(clone: Clone, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    (clone.folder / ".gitattributes").write_text("* filter=evil diff=evil merge=evil\n")
    bad = clone.commit("two", config="evil\n")
    for hook in (
        "pre-push",
        "pre-commit",
        "post-checkout",
        "reference-transaction",
        "prepare-commit-msg",
        "post-index-change",
    ):
        path = clone.folder / ".git" / "hooks" / hook
        path.write_text(f"#!/bin/sh\ntouch {ran}\n")
        path.chmod(0o755)
    for name, program in (
        ("filter.evil.smudge", "touch"), ("filter.evil.clean", "touch"), ("diff.evil.textconv", "touch"),
        ("diff.evil.command", "touch"), ("core.fsmonitor", "touch"), ("diff.external", "touch"),
        ("gpg.program", "touch"),
    ):  # fmt: skip
        clone.git("config", name, f"{program} {ran}")
    clone.git("config", "commit.gpgSign", "true")
    clone.git("init", "-q", "--bare", str(tmp_path / "remote"))
    clone.git("remote", "add", "origin", str(tmp_path / "remote"))
    ran.unlink(missing_ok=True)
    assert done(repository(clone, remote="origin"), revert(bad)).verified is True
    assert not ran.exists()


@pytest.mark.behaviour("integrations.revert-hostile")
def test_a_remote_of_a_transport_that_runs_programs_is_not_asked(clone: Clone, tmp_path: Path) -> None:
    bad, ran = clone.commit("two", config="evil\n"), tmp_path / "ran"
    clone.git("remote", "add", "origin", f"ext::sh -c touch% {ran}")
    with pytest.raises(NotTaken):
        repository(clone, remote="origin").deliver(revert(bad), again=False)
    assert not ran.exists()


@pytest.mark.behaviour("integrations.revert-hostile")
def test_a_branch_that_somebody_else_moved_on_the_remote_is_never_forced(clone: Clone, tmp_path: Path) -> None:
    bad = clone.commit("two", config="evil\n")
    clone.git("init", "-q", "--bare", str(tmp_path / "remote"))
    clone.git("remote", "add", "origin", str(tmp_path / "remote"))
    theirs = clone.git("commit-tree", "-m", "theirs", clone.tree("HEAD"))
    clone.git("push", "-q", "origin", f"{theirs}:{branch_of(bad)}")
    with pytest.raises(NotTaken):
        repository(clone, remote="origin").deliver(revert(bad), again=False)
    assert clone.git("ls-remote", "origin").split()[0] == theirs


def test_merges_and_first_commits_are_left_to_a_person(clone: Clone) -> None:
    first = clone.git("rev-parse", "HEAD")
    clone.git("checkout", "-q", "-b", "side")
    clone.commit("side", side="s\n")
    clone.git("checkout", "-q", "main")
    clone.commit("two", config="b\n")
    clone.git("merge", "-q", "--no-ff", "-m", "merged", "side")
    for commit in (first, clone.git("rev-parse", "HEAD")):
        with pytest.raises(Rejected):
            repository(clone).deliver(revert(commit), again=False)


@pytest.mark.behaviour("integrations.lies")
def test_a_revert_that_was_tampered_with_is_not_verified(clone: Clone) -> None:
    bad = clone.commit("two", config="evil\n")
    good = clone.commit("three", tools="better\n")
    one, asked = repository(clone), revert(bad)
    receipt = one.deliver(asked, again=False)
    for parent in (good, bad):
        fake = clone.git("commit-tree", "-m", "fake", "-p", parent, clone.tree(bad))
        clone.git("update-ref", branch_of(bad), fake)
        lie = Receipt(said="done", reference=fake)
        assert one.verify(asked, lie).verified is False
    clone.git("update-ref", "-d", branch_of(bad))
    assert one.verify(asked, receipt).verified is False


@pytest.mark.parametrize(
    "wrong",
    [{"branch": "-x"}, {"branch": "a..b"}, {"branch": "a@{1}"}, {"branch": "a b"}, {"branch": "x.lock"},
     {"branch": "a//b"}, {"branch": "a/"}, {"remote": "--upload-pack=x"}, {"remote": "ext::sh"},
     {"repository": "relative"}, {"repository": "/nowhere/at/all"}],
)  # fmt: skip
def test_a_clone_that_cannot_be_is_refused_when_it_is_made(clone: Clone, wrong: dict[str, str]) -> None:
    with pytest.raises(Misconfigured):
        made("git", **({"repository": str(clone.folder)} | wrong))
