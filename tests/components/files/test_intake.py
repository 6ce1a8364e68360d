"""What takes files in, whichever door they come through: bounds in both directions, turns, and no trace of failures."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from components.xmpp_files.disk import DiskStorage
from components.xmpp_files.intake import Intake, RefusedError
from components.xmpp_files.scanner import Scanner
from components.xmpp_files.slots import new_id


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def silence() -> AsyncIterator[bytes]:
    yield b"beginning"
    await asyncio.Event().wait()


@pytest.fixture
async def intake(tmp_path, http_settings):
    storage = DiskStorage(tmp_path)
    await storage.open()
    settings = replace(http_settings, uploads=3, uploads_per_user=2, idle_timeout_s=0.05)
    yield Intake(storage, Scanner((), 5.0), settings, Counter())
    assert list((tmp_path / "parts").iterdir()) == []
    await storage.close()


@pytest.mark.parametrize("size", [0, 1, 5, 10])
async def test_a_file_between_the_bounds_is_stored(intake, size):
    file_id = new_id()
    assert await intake.store(file_id, chunks(b"x" * size), most=10) == size
    reader = await intake.storage.reader(file_id)
    assert reader.size == size
    await reader.close()


@pytest.mark.parametrize(
    ("parts", "least", "status"), [((b"x" * 11,), 0, 413), ((b"x" * 6, b"x" * 5), 0, 413), ((b"x" * 4,), 5, 400)]
)
async def test_too_much_and_too_little_are_refused(intake, parts, least, status):
    file_id = new_id()
    with pytest.raises(RefusedError) as refused:
        await intake.store(file_id, chunks(*parts), most=10, least=least)
    assert refused.value.status == status
    assert not await intake.storage.exists(file_id)


async def test_silence_is_refused(intake):
    with pytest.raises(RefusedError) as refused:
        await intake.store(new_id(), silence(), most=100)
    assert refused.value.status == 408


async def test_one_id_is_stored_once(intake):
    file_id = new_id()
    await intake.store(file_id, chunks(b"x"), most=1)
    with pytest.raises(RefusedError) as refused:
        await intake.store(file_id, chunks(b"x"), most=1)
    assert refused.value.status == 409


async def test_turns_are_bounded_for_one_and_for_all(intake):
    with intake.turn("a"), intake.turn("a"):
        with pytest.raises(RefusedError), intake.turn("a"):
            pass
        with intake.turn("b"), pytest.raises(RefusedError), intake.turn("c"):
            pass
    assert intake.running == {}
