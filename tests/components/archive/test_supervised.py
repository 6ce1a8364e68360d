"""An archive that cannot start: the server does not care, nobody's message waits, and nothing is missing afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import slixmpp
from slixmpp.exceptions import IqError, IqTimeout

from tests.components.archive.history_client import MAM_PLUGINS
from tests.interop.slix import SlixClient
from tests.peers import ServerProcess
from tests.raw import SM, RawClient

RUN = '[[components]]\ndomains = ["archive.localhost"]\nrun = ["xmpp-archive"]\n'


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path, RUN, component=0)
    try:
        yield server
        assert server.stop() == 0
        assert server.failures() == []
    finally:
        server.kill()


async def texts(client: SlixClient) -> list[str]:
    results = [one async for one in client.plugin["xep_0313"].iterate()]
    return [one["mam_result"]["forwarded"]["stanza"]["body"] for one in results]


async def test_it_cannot_start_and_then_it_can(server: ServerProcess) -> None:
    folder = server.data / "components"
    folder.mkdir(parents=True)
    (folder / "archive.localhost").write_text("in the way of the folder")
    begin = time.monotonic()
    server.start()
    assert time.monotonic() - begin < 10
    server.add_users("romeo", "juliet")
    romeo = await SlixClient("romeo", plugins=MAM_PLUGINS).online(server.c2s)
    juliet = await SlixClient("juliet", plugins=MAM_PLUGINS).online(server.c2s)
    while not any(line["event"] == "component-ended" for line in server.log):
        await asyncio.to_thread(time.sleep, 0.1)
    begin = time.monotonic()
    for number in range(10):
        romeo.say("juliet@localhost", str(number))
    await juliet.hears_text("9")
    assert time.monotonic() - begin < 2
    raw = await RawClient.login(server.c2s_tls, "romeo")
    await raw.enable()
    raw.send("<message to='juliet@localhost' type='chat'><body>10</body></message>")
    raw.request()
    answer = await raw.until(lambda element: element.tag == SM + "a", 5.0)  # it is safe in the spool
    assert answer.get("h") == "1"
    with pytest.raises((IqError, IqTimeout)):
        await romeo.plugin["xep_0313"].retrieve(timeout=1)
    (server.data / "components" / "archive.localhost").unlink()
    deadline = time.monotonic() + 60
    found: list[str] = []
    while len(found) < 11 and time.monotonic() < deadline:
        try:
            found = await texts(juliet)
        except (IqError, IqTimeout):
            await asyncio.to_thread(time.sleep, 0.5)
    assert found == [str(number) for number in range(11)]
    prefs = romeo.plugin["xep_0441"]
    assert (await prefs.get_preferences())[0] == "always"
    await prefs.set_preferences(default="never", always=[slixmpp.JID("juliet@localhost")])
    for client in (romeo, juliet):
        await client.offline()
    raw.abort()


@pytest.mark.parametrize("running", [True, False])
async def test_who_has_the_name_of_a_deleted_account_does_not_get_its_history(
    server: ServerProcess, running: bool
) -> None:
    server.start()
    server.add_users("romeo", "juliet")
    romeo = await SlixClient("romeo", plugins=MAM_PLUGINS).online(server.c2s)
    romeo.say("juliet@localhost", "secret")
    assert await texts(romeo) == ["secret"]
    await romeo.offline()
    if not running:
        assert server.stop() == 0
    server.run("user", "delete", "romeo@localhost")
    if not running:
        server.start()
    server.add_users("romeo")
    again = await SlixClient("romeo", plugins=MAM_PLUGINS).online(server.c2s)
    assert await texts(again) == []
    await again.offline()
    juliet = await SlixClient("juliet", plugins=MAM_PLUGINS).online(server.c2s)
    assert await texts(juliet) == ["secret"]
    await juliet.offline()
