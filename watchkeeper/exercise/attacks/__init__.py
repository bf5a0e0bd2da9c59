"""Attacks that are really run: a hostile server, a compromised agent, a stranger at the door, against a live gateway.

`speaking` has what a server says, `calling` what an agent asks for, `knocking` what comes over the wire without being a
client; `catalogue` lists them all, `scene` is where they play, `running` runs them and waits for alerts. Each is
harmless: nothing is read, sent or destroyed; what is hostile is the message.
"""
