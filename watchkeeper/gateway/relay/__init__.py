"""Between the workers of one gateway: a request that belongs to another worker is carried there and its answer back.

`ownership` says whose a request is, `wire` moves frames over a Unix socket, `landing` takes requests from the other
workers, `peer` passes requests on to one of them, and `relay` puts it together for the doors.
"""
