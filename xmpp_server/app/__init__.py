"""Composition root: configuration, wiring, command line."""
