"""XEP-0198 through a proxy that cuts the connection: sessions resume, and no message is lost or doubled."""

from __future__ import annotations

import asyncio

import pytest

from tests.interop.aio import AioPeer
from tests.interop.conftest import NewSlix
from tests.interop.proxy import proxied
from tests.interop.slix import SlixClient
from tests.peers import ServerProcess
from tests.raw import CLIENT, SM, RawClient, logged_in

Users = tuple[str, str]
ROUNDS = 5


def numbered(to: str, numbers: range) -> list[str]:
    """Messages whose bodies are numbers."""
    return [f"<message to='{to}' type='chat' id='n{n}'><body>{n}</body></message>" for n in numbers]


async def numbers_read(client: RawClient, last: int) -> list[int]:
    """Read messages up to a number."""
    numbers: list[int] = []
    while last not in numbers:
        element = await client.read()
        if element.tag == SM + "r":
            client.acknowledge()
        elif element.tag == CLIENT + "message":
            numbers.append(int(element.findtext(CLIENT + "body", "")))
    return numbers


@pytest.mark.parametrize("held", [True, False], ids=["what was sent is lost", "only the acknowledgement is lost"])
async def test_a_raw_client_resumes_without_loss_or_doubles(server: ServerProcess, users: Users, held: bool) -> None:
    async with logged_in(server.c2s_tls, users[1]) as juliet, proxied(server.c2s_tls) as proxy:
        juliet.send("<presence/>")
        romeo = await RawClient.login(proxy.address, users[0])
        previd = (await romeo.enable(resume=True)).attrib["id"]
        sent = ["<presence/>"]
        romeo.send(sent[0])
        to_juliet, to_romeo = f"{users[1]}@localhost", romeo.jid
        got: list[int] = []
        for step in range(ROUNDS):
            numbers = range(step * 10, step * 10 + 10)
            outgoing, incoming = numbered(to_juliet, numbers), numbered(to_romeo, numbers)
            if held:
                proxy.hold()
            romeo.send("".join(outgoing))
            sent += outgoing
            juliet.send("".join(incoming[:5]))
            arrived = [] if held else await numbers_read(juliet, numbers[-1])
            await juliet.ping()
            proxy.cut()
            juliet.send("".join(incoming[5:]))
            handled = romeo.handled
            romeo = await RawClient.authenticated(proxy.address, users[0])
            romeo.handled = handled
            resumed = await romeo.resume(previd)
            assert resumed.tag == SM + "resumed", "the session waits for its client"
            romeo.send("".join(sent[int(resumed.attrib["h"]) :]))
            got += await numbers_read(romeo, numbers[-1])
            if held:
                arrived = await numbers_read(juliet, numbers[-1])
            assert arrived == list(numbers)
        assert got == list(range(ROUNDS * 10))
        await romeo.close()


async def test_only_one_of_two_resumptions_wins(server: ServerProcess, users: Users) -> None:
    romeo = await RawClient.login(server.c2s_tls, users[0])
    previd = (await romeo.enable(resume=True)).attrib["id"]
    romeo.abort()
    rivals = [await RawClient.authenticated(server.c2s_tls, users[0]) for _ in range(2)]
    answers = await asyncio.gather(*(rival.resume(previd) for rival in rivals))
    for rival in rivals:
        rival.abort()
    assert SM + "resumed" in {answer.tag for answer in answers}


async def test_nobody_resumes_the_session_of_another(server: ServerProcess, users: Users) -> None:
    romeo = await RawClient.login(server.c2s_tls, users[0])
    previd = (await romeo.enable(resume=True)).attrib["id"]
    juliet = await RawClient.authenticated(server.c2s_tls, users[1])
    assert (await juliet.resume(previd)).tag == SM + "failed"
    assert await romeo.ping() < 5
    romeo.abort()
    juliet.abort()


async def test_slixmpp_resumes(server: ServerProcess, slix: NewSlix, users: Users) -> None:
    juliet = await slix(users[1])
    async with proxied(server.c2s) as proxy:
        romeo = SlixClient(users[0])
        await romeo.online(proxy.address)
        expected_here, expected_there = [], []
        try:
            for step in range(ROUNDS):
                resumed = asyncio.get_running_loop().create_future()
                lost = asyncio.get_running_loop().create_future()
                romeo.add_event_handler("session_resumed", resumed.set_result, disposable=True)
                romeo.add_event_handler("disconnected", lost.set_result, disposable=True)
                proxy.hold()
                romeo.say(f"{users[1]}@localhost", f"out {step}")
                juliet.say(romeo.boundjid.full, f"in the dark {step}")
                await juliet.settle()
                proxy.cut()
                await lost
                juliet.say(romeo.boundjid.full, f"in the gap {step}")
                romeo.connect(*proxy.address)
                await asyncio.wait_for(resumed, 10)
                juliet.say(romeo.boundjid.full, f"after {step}")
                await romeo.hears_text(f"after {step}")
                await juliet.hears_text(f"out {step}")
                expected_here += [f"in the dark {step}", f"in the gap {step}", f"after {step}"]
                expected_there.append(f"out {step}")
            assert romeo.texts() == expected_here
            assert juliet.texts() == expected_there
        finally:
            await romeo.offline()


async def test_aioxmpp_resumes(server: ServerProcess, slix: NewSlix, users: Users) -> None:
    juliet = await slix(users[1])
    async with proxied(server.c2s) as proxy:
        romeo = await AioPeer.online(users[0], proxy.address)
        jid = f"{users[0]}@localhost/aio"
        try:
            for step in range(2):
                before = len(romeo.events)
                proxy.hold()
                juliet.say(jid, f"in the dark {step}")
                await juliet.settle()
                proxy.cut()
                await romeo.event("suspended", since=before)
                juliet.say(jid, f"in the gap {step}")
                await romeo.event("resumed", since=before)
                await romeo.do("say", to=juliet.boundjid.full, text=f"out {step}")
                await romeo.event("message", text=f"in the gap {step}")
                await juliet.hears_text(f"out {step}")
            assert romeo.texts() == ["in the dark 0", "in the gap 0", "in the dark 1", "in the gap 1"]
        finally:
            await romeo.offline()
