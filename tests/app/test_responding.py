"""The acts about playbooks, on an open platform."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchkeeper.app.platform import opened
from watchkeeper.app.responding import Responding
from watchkeeper.core.content import content_folder
from watchkeeper.respond.settings import RespondSettings


@pytest.mark.behaviour("playbooks.read-when-changed")
def test_an_act_sees_a_changed_playbook_and_reads_only_that_anew(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    text = (content_folder("playbooks") / "injection.yaml").read_text().replace("id: injection", "id: mine")
    (own / "mine.yaml").write_text(text)
    with opened(tmp_path / "data", "watch") as platform:
        acts = Responding(platform)
        acts.settings = RespondSettings(playbooks=str(own))
        before = {one.playbook.id: one for one in acts.shelf().playbooks}
        (own / "mine.yaml").write_text(text + "# seen by a second person\n")
        after = {one.playbook.id: one for one in acts.shelf().playbooks}
        assert acts.show({"playbook": "mine"})["text"].endswith("second person\n")
    assert [name for name in before if before[name] is not after[name]] == ["mine"]
