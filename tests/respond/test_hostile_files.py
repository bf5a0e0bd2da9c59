"""Files of playbooks that somebody hostile wrote, or put in their place: refused in our words, at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.respond.test_shelf import ACTIONS, GOOD
from watchkeeper.core.errors import Invalid, Misconfigured
from watchkeeper.respond.expressions import Expression
from watchkeeper.respond.planning import MAX_ALERTS
from watchkeeper.respond.shelf import files_of, load_folder, read, shelve

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
FILES = {
    "aliases that explode": (BOMB.encode(), "an alias"),
    "an alias of itself": (b"a: &a [*a]\n", "an alias"),
    "a merge of an alias": (b"a: &a {b: 1}\nc:\n  <<: *a\n", "an alias"),
    "ten megabytes": (GOOD.encode() + b"# " + b"x" * 10_000_000, "bytes"),
    "a sequence of sequences": (b"[" * 50_000, "nested deeper"),
    "a mapping of mappings": (b"".join(b" " * n + b"a:\n" for n in range(40)), "nested deeper"),
    "a tag of Python": (b"!!python/object/apply:os.system ['true']\n", "could not determine a constructor"),
    "a tag of its own": (GOOD.replace("id: sample", "id: !x sample").encode(), "could not determine a constructor"),
    "two documents": (f"{GOOD}---\n{GOOD}".encode(), "found another document"),
    "UTF-16": (GOOD.encode("utf-16"), "not UTF-8"),
    "a byte of Latin-1": (GOOD.replace("Sample", "S\xe4mple").encode("latin-1"), "not UTF-8"),
    "NUL": (GOOD.replace("Sample", "Sam\0ple").encode(), "U+0000"),
    "NUL by an escape": (GOOD.replace("title: Sample", 'title: "Sam\\0ple"').encode(), "U+0000"),
    "an escape for terminals": (GOOD.replace("title: Sample", 'title: "\\e[2J"').encode(), "U+001B"),
    "text that is turned round": (GOOD.replace("Sample", "Sam\u202eelp").encode(), "U+202E"),
    "the same by an escape": (GOOD.replace("title: Sample", 'title: "\\u202Eelp"').encode(), "U+202E"),
    "a comment that is turned round": (f"# \u2066 hidden\n{GOOD}".encode(), "U+2066"),
    "a key said twice deep inside": (GOOD.replace("tool: t", "tool: t, tool: u").encode(), "said twice"),
    "nothing": (b"", "Expected `object`"),
}


@pytest.mark.behaviour("respond.hostile-files")
@pytest.mark.parametrize("flaw", FILES)
def test_a_hostile_file_is_refused_with_its_reason(flaw: str) -> None:
    data, said = FILES[flaw]
    with pytest.raises(Misconfigured) as refused:
        shelve(data, ACTIONS, name="f.yaml")
    assert said in refused.value.reason
    assert refused.value.reason.startswith("f.yaml: ")
    assert refused.value.reason.isprintable()


@pytest.mark.behaviour("respond.hostile-files")
@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a link that leads out", "a link to nowhere", "a name", "many"])
def test_a_folder_with_what_is_no_playbook_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    folder, outside = tmp_path / "playbooks", tmp_path / "outside.yaml"
    folder.mkdir()
    outside.write_text(f"password: hunter2\n{GOOD}")
    path = folder / ("ba\u202ed.yaml" if kind == "a name" else "bad.yaml")
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    elif kind == "a link that leads out":
        path.symlink_to("../outside.yaml")
    elif kind == "a link to nowhere":
        path.symlink_to("nothing.yaml")
    elif kind == "a name":
        path.write_text(GOOD)
    else:
        for number in range(501):
            (folder / f"bad{number}.yaml").touch()
    with pytest.raises(Misconfigured) as refused:
        load_folder(folder, ACTIONS)
    assert "hunter2" not in refused.value.reason
    assert "ba⟨U+202E⟩d.yaml" in refused.value.reason if kind == "a name" else str(folder) in refused.value.reason


@pytest.mark.behaviour("respond.hostile-files")
def test_a_folder_whose_files_are_links_within_it_is_read_and_a_file_that_is_exchanged_is_one_or_the_other(
    tmp_path: Path,
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").write_text(GOOD)
    (tmp_path / "a.yaml").symlink_to("data/a")  # as Kubernetes lays a ConfigMap down
    (shelved,) = load_folder(tmp_path, ACTIONS)
    assert shelved.text == GOOD
    seen = read(*files_of(tmp_path))
    other = tmp_path / "other"
    other.write_text(GOOD.replace("Sample", "Other"))
    other.replace(tmp_path / "a.yaml")
    assert shelve(seen, ACTIONS, name="a.yaml").hash == shelved.hash, "what is run is what was read and hashed"
    assert load_folder(tmp_path, ACTIONS)[0].hash != shelved.hash


MANY = "incident.alerts"
COSTLY = {
    "three deep": f"{MANY}.all(a, {MANY}.all(b, b.tags.all(c, c != 'x')))",
    "a list of lists": f"{MANY}.map(a, {MANY}.map(b, b)).size() > 0",
    "a list of everything": f"{MANY}.map(a, {MANY}).size() > 0",
    "a list that is made for each": f"{MANY}.map(a, [a, a, a, a]).size() > 0",
    "a selection for each": f"{MANY}.exists(a, {MANY}.filter(b, true).size() > 900)",
    "everything for each pair": f"{MANY}.all(a, {MANY}.all(b, {MANY} != []))",
    "hidden behind a text": f"{MANY}.all(a, ')))' != '' && {MANY}.all(b, b.tags.all(c, c != 'x')))",
    "hidden behind a raw text": rf"""{MANY}.all(a, r'\' != '' && {MANY}.all(b, b.tags.all(c, r'))' != c)))""",
    "hidden behind a comment": f"{MANY}.all(a, // )))\n {MANY} . all (b, b.tags.all(c, c != 'x')))",
    "again and again": " && ".join([f"{MANY}.all(a, a.rule != 'x')"] * 11),
    "a text without an end": f"{MANY}.all(a, a.rule != 'x",
}


@pytest.mark.behaviour("respond.costly-expressions")
@pytest.mark.parametrize("how", COSTLY)
def test_an_expression_that_takes_minutes_is_refused_before_it_runs(how: str) -> None:
    with pytest.raises(Invalid, match="cost too much"):
        Expression(COSTLY[how])


@pytest.mark.behaviour("respond.costly-expressions")
@pytest.mark.parametrize(
    "text",
    [
        f"{MANY}.filter(a, {MANY}.exists(b, b.rule == a.rule && b.tags.size() < 9)).size() == {MAX_ALERTS}",
        f"{MANY}.map(a, a.rule).size() == {MAX_ALERTS}",
        f"{MANY}.filter(a, a.rule != '.exists(.exists(.exists(').size() == {MAX_ALERTS}",
        " && ".join([f"{MANY}.all(a, {MANY}.exists(b, b.rule == 'r1'))"] * 5),
    ],
)
def test_what_passes_is_done_on_as_many_alerts_as_there_can_be(text: str) -> None:
    alerts = [{"rule": f"r{n}", "server": "files", "target": "x", "tags": ["a", "b"]} for n in range(MAX_ALERTS)]
    assert Expression(text).holds({"incident": {"alerts": alerts}})
