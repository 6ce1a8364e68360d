"""The program plugged into real servers, used by slixmpp's clients: XEP-0363 and XEP-0065 from end to end."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
import slixmpp
from PIL import Image
from slixmpp.exceptions import IqError
from slixmpp.plugins.xep_0363 import FileTooBig

from tests.components.files.test_thumbnail_worker import image
from tests.components.files.xmpp_peers import DOMAINS, SECRET, Ours, Program, Prosody, Server
from tests.interop.aio import AioPeer
from tests.interop.slix import SlixClient
from tests.peers import DOMAIN, ServerProcess

UPLOAD, PROXY = DOMAINS
LIMITS = "[upload]\nmax_file_bytes = 100000\n[quota]\nmin_free_bytes = 0\nuser_day_bytes = 250000\n"
THUMBNAILS = "[thumbnails]\nenabled = true\nside = 20\n"
MONITOR = '[monitor]\nlisten = ["127.0.0.1:0"]\n'


@pytest.fixture(scope="module", params=[Prosody, Ours])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server: Server = request.param(tmp_path_factory.mktemp(request.param.__name__.lower()) / "server")
    with server.running():
        yield server


@pytest.fixture(scope="module")
def program(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    program = Program(tmp_path_factory.mktemp("files"), server.component[1], more=LIMITS + THUMBNAILS + MONITOR)
    with program.serving():
        yield program


@pytest.fixture
async def romeo(server: Server, program: Program) -> AsyncIterator[SlixClient]:
    client = SlixClient("romeo", plugins=("xep_0030", "xep_0065", "xep_0199", "xep_0363"))
    yield await client.online(server.c2s)
    await client.offline()


@pytest.fixture
async def juliet(server: Server, program: Program) -> AsyncIterator[SlixClient]:
    client = SlixClient("juliet", plugins=("xep_0030", "xep_0065", "xep_0199", "xep_0363"))
    yield await client.online(server.c2s)
    await client.offline()


async def test_the_upload_service_is_discovered(romeo):
    info = await romeo.plugin["xep_0363"].find_upload_service()
    assert info is not None
    assert info["from"].full == UPLOAD
    disco = info["disco_info"]
    assert ("store", "file", None, "HTTP File Upload") in disco["identities"]
    purposes = {feature.partition("#")[2] for feature in disco["features"] if ":purpose:0#" in feature}
    assert purposes == {"message", "profile", "ephemeral"}
    (form,) = disco.iterables
    assert form["values"]["FORM_TYPE"] in ("urn:xmpp:http:upload:0", ["urn:xmpp:http:upload:0"])
    assert form["values"]["max-file-size"] == "100000"


async def test_a_file_is_uploaded_and_downloaded(romeo):
    data = bytes(range(256)) * 100
    url = await romeo.plugin["xep_0363"].upload_file("très cool.jpg", input_file=io.BytesIO(data), purpose="message")
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert await answer.read() == data
        assert answer.headers["Content-Type"] == "image/jpeg"


async def test_a_large_file_is_refused(romeo):
    upload = romeo.plugin["xep_0363"]
    with pytest.raises(FileTooBig):
        await upload.upload_file("x.bin", input_file=io.BytesIO(bytes(100_001)))
    with pytest.raises(IqError) as refused:
        await upload.request_slot(slixmpp.JID(UPLOAD), "x.bin", 100_001)
    error = refused.value.iq["error"]
    assert (error["condition"], error["type"]) == ("not-acceptable", "modify")
    assert error.xml.findtext(".//{urn:xmpp:http:upload:0}max-file-size") == "100000"


async def test_a_quota_tells_when_to_retry(juliet):
    upload = juliet.plugin["xep_0363"]
    for _ in range(2):
        await upload.request_slot(slixmpp.JID(UPLOAD), "x.bin", 100_000)
    with pytest.raises(IqError) as refused:
        await upload.request_slot(slixmpp.JID(UPLOAD), "x.bin", 100_000)
    assert refused.value.iq["error"]["condition"] == "resource-constraint"
    assert refused.value.iq.xml.find(".//{urn:xmpp:http:upload:0}retry").get("stamp").endswith("Z")


async def test_requests_that_are_not_known_are_answered(romeo):
    for kind, query in (("set", "urn:xmpp:http:upload:0"), ("get", "urn:example:unknown")):
        iq = romeo.make_iq(ito=slixmpp.JID(UPLOAD), itype=kind)
        iq.append(slixmpp.xmlstream.ET.Element(f"{{{query}}}request"))
        with pytest.raises(IqError):
            await iq.send(timeout=10)
    await romeo.plugin["xep_0199"].ping(slixmpp.JID(UPLOAD))


async def test_a_bytestream_goes_through_the_proxy(romeo, juliet):
    sender, receiver = romeo.plugin["xep_0065"], juliet.plugin["xep_0065"]
    receiver.auto_accept = True
    received, done = bytearray(), asyncio.Event()
    data = bytes(range(256)) * 4096

    def take(chunk: bytes) -> None:
        received.extend(chunk)
        if len(received) >= len(data):
            done.set()

    juliet.add_event_handler("socks5_data", take)
    proxies = await sender.discover_proxies(timeout=10)
    assert {str(jid) for jid in proxies} == {PROXY}
    stream = await sender.handshake(juliet.boundjid, timeout=10)
    await stream.write(data)
    async with asyncio.timeout(10):
        await done.wait()
    assert bytes(received) == data
    stream.transport.close()


async def test_operators_see_what_was_done(server, program):
    """After the tests above; a program that the server refuses is not well."""
    (address,) = program.wait_for("started")[0]["monitor"]
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://{address}/health") as answer:
            assert await answer.json() == {"status": "ok", "checks": {"upload": True, "proxy": True}}
        async with session.get(f"http://{address}/metrics") as answer:
            lines = (await answer.text()).splitlines()
    counted = {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines) if name[:1] != "#"}
    assert counted["xmpp_files_slots_total"] == 3
    assert counted["xmpp_files_slot_bytes_total"] == 25_600 + 200_000
    assert counted['xmpp_files_slots_refused_total{reason="file-too-large"}'] == 1
    assert counted['xmpp_files_slots_refused_total{reason="retry"}'] == 1
    assert counted["xmpp_files_received_bytes_total"] == 25_600
    assert counted["xmpp_files_proxy_bytes_total"] == 256 * 4096
    assert counted["xmpp_files_stored_bytes"] == 25_600 + 200_000


async def test_aioxmpp_uploads(server, program):
    data = b"a picture" * 1000
    aio = await AioPeer.online("romeo", server.c2s)
    slot = await aio.do("slot", service=UPLOAD, filename="a.png", size=str(len(data)), content_type="image/png")
    async with aiohttp.ClientSession() as session:
        headers = {**slot["headers"], "Content-Type": "image/png"}
        async with session.put(slot["put"], data=data, headers=headers) as answer:
            assert answer.status == 201
        async with session.get(slot["get"]) as answer:
            assert await answer.read() == data
    await aio.offline()


async def test_an_image_has_a_thumbnail(romeo):
    url = await romeo.plugin["xep_0363"].upload_file("rose.jpg", input_file=io.BytesIO(image("JPEG")))
    async with aiohttp.ClientSession() as session, session.get(f"{url}?thumbnail") as answer:
        assert answer.headers["Content-Type"] == "image/jpeg"
        with Image.open(io.BytesIO(await answer.read())) as made:
            assert made.size == (20, 10)


async def test_a_wrong_secret_is_told_and_not_hammered(server, tmp_path):
    program = Program(tmp_path, server.component[1], more=MONITOR, secret="another one")
    program.start()
    try:
        refused = await asyncio.to_thread(program.wait_for, "refused-by-server", 2)
        assert {line["condition"] for line in refused} == {"not-authorized"}
        assert {line["hint"] for line in refused} == {"the server has another secret for this domain"}
        waits = await asyncio.to_thread(program.wait_for, "not-connected", 2)
        assert all(2.5 <= line["retry_s"] <= 5 for line in waits)
        (address,) = program.wait_for("started")[0]["monitor"]
        async with aiohttp.ClientSession() as session, session.get(f"http://{address}/health") as answer:
            assert answer.status == 503
    finally:
        assert program.stop() == 0


@pytest.mark.parametrize("door", ["component_tls", "component"])
def test_doors_of_other_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, door: str) -> None:
    """Direct TLS, with a certificate that is trusted and with one that is not; a Unix socket."""
    domains = ", ".join(f'"{domain}"' for domain in DOMAINS)
    process = ServerProcess(tmp_path / "server", f'[[components]]\ndomains = [{domains}]\nsecret = "{SECRET}"\n')
    text = process.config_file.read_text().replace("component = []", "component = []\ncomponent_tls = []", 1)
    path = tmp_path / "door"
    addresses = '"127.0.0.1:0"' if door == "component_tls" else f'"127.0.0.1:0", "unix:{path}"'
    process.config_file.write_text(text.replace(f"{door} = []", f"{door} = [{addresses}]", 1))
    process.start()
    try:
        where = f'address = "unix:{path}"'
        if door == "component_tls":
            where = f'address = "localhost:{process.addresses[door][1]}"\ntls = true'
            distrustful = Program(tmp_path / "distrustful", 0, server=where)
            distrustful.start()
            (line, *_) = distrustful.wait_for("not-connected")
            assert "certificate verify failed" in str(line["reason"])
            assert distrustful.stop() == 0
            monkeypatch.setenv("SSL_CERT_FILE", str(process.data / "tls" / "self-signed.pem"))
        with Program(tmp_path / "files", 0, server=where).serving():
            pass
    finally:
        process.kill()


async def test_nobody_activates_the_stream_of_others(romeo, juliet):
    """Both peers are connected under Romeo's hash; Juliet's request makes another one."""
    proxies = await romeo.plugin["xep_0065"].discover_proxies(timeout=10)
    ((host, port),) = proxies.values()
    address = hashlib.sha1(f"sid1{romeo.boundjid}{juliet.boundjid}".encode()).hexdigest().encode()
    writers = []
    for _ in range(2):
        reader, writer = await asyncio.open_connection(host, int(port))
        writers.append(writer)
        writer.write(b"\x05\x01\x00")
        await reader.readexactly(2)
        writer.write(b"\x05\x01\x00\x03\x28" + address + b"\x00\x00")
        assert (await reader.readexactly(47))[1] == 0
    with pytest.raises(IqError) as refused:
        await juliet.plugin["xep_0065"].activate(slixmpp.JID(PROXY), "sid1", juliet.boundjid.full)
    assert refused.value.iq["error"]["condition"] == "item-not-found"
    await romeo.plugin["xep_0065"].activate(slixmpp.JID(PROXY), "sid1", juliet.boundjid.full)
    for writer in writers:
        writer.close()


async def test_the_server_comes_back(server, program, romeo):
    """Last of this file: after a restart of the server the component is back by itself."""
    await romeo.offline()
    before = len([line for line in program.log if line["event"] == "connected"])
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)
    await asyncio.to_thread(program.wait_for, "connected", before + 2)
    again = SlixClient("romeo", plugins=("xep_0030", "xep_0199"))
    await again.online(server.c2s)
    await again.plugin["xep_0199"].ping(slixmpp.JID(UPLOAD))
    await again.offline()
    assert DOMAIN in UPLOAD
