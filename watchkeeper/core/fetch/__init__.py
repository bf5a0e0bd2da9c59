"""The one client for every URL that was learnt from a server, a client or the settings: metadata, keys, tokens.

It stands between an attacker who may choose a URL and the networks that only this host can reach (SSRF). A server that
an operator configured under `[servers]` is not learnt and is not fetched through here.

`client` asks; `settings` and `model` can be imported without it, and load no sockets.
"""
