"""The scripted incidents, one for each playbook that is shipped."""

from __future__ import annotations

from watchkeeper.core.errors import NotFound
from watchkeeper.exercise.incidents import scenes
from watchkeeper.exercise.incidents.forging import strange_policies
from watchkeeper.exercise.incidents.model import Scripted
from watchkeeper.exercise.stage import CLIENT, TRAINING

INCIDENTS = (
    Scripted(
        name="rug_pull",
        title="A tool changes after it was approved",
        provoke=scenes.changed_tool,
        verified=("hold", "block"),
        refused=scenes.weather_refused,
        state="contained",
    ),
    Scripted(
        name="vulnerable_server",
        title="A flaw of a server is used",
        provoke=scenes.used_flaw,
        verified=("server", "egress"),
        approvals=("kill",),
        refused=scenes.weather_refused,
        state="contained",
    ),
    Scripted(
        name="injection",
        title="An agent obeys a stranger's text",
        provoke=scenes.obeyed_orders,
        verified=("hold",),
        approvals=("revoke", "kill"),
        refused=scenes.message_refused,
        state="contained",
    ),
    Scripted(
        name="stolen_secrets",
        title="A process's memory is read, and its credentials are seen elsewhere",
        provoke=scenes.left_secret,
        inputs={"server": TRAINING, "host": scenes.DROP},
        verified=("egress",),
        manual=("rotate_by_hand",),
        refused=scenes.host_refused,
        state="contained",
    ),
    Scripted(
        name="cross_tenant",
        title="A customer says that they saw what is another's",
        provoke=scenes.strange_path,
        inputs={"server": TRAINING, "client": f"agent:{CLIENT}"},
        verified=("block", "drain"),
        unavailable=("keep",),
        approvals=("revoke",),
        manual=("notification",),
        refused=scenes.weather_refused,
        state="partly_contained",
    ),
    Scripted(
        name="destructive_action",
        title="An agent destroys what it reaches",
        provoke=scenes.destroyed,
        verified=("hold", "read_only"),
        unavailable=("keep",),
        approvals=("kill", "revoke"),
        refused=scenes.message_refused,
        lifted=("quarantine_session", "set_read_only"),
        state="partly_contained",
    ),
    Scripted(
        name="gateway_down",
        title="The gateway does not answer",
        provoke=scenes.strange_path,
        inputs={"server": TRAINING},
        during=lambda ground: ground.frozen_gateway(),
        verified=("drain",),
        manual=("decide",),
        state="partly_contained",
    ),
    Scripted(
        name="platform_compromised",
        title="Somebody installs policies that nobody trusted has signed",
        provoke=strange_policies,
        unavailable=("keep",),
        manual=("verify",),
        state="unverified",
    ),
)


def named(name: str) -> Scripted:
    """The incident of a playbook. Raises `NotFound`."""
    for one in INCIDENTS:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in INCIDENTS)
    raise NotFound(f"no incident is called {name[:80]!a}", hint=f"one of {known}")
