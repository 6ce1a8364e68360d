"""Addresses to listen on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from components.xmpp_component.addresses import AddressError, Doors, split


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:80", ("::1", 80)),
        ("unix:/run/x", Path("/run/x")),
    ],
)
def test_addresses_are_split(text, where):
    assert split(text) == where


@pytest.mark.parametrize("text", ["", "host", "host:", "host:99999", "::1:80", "unix:", ":80"])
def test_other_texts_are_refused(text):
    with pytest.raises(AddressError):
        split(text)


async def test_doors_open_all_or_none(tmp_path):
    doors, others = Doors(), Doors()
    (address, path) = await doors.open(["127.0.0.1:0", f"unix:{tmp_path}/x"], asyncio.Protocol)
    assert path == f"unix:{tmp_path}/x"
    with pytest.raises(OSError, match="in use"):
        await others.open(["127.0.0.1:0", address], asyncio.Protocol)
    assert others._servers == []
    await doors.close()
    assert list(tmp_path.iterdir()) == []
