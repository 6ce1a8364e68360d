"""Signed zones, and a nameserver of the system's packages (unbound) that has them and validates."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.dnssec
import dns.dnssectypes
import dns.zone
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

#: What every zone begins with.
HEAD = """
$ORIGIN {name}.
$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 300
@ NS ns
ns A 127.0.0.1
"""


@dataclass(frozen=True)
class Zone:
    """A zone's file; its key is a trust anchor if it is signed."""

    text: str
    anchor: str = ""


def zone(name: str, records: str, *, signed: bool) -> Zone:
    """Make a zone of records that are relative to its name."""
    made = dns.zone.from_text(HEAD.format(name=name) + records, f"{name}.", relativize=False)
    if not signed:
        return Zone(made.to_text(relativize=False))
    private = ec.generate_private_key(ec.SECP256R1())
    key = dns.dnssec.make_dnskey(private.public_key(), dns.dnssectypes.Algorithm.ECDSAP256SHA256, flags=257)
    now = datetime.now(UTC)
    with made.writer() as changes:
        dns.dnssec.sign_zone(
            made,
            changes,
            [(private, key)],
            inception=now - timedelta(hours=1),
            expiration=now + timedelta(days=1),
            add_dnskey=True,
            dnskey_ttl=300,
        )
    return Zone(made.to_text(relativize=False), f"{name}. 300 IN DNSKEY {key.to_text()}")


@contextlib.contextmanager
def unbound(folder: Path, port: int, zones: Mapping[str, Zone]) -> Iterator[None]:
    """Run the nameserver on a port of 127.0.0.1; `anchors` in the folder has the keys."""
    if not shutil.which("unbound"):
        pytest.skip("unbound is not installed: apt-get install unbound (or make peers)")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "anchors").write_text("".join(f"{each.anchor}\n" for each in zones.values() if each.anchor))
    parts = []
    for name, each in zones.items():
        (folder / f"{name}.zone").write_text(each.text)
        parts.append(
            f'auth-zone:\n  name: "{name}"\n  zonefile: "{folder}/{name}.zone"\n'
            "  for-downstream: no\n  for-upstream: yes\n  fallback-enabled: no\n"
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
{"".join(parts)}""")
    process = subprocess.Popen(["unbound", "-c", str(folder / "unbound.conf")], stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, process, folder)
        yield
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + 10
    while True:
        assert process.poll() is None, (folder / "log").read_text()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline
        time.sleep(0.05)
