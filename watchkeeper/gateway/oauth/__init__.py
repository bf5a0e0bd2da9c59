"""The gateway as an OAuth 2.1 resource server: whose access tokens it takes, and what it tells clients about itself.

Tokens are judged here, not obtained. `token` is pure; `keys` asks authorization servers, through `core.fetch` only.
"""
