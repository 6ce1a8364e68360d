"""The one error of the configuration."""

from __future__ import annotations

from pathlib import Path


class ConfigError(Exception):
    """What is wrong with the configuration: one line for the operator, exit code 2."""

    def __init__(self, path: Path | None, key: str, reason: str) -> None:
        super().__init__(path, key, reason)
        self.path = path
        self.key = key
        self.reason = reason

    def __str__(self) -> str:
        where = str(self.path) if self.path else "configuration"
        return f"{where}: {self.key}: {self.reason}" if self.key else f"{where}: {self.reason}"
