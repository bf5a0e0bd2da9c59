"""A log as C2SP tiles (c2sp.org/tlog-tiles): what a verifier outside needs, and not one record.

`layout` has the names and the shapes, `pile` the files, `follow` reads the log, `shelf` keeps the one up to the other,
`export` writes folders for any web server. Serving them over HTTP is the console's (`web.tiles`).
"""
