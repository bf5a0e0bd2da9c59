"""A person signs in at a server's issuer, on the command line: whom to ask, as which client, there and back.

The data path does not come here; what it uses is the grant that comes of it.
"""
