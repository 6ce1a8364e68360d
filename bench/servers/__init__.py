"""The servers under test: how each is configured, filled with accounts, started, measured and stopped."""
