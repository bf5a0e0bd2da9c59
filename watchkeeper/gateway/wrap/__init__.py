"""Standing between one client and one server that speak over stdio: what `watchkeeper wrap` does.

`lines` reads and writes descriptors, `inbox` holds what the server said, `table` knows what is open both ways,
`towards_server` and `towards_client` judge and pass on, each in order, by what is `between` them, and `session` is the
life of both. Ids are left as they are: one client and one server share a pipe here as they would without us.

Nothing is imported here: the server is started before the heavier rooms are.
"""
