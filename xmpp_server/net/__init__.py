"""Sockets, TLS, timers, tasks: the only I/O of the server."""
