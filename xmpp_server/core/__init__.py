"""The kernel: hooks, hosts, routing, sessions, accounts."""
