"""Bots: ordinary clients, and a small kit for writing them."""
