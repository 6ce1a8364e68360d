"""A nameserver of the system's packages that validates: zones that are signed, not signed, and tampered with."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.dnssec
import dns.dnssectypes
import dns.rdataset
import dns.zone
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.federated_peers import free_ports
from xmpp_server.net.dane import Association, Tlsa
from xmpp_server.net.dns import Resolver
from xmpp_server.net.lookup import LookupFailedError

RECORDS = """
$ORIGIN {zone}.
$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 300
@ NS ns
ns A 127.0.0.1
_xmpp-server._tcp SRV 0 5 5269 host
host A 127.0.0.9
_5269._tcp.host TLSA 3 1 1 {data}
_xmpp-server._tcp.far SRV 0 5 5269 host.plain.example.
"""
DATA = "ab" * 32
RECORD = Tlsa(3, 1, 1, bytes.fromhex(DATA))


def write_zone(folder: Path, name: str, *, signed: bool, tampered: bool = False) -> str | None:
    """Write a zone's file; return its key as a trust anchor if it is signed."""
    zone = dns.zone.from_text(RECORDS.format(zone=name, data=DATA), f"{name}.", relativize=False)
    anchor = None
    if signed:
        private = ec.generate_private_key(ec.SECP256R1())
        key = dns.dnssec.make_dnskey(private.public_key(), dns.dnssectypes.Algorithm.ECDSAP256SHA256, flags=257)
        now = datetime.now(UTC)
        with zone.writer() as changes:
            dns.dnssec.sign_zone(
                zone,
                changes,
                [(private, key)],
                inception=now - timedelta(hours=1),
                expiration=now + timedelta(days=1),
                add_dnskey=True,
                dnskey_ttl=300,
            )
        anchor = f"{name}. 300 IN DNSKEY {key.to_text()}"
    text = zone.to_text(relativize=False)
    (folder / f"{name}.zone").write_text(text.replace(DATA, "cd" * 32) if tampered else text)
    return anchor


@pytest.fixture(scope="module")
def unbound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start unbound with three zones; its address."""
    if not shutil.which("unbound"):
        pytest.skip("unbound is not installed: apt-get install unbound (or make peers)")
    folder = tmp_path_factory.mktemp("unbound")
    [port] = free_ports("127.0.0.1", 1)
    anchors = [
        write_zone(folder, "signed.example", signed=True),
        write_zone(folder, "tampered.example", signed=True, tampered=True),
    ]
    write_zone(folder, "plain.example", signed=False)
    (folder / "anchors").write_text("\n".join(anchor for anchor in anchors if anchor) + "\n")
    zones = "".join(
        f'auth-zone:\n  name: "{name}.example"\n  zonefile: "{folder}/{name}.example.zone"\n'
        "  for-downstream: no\n  for-upstream: yes\n  fallback-enabled: no\n"
        for name in ("signed", "tampered", "plain")
    )
    (folder / "unbound.conf").write_text(f"""
server:
  interface: 127.0.0.1@{port}
  port: {port}
  do-daemonize: no
  chroot: ""
  username: ""
  directory: "{folder}"
  pidfile: "{folder}/pid"
  use-syslog: no
  logfile: "{folder}/log"
  num-threads: 1
  module-config: "validator iterator"
  trust-anchor-file: "{folder}/anchors"
remote-control:
  control-enable: no
{zones}""")
    process = subprocess.Popen(["unbound", "-c", str(folder / "unbound.conf")], stderr=subprocess.DEVNULL)
    try:
        wait_for(port, process, folder)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def wait_for(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + 10
    while True:
        assert process.poll() is None, (folder / "log").read_text()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline
        time.sleep(0.05)


async def associations(nameserver: str, domain: str, *, validated: bool = True) -> Association:
    resolver = Resolver([nameserver], now=time.monotonic, validated=validated)
    [target] = await resolver.targets(domain)
    return await resolver.associations(target)


async def test_a_signed_zone(unbound):
    assert await associations(unbound, "signed.example") == Association((RECORD,), ("host.signed.example",))


async def test_a_zone_that_is_not_signed(unbound):
    assert await associations(unbound, "plain.example") == Association()


async def test_from_a_signed_zone_into_one_that_is_not(unbound):
    """The name of the target is certain, its records are not."""
    assert await associations(unbound, "far.signed.example") == Association((), ("host.plain.example",))


async def test_a_zone_that_was_tampered_with(unbound):
    with pytest.raises(LookupFailedError):
        await associations(unbound, "tampered.example")


async def test_whoever_does_not_believe_the_nameserver(unbound):
    assert await associations(unbound, "signed.example", validated=False) == Association()
