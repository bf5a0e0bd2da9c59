"""One module a page: fetch, shape, show. All but `approvals` and `api` change nothing."""
