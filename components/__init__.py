"""External components: programs of their own that speak XEP-0114 with any server."""
