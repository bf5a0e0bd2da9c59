"""A playbook of the operator's own: it holds a tool at once, and a client when people agree."""

from __future__ import annotations


def hold_and_ask(*, server: str = "files", tool: str = "read_file", principal: str = "desk", quorum: int = 1) -> str:
    """Due for an alert of the rule `room`."""
    return f"""\
id: full
version: 1
title: Full
when: alert.rule == 'room'
severity: high
blast_radius: {{tools: 1, principals: 1}}
steps:
  - {{id: hold, action: hold_tool, with: {{server: {server}, tool: {tool}, reason: it changed}}, deadline: 10s}}
  - {{id: asked, action: quarantine_principal, with: {{principal: {principal}, reason: it asked}}, deadline: 10s,
     approve: {{by: responder, quorum: {quorum}, timeout: 1h}}}}
"""
