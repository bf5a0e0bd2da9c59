"""The credential that a server gets from us: never the client's, unless a route says so.

Below: the HTTP pool, which puts on what `model.Credential` gives. Each room gets a credential in one way; none of them
knows HTTP's connections, and no token leaves this package but into a request to the server it is for.
"""
