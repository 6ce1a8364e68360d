"""Servers for the fault tests: one of its own for each module, since what they suffer must not hit another test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.raw import abort_all


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes more than ten seconds")


@pytest.fixture(autouse=True)
async def no_connection_left() -> AsyncIterator[None]:
    yield
    await abort_all()
