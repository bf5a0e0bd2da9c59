"""A commit that is taken back in a clone, on a branch of its own that people merge; `git` says what may run.

The branch begins at the settings' branch and only ever grows: it is moved by comparing what it was, and pushed without
force. What a commit changed is taken off in an index of our own; where later commits changed the same lines nothing is
done and a person has to. Verified: taken back at the tip the tree is the one before the commit, name for name; further
down, whatever the commit changed is as before it, and nothing else differs.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec

from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Misconfigured, Unavailable
from watchkeeper.core.ids import derived_id
from watchkeeper.core.text import visible
from watchkeeper.respond.errands import Errand, NotTaken, Receipt, Rejected, Repeats, Verb
from watchkeeper.respond.integrations.git import BRANCH, COMMIT, REMOTE, Git
from watchkeeper.respond.integrations.interface import Ground
from watchkeeper.respond.integrations.settings import IntegrationSettings

_WHO = {"NAME": "Watchkeeper", "EMAIL": "watchkeeper@localhost.invalid"}
_DIFF = ("--no-ext-diff", "--no-textconv", "--no-renames", "--no-color", "--full-index", "--binary")


class Repository:
    """One clone, and the remote that its branches are pushed to."""

    verbs = frozenset({Verb.REVERT, Verb.REINSTATE})
    repeats = Repeats.FOUND

    def __init__(self, name: str, settings: IntegrationSettings, ground: Ground) -> None:
        where = f"respond.integrations.{name}"
        if not BRANCH.fullmatch(settings.branch):
            raise Misconfigured(f"{where}.branch: {settings.branch!a} is no branch's name", hint='write "main"')
        if settings.remote and not REMOTE.fullmatch(settings.remote):
            raise Misconfigured(f"{where}.remote: {settings.remote!a} is no remote's name", hint='write "origin"')
        folder = Path(settings.repository)
        if not settings.repository or not folder.is_absolute() or not folder.is_dir():
            raise Misconfigured(f"{where}.repository: there is no such folder", hint="name a clone, from the root on")
        self._git = Git(folder, ground.environment, settings.timeout_seconds)
        self._base = f"refs/heads/{settings.branch}"
        self._remote = settings.remote

    def deliver(self, errand: Errand, *, again: bool) -> Receipt:
        commit = errand.subject
        if not COMMIT.fullmatch(commit):
            raise Rejected("a commit is named by its whole name", hint="40 or 64 lower-case hexadecimal digits")
        branch = branch_of(commit)
        tip = self._tip(branch)
        done = self._done(errand, tip)
        if not done:
            done = self._take_back(errand, tip)
            self._move(branch, done, tip)
        if self._remote:
            self._push(branch)
        return Receipt(
            said=f"{branch.removeprefix('refs/heads/')} is at {done}", reference=done, detail={"branch": branch}
        )

    def verify(self, errand: Errand, receipt: Receipt) -> Receipt:
        done, branch = receipt.reference, branch_of(errand.subject)
        if self._tip(branch) != done and not self._is_before(done, self._tip(branch)):
            return _looked(receipt, f"{branch} does not hold {done}")
        parent = self._git.line("rev-parse", "--verify", "--end-of-options", f"{done}^")
        removed = errand.subject if errand.verb is Verb.REVERT else parent
        wrong = self._differs(removed, parent, done)
        if wrong:
            return _looked(receipt, wrong)
        if self._remote and self._remote_tip(branch) != self._tip(branch):
            return _looked(receipt, f"{self._remote} does not hold {branch} as it is here")
        return msgspec.structs.replace(receipt, verified=True)

    def look(self) -> Receipt:
        """Where the branch is, here and at the remote."""
        tip = self._git.line("rev-parse", "--verify", "--end-of-options", f"{self._base}^{{commit}}")
        said = f"{self._base.removeprefix('refs/heads/')} is at {tip}; nothing was reverted"
        if self._remote:
            theirs = self._remote_tip(self._base)
            said += f"; at {self._remote} it is at {theirs}" if theirs else f"; {self._remote} has no such branch"
        return Receipt(said=said, reference=tip, verified=True)

    def _take_back(self, errand: Errand, tip: str) -> str:
        start = tip or self._git.line("rev-parse", "--verify", "--end-of-options", f"{self._base}^{{commit}}")
        removed = errand.subject if errand.verb is Verb.REVERT else start
        self._git.line("rev-parse", "--verify", "--end-of-options", f"{removed}^{{commit}}")
        if not self._is_before(removed, start):
            raise Rejected(f"{removed} is not on {self._base.removeprefix('refs/heads/')}", hint="name one that is")
        if errand.verb is Verb.REINSTATE and (not tip or not self._trailed(tip)):
            raise Rejected("there is no revert of it to take back")
        parents = self._git.line("rev-list", "--parents", "-n", "1", "--end-of-options", removed).split()[1:]
        if len(parents) != 1:
            raise Rejected(
                "a commit without one parent is not taken back", hint="revert a merge or a first commit by hand"
            )
        tree = self._tree(removed, parents[0], start)
        if tree == self._git.line("rev-parse", f"{start}^{{tree}}"):
            raise Rejected("taking it back changes nothing")
        return self._commit(errand, removed, tree, start)

    def _tree(self, removed: str, parent: str, start: str) -> str:
        """The tree of `start` without what `removed` changed."""
        change = self._git.ask("diff-tree", "-p", *_DIFF, removed, parent)
        with tempfile.TemporaryDirectory() as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            self._git.ask("read-tree", start, extra=index)
            code, _, said = self._git.attempt(["apply", "--cached", "--whitespace=nowarn", "-"], change, index)
            if code != 0:
                raise Rejected(f"later commits changed the same lines: {said}", hint="revert it by hand")
            return self._git.line("write-tree", extra=index)

    def _commit(self, errand: Errand, removed: str, tree: str, start: str) -> str:
        what = "Revert" if errand.verb is Verb.REVERT else "Reinstate what was reverted by"
        why = visible(errand.text, limit=2_000, keep="\n")
        message = f"{what} {removed}\n\n{why}\n\nIncident: {visible(errand.number, limit=64)}\n{_trailer(errand)}\n"
        when = f"{errand.time // SECOND} +0000"
        who = {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in _WHO.items()}
        who |= {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        return self._git.line("commit-tree", tree, "-p", start, "-F", "-", given=message.encode(), extra=who)

    def _move(self, branch: str, to: str, was: str) -> None:
        """Whoever moved it meanwhile wins, and we look again later."""
        code, _, said = self._git.attempt(["update-ref", branch, to, was or "0" * len(to)])
        if code != 0:
            raise NotTaken(f"{branch} was moved meanwhile: {said}")

    def _push(self, branch: str) -> None:
        code, _, said = self._git.attempt(["push", "--quiet", "--no-verify", self._remote, f"{branch}:{branch}"])
        if code != 0:
            raise NotTaken(f"{self._remote} did not take {branch}: {said}", was_answered=False)

    def _differs(self, removed: str, before: str, after: str) -> str:
        """Why `after` is not `before` without what `removed` changed; empty when it is."""
        origin = self._git.line("rev-parse", f"{removed}^")
        tree, old = (self._git.line("rev-parse", f"{one}^{{tree}}") for one in (after, origin))
        if removed == before:
            return "" if tree == old else f"its tree is {tree}, and that before the commit was {old}"
        changed = self._paths(removed, origin)
        if not self._paths(before, after) <= changed:
            return "it changes more than the commit did"
        untouched = changed - self._paths(removed, before)  # by later commits
        wrong = sorted(untouched & self._paths(origin, after))
        return f"{visible(wrong[0], limit=100)} is not as before the commit" if wrong else ""

    def _paths(self, one: str, other: str) -> set[str]:
        names = self._git.ask("diff-tree", "-r", "--no-renames", "--name-only", "-z", one, other)
        return {name.decode("utf-8", errors="surrogateescape") for name in names.split(b"\0") if name}

    def _done(self, errand: Errand, tip: str) -> str:
        """The commit that an earlier attempt made under the same key; empty when there is none."""
        if not tip:
            return ""
        wanted = f"--grep=^{_trailer(errand)}$"  # made after the commit that it takes back
        return self._git.line("rev-list", "--max-count=1", wanted, tip, f"^{errand.subject}")

    def _trailed(self, commit: str) -> bool:
        return b"\nWatchkeeper-Key: " in self._git.ask("cat-file", "commit", commit)

    def _tip(self, branch: str) -> str:
        code, out, _ = self._git.attempt(
            ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{branch}^{{commit}}"]
        )
        return out.decode().strip() if code == 0 else ""

    def _remote_tip(self, branch: str) -> str:
        code, out, said = self._git.attempt(["ls-remote", "--quiet", self._remote, branch])
        if code != 0:
            raise Unavailable(f"{self._remote} does not say where {branch} is: {said}")
        return out.decode().split("\t")[0].strip()

    def _is_before(self, commit: str, tip: str) -> bool:
        return bool(tip) and self._git.attempt(["merge-base", "--is-ancestor", commit, tip])[0] == 0


def branch_of(commit: str) -> str:
    """Where it is taken back."""
    return f"refs/heads/watchkeeper/revert-{commit[:12]}"


def _trailer(errand: Errand) -> str:
    return f"Watchkeeper-Key: {derived_id('errand', errand.integration, errand.key)}"


def _looked(receipt: Receipt, why: str) -> Receipt:
    return msgspec.structs.replace(receipt, said=f"{receipt.said}; {why}", verified=False)
