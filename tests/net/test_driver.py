"""What comes of an event at once is treated as what comes of it later: answers, refusals, failures, their order."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.app.live_server import door, running, settings
from tests.peers import PASSWORD
from tests.raw import SASL, RawClient, condition
from xmpp_server.core.authentication import Peer
from xmpp_server.errors import SaslCondition, SaslError, StreamCondition, StreamError
from xmpp_server.sasl.mechanism import Answer, PasswordQuery, Query

PLAIN = base64.b64encode(f"\0romeo\0{PASSWORD}".encode()).decode()
AUTH = f"<auth xmlns='{SASL[1:-1]}' mechanism='PLAIN'>{PLAIN}</auth>"

Judge = Callable[[str], bool]


class AtOnce:
    """A back end that need not wait."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    def answer(self, query: Query, peer: Peer) -> Answer | Awaitable[Answer]:
        assert isinstance(query, PasswordQuery)
        return self._judge(query.password)


class Later(AtOnce):
    """One that may have to."""

    async def answer(self, query: Query, peer: Peer) -> Answer:
        assert isinstance(query, PasswordQuery)
        return self._judge(query.password)


both = pytest.mark.parametrize("kind", [AtOnce, Later])


def failing(error: Exception) -> Judge:
    def judge(_: str) -> bool:
        raise error

    return judge


@both
async def test_two_tries_in_one_go(tmp_path: Path, kind: type[AtOnce]) -> None:
    answers = iter([False, True])
    async with running(settings(tmp_path), "romeo") as server:
        server.service.backends["localhost"] = kind(lambda _: next(answers))
        async with await RawClient.connect(door(server, "c2s_tls"), tls=True) as client:
            await client.open()
            client.send(AUTH + AUTH)
            assert [(await client.read()).tag for _ in range(2)] == [SASL + "failure", SASL + "success"]
            await client.open()
            await client.bind("home")
            assert client.jid == "romeo@localhost/home"


@both
async def test_a_refusal(tmp_path: Path, kind: type[AtOnce]) -> None:
    async with running(settings(tmp_path), "romeo") as server:
        server.service.backends["localhost"] = kind(failing(SaslError(SaslCondition.TEMPORARY_AUTH_FAILURE)))
        async with await RawClient.connect(door(server, "c2s_tls"), tls=True) as client:
            await client.open()
            client.send(AUTH)
            assert (await client.read())[0].tag == SASL + "temporary-auth-failure"


@both
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (StreamError(StreamCondition.RESET), "reset"),
        (ZeroDivisionError(), "internal-server-error"),
    ],
)
async def test_a_failure_ends_the_stream(tmp_path: Path, kind: type[AtOnce], error: Exception, expected: str) -> None:
    async with running(settings(tmp_path), "romeo") as server:
        server.service.backends["localhost"] = kind(failing(error))
        async with await RawClient.connect(door(server, "c2s_tls"), tls=True) as client:
            await client.open()
            client.send(AUTH + AUTH)
            [told] = await client.rest(5)
            assert condition([told]) == expected
            assert client.footer
