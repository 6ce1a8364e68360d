"""XEP-0077 over sockets: strangers make accounts on the whole server, where the operator lets them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.app.live_server import door, running, settings
from tests.peers import PASSWORD
from tests.raw import CLIENT, RawClient
from xmpp_server.app.server import Server
from xmpp_server.app.settings import Auth, ModuleSettings, Timeouts, Tls
from xmpp_server.jid import JID
from xmpp_server.modules.register import RegisterConfig
from xmpp_server.storage.api import AccountRecord, StorageBusyError

OPEN = Auth(registration="open")
FEATURE = "{http://jabber.org/features/iq-register}register"
FORM = "<iq type='get' id='form'><query xmlns='jabber:iq:register'/></iq>"


def account(name: str, password: str = PASSWORD) -> str:
    fields = f"<username>{name}</username><password>{password}</password>"
    return f"<iq type='set' id='{name}' to='localhost'><query xmlns='jabber:iq:register'>{fields}</query></iq>"


def error(answer: ET.Element) -> str:
    assert answer.get("type") == "error"
    return next(child.tag.partition("}")[2] for child in answer.iter() if "stanzas" in child.tag)


async def exists(server: Server, name: str) -> bool:
    return await server.storage.accounts.get(JID.of(name, "localhost")) is not None


async def test_a_stranger_registers_and_logs_in(tmp_path: Path) -> None:
    async with running(settings(tmp_path, auth=OPEN)) as server:
        async with await RawClient.connect(door(server, "c2s")) as client:
            assert (await client.open()).find(FEATURE) is None
            await client.starttls()
            assert (await client.open()).find(FEATURE) is not None
            client.send(FORM)
            form = await client.read()
            assert {child.tag.partition("}")[2] for child in form[0]} == {"instructions", "username", "password"}
            client.send(account("mercutio"))
            answer = await client.read()
            assert (answer.tag, answer.get("id"), answer.get("type")) == (CLIENT + "iq", "mercutio", "result")
            client.send(account("Mercutio"))
            assert error(await client.read()) == "conflict"
        client = await RawClient.login(door(server, "c2s_tls"), "mercutio")
        client.abort()


async def test_whoever_has_got_the_form_has_time_to_fill_it_in(tmp_path: Path) -> None:
    async with (
        running(settings(tmp_path, auth=OPEN, timeouts=Timeouts(negotiation_s=0.3))) as server,
        await RawClient.connect(door(server, "c2s_tls"), tls=True) as client,
    ):
        await client.open()
        client.send(FORM)
        await client.read()
        await asyncio.sleep(0.5)
        client.send(account("romeo"))
        assert (await client.read()).get("type") == "result"


async def test_clients_may_send_the_next_request_at_once(tmp_path: Path) -> None:
    async with (
        running(settings(tmp_path, auth=OPEN)) as server,
        await RawClient.connect(door(server, "c2s_tls"), tls=True) as client,
    ):
        await client.open()
        client.send(FORM + account("romeo") + account("juliet"))
        assert [(await client.read()).get("id") for _ in range(3)] == ["form", "romeo", "juliet"]
        assert await exists(server, "juliet")


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"modules": {"register": ModuleSettings(False, RegisterConfig())}},
        {"auth": OPEN, "modules": {"register": ModuleSettings(False, RegisterConfig())}},
    ],
    ids=["closed", "closed, no module", "no module"],
)
async def test_closed(tmp_path: Path, config: dict[str, object]) -> None:
    async with (
        running(settings(tmp_path, **config)) as server,  # type: ignore[arg-type]
        await RawClient.connect(door(server, "c2s_tls"), tls=True) as client,
    ):
        assert (await client.open()).find(FEATURE) is None
        client.send(FORM)
        assert error(await client.read()) == "service-unavailable"
        client.send(account("romeo"))
        assert error(await client.read()) == "service-unavailable"
        assert not await exists(server, "romeo")


async def test_in_clear_where_tls_is_not_required(tmp_path: Path) -> None:
    async with (
        running(settings(tmp_path, auth=OPEN, tls=Tls(require=False))) as server,
        await RawClient.connect(door(server, "c2s")) as client,
    ):
        assert (await client.open()).find(FEATURE) is not None
        client.send(account("romeo"))
        assert (await client.read()).get("type") == "result"


async def test_an_address_is_limited_over_all_its_connections(tmp_path: Path) -> None:
    modules = {"register": ModuleSettings(None, RegisterConfig(per_address=2))}
    async with running(settings(tmp_path, auth=OPEN, modules=modules)) as server:
        answers = []
        for number in range(3):
            async with await RawClient.connect(door(server, "c2s_tls"), tls=True) as client:
                await client.open()
                client.send(account(f"user{number}"))
                answers.append(await client.read())
        assert [answer.get("type") for answer in answers] == ["result", "result", "error"]
        assert error(answers[2]) == "not-acceptable"


async def test_a_store_that_is_busy_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def busy(*_: object) -> bool:
        raise StorageBusyError

    async with (
        running(settings(tmp_path, auth=OPEN)) as server,
        await RawClient.connect(door(server, "c2s_tls"), tls=True) as client,
    ):
        await client.open()
        monkeypatch.setattr(server.storage.accounts, "create", busy)
        client.send(account("romeo"))
        assert error(await client.read()) == "resource-constraint"
        monkeypatch.undo()
        client.send(account("romeo"))
        assert (await client.read()).get("type") == "result"


async def test_a_client_that_goes_away_meanwhile_has_its_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(settings(tmp_path, auth=OPEN)) as server:
        client = await RawClient.connect(door(server, "c2s_tls"), tls=True)
        await client.open()
        create = server.storage.accounts.create

        async def create_without_client(record: AccountRecord) -> bool:
            client.abort()
            return await create(record)

        monkeypatch.setattr(server.storage.accounts, "create", create_without_client)
        client.send(account("romeo"))
        async with asyncio.timeout(5):
            while not await exists(server, "romeo"):  # noqa: ASYNC110 - nobody is left to be told
                await asyncio.sleep(0.01)
