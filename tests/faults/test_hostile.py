"""Hostile clients on the sockets of the real server: each gets the RFC's condition, and a bystander notices nothing."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Iterator
from xml.etree.ElementTree import ParseError

import pytest

from tests.faults.conftest import BYSTANDER, bystander
from tests.peers import PASSWORD, ServerProcess
from tests.raw import CLIENT, HEADER, SASL, SM, STREAM, ClosedError, RawClient, condition, logged_in

NEGOTIATION_S = 3.0
CONFIG = f"""
[timeouts]
negotiation_s = {NEGOTIATION_S}
close_s = 1.0
[auth]
backoff_after = 1000  # all who are here come from one address
"""
XML = "<?xml version='1.0'?>"
ROOT = HEADER.removeprefix(XML)
LOL = "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 10))
MALFORMED = {"not-well-formed"}
RESTRICTED = {"restricted-xml", "not-well-formed"}
POLICY = {"policy-violation"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path_factory.mktemp("hostile"), CONFIG)
    process.start()
    process.add_users("mallory", "victim", BYSTANDER)
    try:
        with bystander(process):
            yield process
        assert process.stop() == 0
    finally:
        process.kill()


BEFORE_LOGIN = {
    "nested entities before the header": (f"{XML}<!DOCTYPE x [<!ENTITY l0 'lol'>{LOL}]>{ROOT}&l9;", RESTRICTED),
    "external entity": (f"{XML}<!DOCTYPE x SYSTEM 'file:///etc/passwd'>{ROOT}", RESTRICTED),
    "DTD inside": (HEADER + "<!DOCTYPE x [<!ENTITY l 'lol'>]><a/>", RESTRICTED),
    "comment": (HEADER + "<!-- hello -->", RESTRICTED),
    "processing instruction": (HEADER + "<?php hello ?>", RESTRICTED),
    "mismatched tags": (HEADER + "<a><b></a></b>", MALFORMED),
    "duplicate attribute": (HEADER + "<a b='1' b='2'/>", MALFORMED),
    "second declaration": (HEADER + XML, RESTRICTED),
    "NUL": (HEADER + "<a>\0</a>", MALFORMED),
    "control character by reference": (HEADER + "<a>&#1;</a>", MALFORMED),
    "U+FFFF": (HEADER + "<a>\uffff</a>", MALFORMED),
    "undeclared entity": (HEADER + "<a>&lol;</a>", {"not-well-formed", "restricted-xml"}),
    "undeclared prefix": (HEADER + "<a:b/>", {"bad-namespace-prefix", "not-well-formed"}),
    "rebound prefix xml": (HEADER + "<a xmlns:xml='urn:x'/>", {"bad-namespace-prefix", "not-well-formed"}),
    "text between elements": (HEADER + "hello", {"bad-format"}),
    "20,000 levels": (HEADER + "<a>" * 20_000, POLICY),
    "endless start tag": (HEADER + "<" + "a" * 1_000_000, POLICY),
    "1 MiB of text": (HEADER + "<a>" + "x" * (1 << 20), POLICY),
    "100,000 attributes": (HEADER + "<a " + " ".join(f"b{n}='1'" for n in range(100_000)) + "/>", POLICY),
    "endless header": ("<stream:stream " + "x" * 1_000_000, POLICY | MALFORMED),
    "wrong namespace": (HEADER.replace("http://etherx", "http://example"), {"invalid-namespace"}),
    "root not stream": ("<open xmlns='jabber:client'/>", {"bad-format", "invalid-namespace"}),
    "unknown host": (HEADER.replace("'localhost'", "'example.net'"), {"host-unknown"}),
    "bad version": (HEADER.replace("version='1.0' xml", "version='banana' xml"), {"unsupported-version", "bad-format"}),
    "UTF-16": ("\ufeff" + HEADER, {"unsupported-encoding"}),
    "HTTP": ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", MALFORMED | {"bad-format"}),
    "message": (HEADER + "<message to='victim@localhost'><body>x</body></message>", {"not-authorized"}),
    "nested header": (HEADER + ROOT, {"unsupported-stanza-type", "bad-format", "not-authorized"}),
    "unknown element": (HEADER + "<hello xmlns='urn:x'/>", {"unsupported-stanza-type", "not-authorized"}),
    "features": (HEADER + "<stream:features/>", {"unsupported-stanza-type", "not-authorized"}),
}


@pytest.mark.parametrize("name", BEFORE_LOGIN)
async def test_before_login(server: ServerProcess, name: str) -> None:
    text, expected = BEFORE_LOGIN[name]
    async with await RawClient.connect(server.c2s) as mallory:
        mallory.send(text.encode("utf-16") if name == "UTF-16" else text)
        ending = await mallory.rest(NEGOTIATION_S + 3)
        assert condition(ending) in expected
        assert mallory.footer, "a stream error is followed by the closing tag"


async def test_a_tls_hello_in_clear_is_answered_or_dropped(server: ServerProcess) -> None:
    async with await RawClient.connect(server.c2s) as mallory:
        mallory.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200))
        assert len(await mallory.rest(5.0)) <= 1
    async with await RawClient.connect(server.c2s_tls) as mallory:
        mallory.send(HEADER)
        with pytest.raises((ClosedError, ParseError)):  # a TLS alert, which is no XML
            await mallory.read(5.0)


async def linger(server: ServerProcess, door: str, *, babbling: bool) -> str:
    """Never log in; return the condition of the end."""
    async with await RawClient.connect(server.addresses[door], tls=door == "c2s_tls") as mallory:
        await mallory.open()
        ending = asyncio.create_task(mallory.rest(NEGOTIATION_S + 3))
        while not ending.done():
            if babbling:
                mallory.send(" ")
            await asyncio.sleep(0.2)
        return condition(await ending)


async def test_whoever_does_not_log_in_is_let_go(server: ServerProcess) -> None:
    ways = [(door, babbling) for door in ("c2s", "c2s_tls") for babbling in (False, True)]
    endings = await asyncio.gather(*(linger(server, door, babbling=babbling) for door, babbling in ways))
    assert set(endings) <= {"connection-timeout", "policy-violation"}


async def test_nobody_resumes_before_authentication(server: ServerProcess) -> None:
    async with await RawClient.connect(server.c2s) as mallory:
        await mallory.open()
        assert (await mallory.resume("x")).tag == SM + "failed"


async def test_no_password_in_clear(server: ServerProcess) -> None:
    async with await RawClient.connect(server.c2s) as mallory:
        features = await mallory.open()
        assert features.find(SASL + "mechanisms") is None
        mallory.send(f"<auth xmlns='{SASL[1:-1]}' mechanism='PLAIN'>AG1hbGxvcnkAeA==</auth>")
        answer = await mallory.read()
        assert answer.tag in (SASL + "failure", STREAM + "error")


def plain(text: bytes) -> str:
    return base64.b64encode(text).decode()


@pytest.mark.parametrize(
    ("initial", "conditions"),
    [
        ("!!!", {"incorrect-encoding"}),
        (plain(b"no nulls"), {"malformed-request", "not-authorized"}),
        (plain(b"\0\0" + PASSWORD.encode()), {"malformed-request", "not-authorized"}),
        (plain(b"\0mallory\0" + PASSWORD.encode() + b"\0"), {"malformed-request", "not-authorized"}),
        (plain(b"\0mallory\0\xff\xfe"), {"malformed-request", "not-authorized"}),
        (plain(b"victim@localhost\0mallory\0" + PASSWORD.encode()), {"invalid-authzid", "not-authorized"}),
        (plain(b"\0mallory\0wrong"), {"not-authorized"}),
        (plain(b"\0nobody\0wrong"), {"not-authorized"}),
    ],
)
async def test_bad_credentials(server: ServerProcess, initial: str, conditions: set[str]) -> None:
    async with await RawClient.connect(server.c2s_tls, tls=True) as mallory:
        await mallory.open()
        mallory.send(f"<auth xmlns='{SASL[1:-1]}' mechanism='PLAIN'>{initial}</auth>")
        answer = await mallory.read()
        assert answer.tag == SASL + "failure"
        assert answer[0].tag.removeprefix(SASL) in conditions


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ("<message><body><!DOCTYPE x></body></message>", RESTRICTED),
        ("<message><body><!-- x --></body></message>", RESTRICTED),
        ("<message><body>&#1;</body></message>", MALFORMED),
        ("<message from='victim@localhost/x'><body/></message>", {"invalid-from"}),
        ("<message from='mallory@localhost/other'><body/></message>", {"invalid-from"}),
        ("<a xmlns='urn:xmpp:sm:3' h='1000'/>", {"undefined-condition"}),
        ("<a xmlns='urn:xmpp:sm:3' h='banana'/>", {"policy-violation", "bad-format", "undefined-condition"}),
        ("<a xmlns='urn:xmpp:sm:3' h='-1'/>", {"policy-violation", "bad-format", "undefined-condition"}),
        ("<message><body>" + "x" * 300_000 + "</body></message>", POLICY),
        ("<message>" + "<a>" * 5_000 + "</a>" * 5_000 + "</message>", POLICY),
        ("<hello xmlns='urn:x'/>", {"unsupported-stanza-type"}),
        (ROOT, {"unsupported-stanza-type", "bad-format", "not-well-formed"}),
        ("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AA==</auth>", {"unsupported-stanza-type"}),
    ],
)
async def test_after_login(server: ServerProcess, text: str, conditions: set[str]) -> None:
    async with logged_in(server.c2s_tls, "mallory") as mallory:
        await mallory.enable()
        mallory.send(text)
        ending = await mallory.rest(5.0)
        assert condition(ending) in conditions
        assert mallory.footer


async def test_nobody_is_impersonated_and_nothing_is_smuggled(server: ServerProcess) -> None:
    async with logged_in(server.c2s_tls, "victim") as victim, logged_in(server.c2s_tls, "mallory") as mallory:
        victim.send("<presence/>")
        await victim.ping()
        evil = "</body></message><message from='admin@localhost'><body>]]> \u2665 \U0001f339"
        text = evil.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        for sender in ("", " from='mallory@localhost'", f" from='{mallory.jid}'"):
            mallory.send(f"<message{sender} id='&lt;a&#9;&#10;b&gt;&apos;&quot;' to='{victim.jid}' type='chat'>")
            for (
                byte
            ) in f"<body>{text}</body><x xmlns='urn:x' y='&quot;&apos;&#9;'><![CDATA[<&>]]></x></message>".encode():
                mallory.send(bytes([byte]))
            heard = await victim.until(lambda element: element.tag == CLIENT + "message")
            assert heard.get("from") == mallory.jid
            assert heard.get("id") == "<a\t\nb>'\""
            assert heard.findtext(CLIENT + "body") == evil
            assert heard.findtext("{urn:x}x") == "<&>"
        push = "<query xmlns='jabber:iq:roster'><item jid='evil@localhost'/></query>"
        mallory.send(f"<iq type='set' id='push' to='{victim.jid}'>{push}</iq>")
        await victim.ping()
        roster = await victim.iq("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>")
        assert roster.find(".//{jabber:iq:roster}item") is None


async def test_large_but_lawful_stanzas_pass(server: ServerProcess) -> None:
    async with logged_in(server.c2s_tls, "victim") as victim, logged_in(server.c2s_tls, "mallory") as mallory:
        for body in ("x" * 9_500, "\u20ac" * 60_000):
            mallory.send(f"<message to='{victim.jid}' type='chat'><body>{body}</body></message>")
            heard = await victim.until(lambda element: element.tag == CLIENT + "message")
            assert heard.findtext(CLIENT + "body") == body


async def test_300_silent_connections_do_not_keep_anybody_out(server: ServerProcess) -> None:
    async def silent(number: int) -> RawClient:
        client = await RawClient.connect(server.c2s if number % 2 else server.c2s_tls)
        if number % 4 == 0:
            client.send(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a handshake
        return client

    crowd = await asyncio.gather(*map(silent, range(300)))
    loop = asyncio.get_running_loop()
    start = loop.time()
    async with logged_in(server.c2s_tls, "victim") as victim:
        assert loop.time() - start < 5.0
        await victim.ping()

    async def left(one: RawClient) -> None:
        with contextlib.suppress(ParseError):
            await one.rest(NEGOTIATION_S + 5)
        one.abort()

    await asyncio.gather(*map(left, crowd))


@pytest.mark.slow
async def test_1000_aborted_connections(server: ServerProcess) -> None:
    async def aborted(number: int) -> None:
        client = await RawClient.connect(server.c2s)
        client.send(HEADER[: number % len(HEADER) + 1] if number % 2 else HEADER)
        if number % 3 == 0:
            await asyncio.sleep(0.01)
        client.abort()

    for start in range(0, 1000, 50):
        await asyncio.gather(*(aborted(number) for number in range(start, start + 50)))


async def test_a_slow_reader_costs_a_bounded_queue(server: ServerProcess) -> None:
    count = 5_000
    body = "x" * 4_000
    async with logged_in(server.c2s_tls, "victim") as victim, logged_in(server.c2s_tls, "mallory") as mallory:
        await victim.ping()
        victim.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport for reading, too
        before = server.rss_bytes
        for number in range(count):
            mallory.send(f"<message to='{victim.jid}' type='headline'><body>{number} {body}</body></message>")
            if number % 100 == 0:
                await mallory.writer.drain()
        await mallory.ping(30.0)
        assert server.rss_bytes - before < 64 << 20
        assert any(line["event"] == "slow-reader" for line in server.log)


async def test_floods_are_answered(server: ServerProcess) -> None:
    async with logged_in(server.c2s_tls, "mallory") as mallory:
        await mallory.enable()
        for _ in range(2_000):
            mallory.request()
        for _ in range(2_000):
            answer = await mallory.read()
            assert answer.tag == SM + "a"
    async with logged_in(server.c2s_tls, "mallory") as mallory:
        for number in range(500):
            mallory.send(f"<presence><priority>{number % 100}</priority></presence>")
        for number in range(2_000):
            mallory.send(f"<message to='nobody{number}@localhost' type='chat'><body>x</body></message>")
        for number in range(300):
            mallory.send(f"<presence type='subscribe' to='nobody{number}@localhost'/>")
        await mallory.ping(30.0)


async def test_an_unanswered_queue_goes_to_storage_when_the_session_ends(server: ServerProcess) -> None:
    async with logged_in(server.c2s_tls, "victim") as victim, logged_in(server.c2s_tls, "mallory") as mallory:
        await victim.enable()
        victim.send("<presence/>")
        await victim.ping()
        for number in range(50):
            mallory.send(f"<message to='victim@localhost' type='chat'><body>kept {number}</body></message>")
        await mallory.ping()
        victim.abort()
        await asyncio.sleep(0.2)
        later = await RawClient.login(server.c2s_tls, "victim", "later")
        later.send("<presence/>")
        texts: list[str] = []
        while len(texts) < 50:
            element = await later.until(lambda element: element.tag == CLIENT + "message")
            text = element.findtext(CLIENT + "body", "")
            if text.startswith("kept "):
                texts.append(text)
        assert texts == [f"kept {number}" for number in range(50)]
        await later.close()


async def test_a_client_that_never_acknowledges_is_let_go_and_nothing_is_lost(server: ServerProcess) -> None:
    count = 2_200
    async with logged_in(server.c2s_tls, "victim") as victim, logged_in(server.c2s_tls, "mallory") as mallory:
        await victim.enable()
        for number in range(count):
            mallory.send(f"<message to='{victim.jid}' type='chat'><body>{number}</body></message>")
        ending = await victim.rest()
        assert condition(ending) in {"resource-constraint", "policy-violation"}
        errors = 0
        kept = []
        async with logged_in(server.c2s_tls, "victim", "later") as later:
            later.send("<presence/>")
            with contextlib.suppress(TimeoutError):
                while True:
                    element = await later.read(1.0)
                    if element.tag == CLIENT + "message":
                        kept.append(int(element.findtext(CLIENT + "body", "")))
        mallory.send("<iq type='get' id='last'><ping xmlns='urn:xmpp:ping'/></iq>")
        while (element := await mallory.read()).get("id") != "last":
            errors += element.get("type") == "error"
        assert len(kept) == len(set(kept))
        assert len(kept) + errors >= count, "each is kept, or its sender is told"
