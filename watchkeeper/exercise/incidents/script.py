"""The scripted incidents: together they drive every step of the playbooks that are shipped.

One is named for its playbook; others of the same playbook go where that one does not.
"""

from __future__ import annotations

from watchkeeper.core.errors import NotFound
from watchkeeper.exercise.incidents import scenes
from watchkeeper.exercise.incidents.forging import strange_policies
from watchkeeper.exercise.incidents.model import Call, Scripted
from watchkeeper.exercise.incidents.ports import ADMINS
from watchkeeper.exercise.stage import CLIENT, MEMBERS, THIEF, TRAINING

_AGENT = f"agent:{CLIENT}"
_WEATHER: Call = ("weather", {"city": "Porto"})
_MESSAGE: Call = ("send_message", {"to": "b@example.net", "text": "once more"})
_NOTE: Call = ("notes_read", {"name": "shopping"})
_UPLOAD: Call = ("weather", {"city": f"https://{scenes.DROP}/upload"})
_FLAWED = "1.0.0"
"""The version that the training server says it has."""

INCIDENTS = (
    Scripted(
        name="rug_pull_version",
        playbook="rug_pull",
        title="A maker says which version of a server brought a change",
        provoke=scenes.strange_path,
        inputs={"server": TRAINING, "tool": "weather", "version": _FLAWED},
        verified=("hold", "version"),
        tried=(_NOTE,),
        state="contained",
    ),
    Scripted(
        name="vulnerable_server",
        title="A flaw of a server is used",
        provoke=scenes.used_flaw,
        verified=("server", "egress"),
        approvals=("kill",),
        tried=(_WEATHER,),
        state="contained",
    ),
    Scripted(
        name="vulnerable_version",
        playbook="vulnerable_server",
        title="An advisory names versions of a server, and a secret that it holds",
        provoke=scenes.strange_path,
        inputs={"server": TRAINING, "version": _FLAWED, "host": scenes.DROP, "secret": "training-key"},
        verified=("version", "egress"),
        approvals=("rotate",),
        tried=(_NOTE,),
        too_late=("rotate",),
        waits="contained",
        state="partly_contained",
    ),
    Scripted(
        name="injection",
        title="An agent obeys a stranger's text",
        provoke=scenes.obeyed_orders,
        alert="orders_obeyed",
        verified=("hold",),
        approvals=("revoke", "kill"),
        tried=(_NOTE,),
        state="contained",
    ),
    Scripted(
        name="injection_source",
        playbook="injection",
        title="A text with orders reaches an agent",
        provoke=scenes.text_let_through,
        verified=("taint",),
        tried=(_WEATHER, _MESSAGE),
        by=THIEF,
        is_alone=True,
        state="contained",
    ),
    Scripted(
        name="injection_unknown",
        playbook="injection",
        title="Somebody acts on a stranger's text, and nobody knows who",
        provoke=scenes.strange_path,
        inputs={"server": TRAINING, "unknown": "true"},
        verified=("read_only",),
        tried=(_MESSAGE,),
        by=THIEF,
        state="contained",
    ),
    Scripted(
        name="stolen_secrets",
        title="A process's memory is read, and its credentials are seen elsewhere",
        provoke=scenes.left_secret,
        inputs={"server": TRAINING, "host": scenes.DROP},
        verified=("egress",),
        manual=("rotate_by_hand",),
        tried=(_UPLOAD,),
        is_undone=True,
        state="contained",
    ),
    Scripted(
        name="stolen_secrets_carried",
        playbook="stolen_secrets",
        title="A client carries a secret out",
        provoke=scenes.secret_let_through,
        alert="wallet_key_leaving",
        verified=("hold", "egress"),
        approvals=("revoke",),
        manual=("rotate_by_hand",),
        tried=(_NOTE,),
        is_alone=True,
        state="contained",
    ),
    Scripted(
        name="stolen_secrets_published",
        playbook="stolen_secrets",
        title="A version of a server steals credentials that can write to its source",
        provoke=scenes.strange_path,
        inputs={"server": TRAINING, "version": _FLAWED, "source": "pypi", "host": scenes.DROP, "secret": "pypi-token"},
        verified=("version", "egress"),
        unavailable=("freeze",),
        approvals=("rotate",),
        too_late=("rotate",),
        tried=(_NOTE,),
        state="partly_contained",
    ),
    Scripted(
        name="cross_tenant",
        title="A customer says that they saw what is another's",
        provoke=scenes.strange_path,
        inputs={"server": TRAINING, "client": _AGENT},
        verified=("block", "drain"),
        unavailable=("keep",),
        approvals=("revoke",),
        manual=("notification",),
        tried=(_WEATHER,),
        state="partly_contained",
    ),
    Scripted(
        name="destructive_action",
        title="An agent destroys what it reaches",
        provoke=scenes.destroyed,
        verified=("hold", "read_only"),
        unavailable=("keep",),
        approvals=("kill", "revoke"),
        tried=(_NOTE,),
        is_undone=True,
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
        tried=(_MESSAGE,),
        by=THIEF,
        state="partly_contained",
    ),
    Scripted(
        name="rug_pull_granted",
        playbook="rug_pull",
        title="A changed tool is called in the name of a person, whose token it has from then on",
        server=MEMBERS,
        provoke=scenes.changed_tool_got_token,
        alert="tool_changed",
        verified=("hold", "block", "session"),
        unavailable=("rollback",),
        approvals=("revoke",),
        tried=(_NOTE,),
        is_alone=True,
        state="partly_contained",
    ),
    Scripted(
        name="rug_pull_called",
        playbook="rug_pull",
        title="A changed tool is called before anybody sees that it changed, and its caller tries to send a secret",
        provoke=scenes.changed_tool_called,
        alert="tool_changed",
        verified=("hold", "block", "session", "quarantine"),
        unavailable=("rollback",),
        tried=(_NOTE,),
        state="partly_contained",
    ),
    Scripted(
        name="destructive_action_changed",
        playbook="destructive_action",
        title="An agent destroys things after a tool has changed",
        provoke=scenes.destroyed_after_change,
        alert="destructive_command",
        verified=("hold", "read_only"),
        unavailable=("keep", "rollback"),
        approvals=("kill", "revoke"),
        manual=("restore",),
        tried=(_NOTE,),
        state="partly_contained",
    ),
    Scripted(
        name="rug_pull",
        title="A tool changes after it was approved",
        provoke=scenes.changed_tool,
        verified=("hold", "block"),
        tried=(_WEATHER,),
        echo="changed_tool_called",
        state="contained",
    ),
    Scripted(
        name="platform_compromised",
        title="Somebody installs policies that nobody trusted has signed",
        provoke=strange_policies,
        unavailable=("keep",),
        manual=("verify",),
        state="unverified",
    ),
    Scripted(
        name="platform_log_cut",
        playbook="platform_compromised",
        title="A log is cut, and a client's token, a key and a source are in doubt",
        provoke=scenes.log_was_cut,
        alert="log_cut",
        is_alone=True,
        inputs={"source": "pypi", "client": _AGENT, "secret": "journal-key", "server": TRAINING},
        unavailable=("keep", "freeze", "rollback"),
        approvals=("revoke", "rotate"),
        voters=ADMINS,
        too_late=("rotate",),
        manual=("verify",),
        waits="unverified",
        state="partly_contained",
    ),
)
"""In an order in which what one leaves behind (a changed tool is remembered for a day) is no part of another."""

_KNOWN = "whoever calls through a gateway is known, and so is the server; only what a person begins lacks one"
NEVER_LEFT = {
    ("cross_tenant", "revoke"): _KNOWN,
    ("destructive_action", "hold"): _KNOWN,
    ("destructive_action", "read_only"): _KNOWN,
    ("gateway_down", "read_only"): "a gateway that is silent names no server; the playbook's own test has that",
    ("gateway_down", "drain"): "a gateway that is silent names no server; the playbook's own test has that",
    ("vulnerable_server", "ask"): _KNOWN,
}
"""Steps that a playbook takes only if something holds, and that every scripted incident takes, with why."""


def named(name: str) -> Scripted:
    """The incident of a playbook. Raises `NotFound`."""
    for one in INCIDENTS:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in INCIDENTS)
    raise NotFound(f"no incident is called {name[:80]!a}", hint=f"one of {known}")
