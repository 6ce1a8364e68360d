"""Certificates of a real CA for the running server: issued, renewed, refused; streams stay open all the while."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import ssl
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
import structlog
from cryptography import x509

from tests import pebble
from tests.app import live_server
from tests.app.live_server import door
from tests.federated_peers import DnsServer
from tests.peers import Address
from tests.ports import free_ports
from tests.raw import RawClient
from xmpp_server.app.acme.renewal import Renewal, RenewalError, job_for, run
from xmpp_server.app.metrics import Counters
from xmpp_server.app.server import Server
from xmpp_server.app.settings import S2S, Acme, Config, Dns, Tls

DOMAIN = "xmpp.test"
ROOMS = "conference.xmpp.test"
#: As short as it can be: the renewal after two thirds of it is waited for.
SHORT_S = 9


@pytest.fixture
def names() -> Iterator[DnsServer]:
    server = DnsServer()
    server.records[DOMAIN, "A"] = ["127.0.0.1"]
    server.records[ROOMS, "A"] = ["127.0.0.1"]
    yield server
    server.close()


@pytest.fixture
def ca(tmp_path: Path, names: DnsServer) -> Iterator[pebble.Pebble]:
    with pebble.running(tmp_path, names.port) as one:
        yield one


def settings(folder: Path, ca: pebble.Pebble, names: DnsServer) -> Config:
    acme = Acme(
        enabled=True,
        directory=ca.directory,
        contact=("admin@xmpp.test",),
        terms_agreed=True,
        http=(f"127.0.0.1:{ca.challenge_port}",),
        ca=str(ca.ca),
    )
    config = live_server.settings(folder / "data", tls=Tls(acme=acme))
    s2s = S2S(enabled=False, dns=Dns(nameservers=(f"127.0.0.1:{names.port}",)))
    return msgspec.structs.replace(config, domains=(DOMAIN,), s2s=s2s)


async def shown(address: Address, name: str = DOMAIN, root: bytes = b"") -> x509.Certificate:
    """Return the certificate that a door shows for a name; with `root` it must be good."""
    context = ssl.create_default_context(cadata=root.decode()) if root else ssl.create_default_context()
    if not root:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["xmpp-client"])
    _, writer = await asyncio.open_connection(*address, ssl=context, server_hostname=name)
    try:
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(der)
    finally:
        writer.transport.abort()


async def until_other(address: Address, old: x509.Certificate, timeout_s: float = 30.0) -> x509.Certificate:
    """Wait until a door shows another certificate than `old`."""
    async with asyncio.timeout(timeout_s):
        new = old
        while new == old:
            new = await shown(address)
    return new


@contextlib.asynccontextmanager
async def chatting(server: Server) -> AsyncIterator[RawClient]:
    """A client whose stream was opened before."""
    client = await RawClient.connect(door(server, "c2s_tls"), tls=True)
    client.header = client.header.replace("localhost", DOMAIN)
    await client.sign_in("romeo", live_server.PASSWORD, "raw")
    async with client:
        yield client


async def test_a_certificate_is_issued_and_renewed_while_a_stream_stays_open(tmp_path, names):
    proved_for_good = {"PEBBLE_AUTHZREUSE": "100"}
    with pebble.running(tmp_path, names.port, valid_s=SHORT_S, environ=proved_for_good) as ca:
        config = settings(tmp_path, ca, names)
        async with live_server.running(config, "romeo") as server, chatting(server) as client:
            placeholder = client.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            address = door(server, "c2s_tls")
            first = await until_other(address, x509.load_der_x509_certificate(placeholder))
            root = ca.root()
            assert await shown(address, DOMAIN, root) == first
            assert await shown(address, ROOMS, root) == first
            assert await client.ping() < 1
            second = await until_other(address, first)  # two thirds of its time are over
            assert await shown(address, DOMAIN, root) == second
            assert await client.ping() < 1
            assert second.not_valid_before_utc < first.not_valid_after_utc
            assert second.public_key() != first.public_key()


def test_only_the_server_can_read_what_it_keeps(tmp_path, ca, names):
    config = settings(tmp_path, ca, names)
    assert [outcome.error for outcome in asyncio.run(run(job_for(config))).outcomes] == [""]
    folder = Path(config.data_dir) / "acme"
    kept = {path.name.partition("-")[0]: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert kept == {"account": 0o600, "state.json": 0o600, f"{DOMAIN}.pem": 0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_nothing_is_asked_for_before_its_time_unless_the_names_or_the_ca_change(tmp_path, ca, names):
    del names.records[ROOMS, "A"]
    config = settings(tmp_path, ca, names)

    async def issued(changed: Config = config, *, force: bool = False) -> list[tuple[str, ...]]:
        outcomes = (await run(job_for(changed, force=force))).outcomes
        assert [outcome.error for outcome in outcomes] == [""]
        return [outcome.names for outcome in outcomes if outcome.issued]

    assert await issued() == [(DOMAIN,)]  # the rooms have no address yet
    assert await issued() == []
    names.records[ROOMS, "A"] = ["127.0.0.1"]
    assert await issued() == [(DOMAIN, ROOMS)]
    assert await issued() == []
    assert await issued(force=True) == [(DOMAIN, ROOMS)]
    (state,) = (Path(config.data_dir) / "acme").glob("state.json")
    other = json.loads(state.read_text())
    other[f"{DOMAIN}.pem"]["directory"] = "https://another.test/dir"
    state.write_text(json.dumps(other))
    assert await issued() == [(DOMAIN, ROOMS)]


async def test_a_ca_that_has_forgotten_us_gets_to_know_us_again(tmp_path, ca, names):
    config = settings(tmp_path, ca, names)
    assert (await run(job_for(config))).outcomes[0].issued
    again = tmp_path / "again"
    again.mkdir()
    with pebble.running(again, names.port) as other:
        (key,) = (Path(config.data_dir) / "acme").glob("account-*.pem")
        changed = settings(tmp_path, other, names)
        assert (await run(job_for(changed))).outcomes[0].issued
        assert key.exists()
        assert len(list(key.parent.glob("account-*.pem"))) == 2


async def test_what_goes_wrong_is_told_and_the_old_certificate_stays(tmp_path, ca, names):
    config = settings(tmp_path, ca, names)
    async with live_server.running(config) as server:
        first = await until_other(door(server, "c2s_tls"), await shown(door(server, "c2s_tls")))
        names.records[DOMAIN, "A"] = ["127.0.0.9"]  # the CA looks for us somewhere else
        with structlog.testing.capture_logs() as logged:
            report = await server.renewal.visit(force=True)
        (outcome,) = report.outcomes
        assert not outcome.issued
        assert DOMAIN in outcome.error
        assert "connection refused" in outcome.error
        assert [line["log_level"] for line in logged if line["event"] == "acme-failed"] == ["error"]
        assert await shown(door(server, "c2s_tls")) == first
        state = json.loads((Path(config.data_dir) / "acme" / "state.json").read_text())
        assert state[f"{DOMAIN}.pem"]["failures"] == 1
        assert (server.counters.certificates_issued, server.counters.certificate_failures) == (1, 1)


async def test_one_that_cannot_be_had_does_not_keep_another_back(tmp_path, ca, names):
    names.records["other.test", "A"] = ["127.0.0.9"]
    config = msgspec.structs.replace(settings(tmp_path, ca, names), domains=("other.test", DOMAIN))
    outcomes = (await run(job_for(config))).outcomes
    assert [(outcome.issued, bool(outcome.error)) for outcome in outcomes] == [(False, True), (True, False)]


async def test_a_ca_that_is_not_there(tmp_path, ca, names):
    config = settings(tmp_path, ca, names)
    [nobody] = free_ports(1)
    gone = msgspec.structs.replace(config.tls.acme, directory=f"https://localhost:{nobody}/dir")
    job = job_for(msgspec.structs.replace(config, tls=Tls(acme=gone)))
    (outcome,) = (await run(job)).outcomes
    assert "cannot be used" in outcome.error


async def test_a_port_that_is_taken(tmp_path, ca, names):
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", ca.challenge_port)
    async with taken:
        (outcome,) = (await run(job_for(settings(tmp_path, ca, names)))).outcomes
    assert f"cannot listen on 127.0.0.1:{ca.challenge_port}" in outcome.error


@pytest.mark.parametrize("asked", [True, False])
async def test_a_stop_does_not_wait_for_a_ca_that_hangs(tmp_path, ca, names, monkeypatch, asked):
    monkeypatch.setattr("xmpp_server.app.acme.renewal.FIRST_LOOK_S", 60.0 if asked else 0.0)
    connected = asyncio.Event()

    def connect() -> asyncio.Protocol:
        connected.set()
        return asyncio.Protocol()

    hanging = await asyncio.get_running_loop().create_server(connect, "127.0.0.1", 0)
    acme = settings(tmp_path, ca, names).tls.acme
    port = hanging.sockets[0].getsockname()[1]
    slow = Tls(acme=msgspec.structs.replace(acme, directory=f"https://localhost:{port}/dir"))
    config = msgspec.structs.replace(settings(tmp_path, ca, names), tls=slow)
    async with hanging, live_server.running(config) as server:
        visit = asyncio.create_task(server.renewal.visit()) if asked else None
        async with asyncio.timeout(20):
            await connected.wait()
        async with asyncio.timeout(5):
            await server.renewal.stop()
            if visit is not None:
                with pytest.raises(RenewalError, match="stops"):
                    await visit


async def test_there_must_be_something_to_do(tmp_path, monkeypatch):
    with pytest.raises(RenewalError, match="not enabled"):
        job_for(Config(data_dir=str(tmp_path)))
    local = Config(data_dir=str(tmp_path), tls=Tls(acme=Acme(enabled=True, terms_agreed=True)))
    with pytest.raises(RenewalError, match="no domain"):
        job_for(local)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RenewalError, match=r"xmpp-server\[acme\]"):
        job_for(local)


async def test_a_child_that_fails_as_a_whole_is_told(tmp_path, monkeypatch):
    config = Config(
        domains=(DOMAIN,), data_dir=str(tmp_path), tls=Tls(acme=Acme(enabled=True, ca=os.devnull, terms_agreed=True))
    )
    monkeypatch.setattr("sys.executable", "/bin/false")
    renewal = Renewal(lambda: config, Counters(), lambda: None)
    with pytest.raises(RenewalError, match="failed: 1"):
        await renewal.visit()
