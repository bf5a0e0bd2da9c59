"""One module a page: fetch, shape, show. They decide nothing and change nothing."""
