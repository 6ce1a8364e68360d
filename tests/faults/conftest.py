"""Servers for the fault tests: one of its own for each module, since what they suffer must not hit another test."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes more than ten seconds")
