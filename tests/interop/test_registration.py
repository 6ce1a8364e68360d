"""XEP-0077 with a client that was not made for this server: register, log in, change the password, cancel."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import slixmpp

from tests.interop.slix import SlixClient
from tests.peers import DOMAIN, ServerProcess

PASSWORD = "Calliope"
TIMEOUT_S = 10.0


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path_factory.mktemp("open"), '[auth]\nregistration = "open"\n')
    with process.serving():
        yield process


class Stranger(SlixClient):
    """Fills in the form that the server gives, before it logs in."""

    def __init__(self, user: str, password: str = PASSWORD) -> None:
        super().__init__(user, "new", plugins=("xep_0077",))
        self.credentials["password"] = password
        self.add_event_handler("register", self._fill_in)
        self.outcome = ""

    async def _fill_in(self, form: slixmpp.Iq) -> None:
        assert form["register"]["fields"] == {"username", "password"}
        request = self.make_iq_set()
        request["register"]["username"] = self.requested_jid.user
        request["register"]["password"] = self.credentials["password"]
        try:
            await request.send(timeout=TIMEOUT_S)
            self.outcome = "registered"
        except slixmpp.exceptions.IqError as error:
            self.outcome = error.condition


async def test_from_the_form_to_the_end_of_the_account(open_server: ServerProcess) -> None:
    client = await Stranger("mercutio").online(open_server.c2s)
    assert client.outcome == "registered"
    form = await client.plugin["xep_0077"].get_registration(timeout=TIMEOUT_S)
    assert form["register"]["registered"]
    await client.plugin["xep_0077"].change_password("other", timeout=TIMEOUT_S)
    await client.offline()

    client = Stranger("mercutio", "other")
    await client.online(open_server.c2s)
    assert client.outcome == "conflict"  # slixmpp tries whenever the server offers it
    ended = asyncio.get_running_loop().create_future()
    client.add_event_handler("disconnected", lambda _: ended.done() or ended.set_result(None))
    await client.plugin["xep_0077"].cancel_registration(timeout=TIMEOUT_S)
    await asyncio.wait_for(ended, TIMEOUT_S)
    assert f"mercutio@{DOMAIN}" not in open_server.run("user", "list")
