"""Clients of the whole server, over sockets: negotiation, authentication, binding, errors, the end."""

from __future__ import annotations

import asyncio
import base64
import gc
from collections import Counter
from pathlib import Path

import pytest

from tests.app.live_server import disable, door, running, settings
from tests.net.conftest import Slow
from tests.peers import PASSWORD
from tests.raw import SASL, RawClient, condition
from xmpp_server.app.settings import Auth, Timeouts, Tls

MECHANISM = SASL + "mechanism"
FAILURE = SASL + "failure"
SASL_NS = SASL[1:-1]


def plain(user: str, password: str = PASSWORD, authzid: str = "") -> str:
    data = base64.b64encode(f"{authzid}\0{user}\0{password}".encode()).decode()
    return f"<auth xmlns='{SASL_NS}' mechanism='PLAIN'>{data}</auth>"


async def test_starttls_then_plain_then_bind(tmp_path: Path) -> None:
    async with running(settings(tmp_path), "romeo") as server, await RawClient.connect(door(server, "c2s")) as client:
        features = await client.open()
        assert features[0].tag == "{urn:ietf:params:xml:ns:xmpp-tls}starttls"
        assert not list(features.iter(MECHANISM))
        assert features[0][0].tag.endswith("}required")
        await client.starttls()
        features = await client.open()
        names = [element.text for element in features.iter(MECHANISM)]
        assert "PLAIN" in names
        assert "SCRAM-SHA-256-PLUS" in names
        client.send(plain("romeo"))
        assert (await client.read()).tag == SASL + "success"
        features = await client.open()
        assert {child.tag for child in features} >= {
            "{urn:ietf:params:xml:ns:xmpp-bind}bind",
            "{urn:xmpp:sm:3}sm",
            "{urn:xmpp:csi:0}csi",
            "{urn:xmpp:features:rosterver}ver",
            "{urn:xmpp:features:pre-approval}sub",
            "{urn:xmpp:stream-limits:0}limits",
            "{http://jabber.org/protocol/caps}c",
        }
        await client.bind("home")
        assert client.jid == "romeo@localhost/home"
        assert await client.ping() < 1


async def test_bytes_behind_starttls_drop_the_connection(tmp_path: Path) -> None:
    async with running(settings(tmp_path)) as server, await RawClient.connect(door(server, "c2s")) as client:
        await client.open()
        client.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><auth/>")
        assert not [element for element in await client.rest(5) if element.tag in (FAILURE, SASL + "success")]
        assert client.writer.get_extra_info("ssl_object") is None


async def test_no_authentication_before_tls(tmp_path: Path) -> None:
    async with running(settings(tmp_path), "romeo") as server, await RawClient.connect(door(server, "c2s")) as client:
        await client.open()
        client.send(plain("romeo"))
        failure = await client.read()
        assert failure.tag == FAILURE
        assert failure[0].tag == SASL + "encryption-required"


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        (plain("romeo", "wrong"), "not-authorized"),
        (plain("nobody"), "not-authorized"),
        (plain("juliet"), "account-disabled"),
        (plain("romeo", authzid="juliet@localhost"), "invalid-authzid"),
        (f"<auth xmlns='{SASL_NS}' mechanism='ANONYMOUS'/>", "invalid-mechanism"),
        (f"<auth xmlns='{SASL_NS}' mechanism='PLAIN'>!!!</auth>", "incorrect-encoding"),
        (f"<auth xmlns='{SASL_NS}' mechanism='PLAIN'>AAAA</auth>", "malformed-request"),
    ],
)
async def test_failures(tmp_path: Path, auth: str, expected: str) -> None:
    async with running(settings(tmp_path), "romeo", "juliet") as server:
        await disable(server, "juliet")
        async with await RawClient.connect(door(server, "c2s_tls"), tls=True) as client:
            await client.open()
            client.send(auth)
            failure = await client.read()
            assert failure.tag == FAILURE
            assert failure[0].tag == SASL + expected
            client.send(plain("romeo"))  # another try on the same stream
            assert (await client.read()).tag == SASL + "success"
            assert server.counters.login_failures == 1


async def test_the_bound_jid_is_the_prepared_authenticated_one(tmp_path: Path) -> None:
    async with running(settings(tmp_path), "romeo") as server:
        client = await RawClient.login(door(server, "c2s_tls"), "ROMEO")
        assert client.jid.startswith("romeo@localhost/")
        client.abort()


