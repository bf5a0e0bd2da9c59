"""Where runs of playbooks wait: for people's approvals and answers, for a moment, for all of several branches.

A run that waits is a row here and nothing else: its workflow has ended. What decides a gate (a person, a clock, the
last branch) lets another workflow begin, whose id derives from the gate. Rooms: `model`, `voting` (pure), `book`
(opens and decides), `people` (what persons say), `clockwork` (what time says), `due` (what goes on).
"""