async def test_tries_on_one_stream_are_bounded(tmp_path: Path) -> None:
    config = settings(tmp_path, auth=Auth(tries_per_stream=2))
    async with (
        running(config, "romeo") as server,
        await RawClient.connect(door(server, "c2s_tls"), tls=True) as client,
    ):
        await client.open()
        client.send(plain("romeo", "wrong"))
        await client.read()
        client.send(plain("romeo", "wrong"))
        assert condition(await client.rest()) == "policy-violation"


async def test_who_fails_with_every_scram_may_still_come_to_plain_on_the_same_stream(tmp_path: Path) -> None:
    # slixmpp 1.8.3, and so poezio 0.14: a binding that TLS 1.3 does not have, and then a denial that one was offered.
    scrams = (
        ("SCRAM-SHA-256-PLUS", b"p=tls-unique"),
        ("SCRAM-SHA-1-PLUS", b"p=tls-unique"),
        ("SCRAM-SHA-256", b"y"),
        ("SCRAM-SHA-1", b"y"),
    )
    async with (
        running(settings(tmp_path), "romeo") as server,
        await RawClient.connect(door(server, "c2s_tls"), tls=True) as client,
    ):
        await client.open()
        for mechanism, flag in scrams:
            first = base64.b64encode(flag + b",,n=romeo,r=4687834954").decode()
            client.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{first}</auth>")
            assert (await client.read()).tag == SASL + "failure"
        client.send(plain("romeo"))
        assert (await client.read()).tag == SASL + "success"


async def test_those_who_keep_failing_wait_but_the_owner_is_not_locked_out(tmp_path: Path) -> None:
    auth = Auth(backoff_after=2, backoff_s=0.2, backoff_max_s=0.4)
    async with running(settings(tmp_path, auth=auth), "romeo") as server:
        loop = asyncio.get_running_loop()
        took = []
        for password in ("wrong", "wrong", "wrong", PASSWORD):
            async with await RawClient.connect(door(server, "c2s_tls"), tls=True) as client:
                await client.open()
                start = loop.time()
                client.send(plain("romeo", password))
                answer = await client.read()
                took.append(loop.time() - start)
        assert answer.tag == SASL + "success"
        assert max(took[:2]) < 0.2 <= min(took[2:])


async def test_only_who_names_an_account_has_guessed(tmp_path: Path) -> None:
    """Clients try one mechanism after the other, and some offer what this connection has not."""
    auth = Auth(backoff_after=1, backoff_s=5.0, backoff_max_s=5.0)
    first = base64.b64encode(b"p=tls-unique,,n=romeo,r=4687834954").decode()
    async with (
        running(settings(tmp_path, auth=auth), "romeo") as server,
        await RawClient.connect(door(server, "c2s_tls"), tls=True, source="127.0.0.2") as client,
    ):
        await client.open()
        for mechanism in ("X-UNKNOWN", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"):
            client.send(f"<auth xmlns='{SASL_NS}' mechanism='{mechanism}'>{first}</auth>")
            assert (await client.read()).tag == FAILURE
        start = asyncio.get_running_loop().time()
        client.send(plain("romeo"))
        assert (await client.read()).tag == SASL + "success"
        assert asyncio.get_running_loop().time() - start < 2


async def test_anonymous_where_it_is_allowed(tmp_path: Path) -> None:
    config = settings(tmp_path, auth=Auth(anonymous=("localhost",)))
    async with running(config) as server, await RawClient.connect(door(server, "c2s_tls"), tls=True) as client:
        features = await client.open()
        assert "ANONYMOUS" in [element.text for element in features.iter(MECHANISM)]
        client.send(f"<auth xmlns='{SASL_NS}' mechanism='ANONYMOUS'>=</auth>")
        assert (await client.read()).tag == SASL + "success"
        await client.open()
        await client.bind("r")
        assert client.jid.endswith("@localhost/r")
        account = client.jid.partition("@")[0]
        await client.close()
        await asyncio.sleep(0.05)
        assert server.hosts["localhost"].accounts.get(account) is None


async def test_silence_before_login_ends(tmp_path: Path) -> None:
    config = settings(tmp_path, timeouts=Timeouts(negotiation_s=0.5), tls=Tls(require=False))
    async with running(config) as server, await RawClient.connect(door(server, "c2s")) as client:
        await client.open()
        sent = asyncio.create_task(_whitespace(client))
        assert condition(await client.rest(5)) == "connection-timeout"
        sent.cancel()


async def _whitespace(client: RawClient) -> None:
    while True:
        client.send(" ")
        await asyncio.sleep(0.05)


async def test_a_closed_stream_is_answered_and_the_connection_closed(tmp_path: Path) -> None:
    async with running(settings(tmp_path), "romeo") as server:
        client = await RawClient.login(door(server, "c2s_tls"), "romeo")
        client.send("<iq type='get' id='last'><ping xmlns='urn:xmpp:ping'/></iq></stream:stream>")
        rest = await client.rest(5)
        assert [element.get("id") for element in rest] == ["last"]
        assert client.footer
        client.abort()


async def test_a_stream_closed_behind_a_slow_request_ends_with_its_answer(tmp_path: Path) -> None:
    async with running(settings(tmp_path), "romeo") as server:
        slow = Slow(server)
        client = await RawClient.login(door(server, "c2s_tls"), "romeo")
        client.send(Slow.REQUEST + "</stream:stream>")
        await slow.asked.wait()
        slow.go.set()
        assert [element.get("id") for element in await client.rest(5)] == ["slow"]
        assert client.footer
        client.abort()


async def test_what_a_client_sent_before_it_hung_up_is_handled(tmp_path: Path) -> None:
    """The end of the connection arrives while an earlier request still takes its time."""
    async with running(settings(tmp_path), "romeo", "juliet") as server:
        slow = Slow(server)
        juliet = await RawClient.login(door(server, "c2s_tls"), "juliet", "balcony")
        romeo = await RawClient.login(door(server, "c2s_tls"), "romeo")
        last = "<message to='juliet@localhost/balcony' id='last'><body>Good night</body></message>"
        romeo.send(Slow.REQUEST + last)
        romeo.writer.close()  # TLS says that this was all, and waits for our answer
        await slow.asked.wait()
        await asyncio.sleep(0.1)
        slow.go.set()
        assert (await juliet.read()).get("id") == "last"
        for client in (romeo, juliet):
            client.abort()


async def test_certificates_are_reloaded_without_dropping_a_stream(tmp_path: Path) -> None:
    async with running(settings(tmp_path), "romeo") as server:
        address = door(server, "c2s_tls")
        client = await RawClient.login(address, "romeo")
        before = client.writer.get_extra_info("ssl_object").getpeercert(True)
        for old in (tmp_path / "tls").iterdir():
            old.unlink()
        server.reload_tls(server.config.tls)
        assert await client.ping() < 1
        async with await RawClient.connect(address, tls=True) as fresh:
            assert fresh.writer.get_extra_info("ssl_object").getpeercert(True) != before
        client.abort()


async def test_errors_on_a_bound_stream_end_the_session(tmp_path: Path) -> None:
    async with running(settings(tmp_path), "romeo") as server:
        client = await RawClient.login(door(server, "c2s_tls"), "romeo")
        client.send("<message><body></message>")
        assert condition(await client.rest(5)) == "not-well-formed"
        await asyncio.sleep(0.05)
        assert server.sessions == []
        assert server.counters.connections == 1
        assert server.counters.stream_errors == 1


async def test_connections_that_are_gone_leave_no_cycles(tmp_path: Path) -> None:
    """The collector looks rarely, and never at what it was told to spare (`Server._spare_collector`)."""

    async def talk_no_tls() -> None:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await reader.read()
        writer.close()

    async def leave_in_the_middle() -> None:
        client = await RawClient.authenticated(address, "romeo")
        client.abort()

    async def leave_in_good_order() -> None:
        client = await RawClient.login(address, "romeo")
        await client.enable(resume=True)
        client.send("<presence/><inactive xmlns='urn:xmpp:csi:0'/></stream:stream>")
        await client.rest(5)
        client.abort()

    async with running(settings(tmp_path), "romeo") as server:
        address = door(server, "c2s_tls")
        for visit in (talk_no_tls, leave_in_the_middle, leave_in_good_order):
            await visit()
            gc.collect()
            gc.disable()
            try:
                before = _alive()
                for _ in range(10):
                    await visit()
                await server.service.all_closed()
                await asyncio.sleep(0.02)
                assert {kind: count for kind, count in (_alive() - before).items() if count >= 10} == {}
            finally:
                gc.enable()


def _alive() -> Counter[str]:
    kinds = Counter(type(one).__qualname__ for one in gc.get_objects() if type(one).__module__.startswith("xmpp_"))
    del kinds["Timer"]  # a cancelled one waits for its time
    return kinds


async def test_health_and_metrics(tmp_path: Path) -> None:
    async with running(settings(tmp_path), "romeo") as server:
        client = await RawClient.login(door(server, "c2s_tls"), "romeo")
        answers = []
        for path in ("health", "metrics"):
            reader, writer = await asyncio.open_connection(*door(server, "http"))
            writer.write(f"GET /{path} HTTP/1.0\r\n\r\n".encode())
            answers.append((await reader.read()).decode())
            writer.close()
        assert '"status": "ok"' in answers[0]
        assert "xmpp_logins_total 1.0" in answers[1]
        client.abort()
