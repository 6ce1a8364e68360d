"""Pebble, the CA for tests of ACME clients, of the system's packages; its own HTTPS has a certificate of a test CA."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.ports import free_ports

START_TIMEOUT_S = 30.0
#: By itself it waits, refuses and forgets at random.
PREDICTABLE = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}


class Pebble:
    """A running one."""

    def __init__(self, port: int, management_port: int, challenge_port: int, ca: Path) -> None:
        self.directory = f"https://localhost:{port}/dir"
        self.challenge_port = challenge_port
        #: The CA of its HTTPS.
        self.ca = ca
        self._management_port = management_port

    def root(self) -> bytes:
        """Return the root that its certificates lead to, PEM."""
        context = ssl.create_default_context(cafile=str(self.ca))
        connection = http.client.HTTPSConnection("localhost", self._management_port, context=context, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/roots/0")
            return connection.getresponse().read()


@contextlib.contextmanager
def running(
    folder: Path, dns_port: int, *, valid_s: int = 86_400, environ: dict[str, str] | None = None
) -> Iterator[Pebble]:
    """Start one that asks a nameserver of ours; its certificates are good for `valid_s`."""
    program = shutil.which("pebble")
    if program is None:
        pytest.skip("pebble is not installed: apt-get install pebble")
    authority = trustme.CA()
    pair = authority.issue_cert("localhost", "127.0.0.1")
    ca, certificate = folder / "pebble-ca.pem", folder / "pebble.pem"
    authority.cert_pem.write_to_path(str(ca))
    pair.private_key_and_cert_chain_pem.write_to_path(str(certificate))
    port, management_port, challenge_port, tls_challenge_port = free_ports(4)
    settings = {
        "listenAddress": f"127.0.0.1:{port}",
        "managementListenAddress": f"127.0.0.1:{management_port}",
        "certificate": str(certificate),
        "privateKey": str(certificate),
        "httpPort": challenge_port,
        "tlsPort": tls_challenge_port,
        "certificateValidityPeriod": valid_s,
    }
    path = folder / "pebble.json"
    path.write_text(json.dumps({"pebble": settings}))
    with (folder / "pebble.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "-config", str(path), "-dnsserver", f"127.0.0.1:{dns_port}"],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **PREDICTABLE, **(environ or {})},
        )
        try:
            _wait(process, port, folder / "pebble.log")
            yield Pebble(port, management_port, challenge_port, ca)
        finally:
            process.terminate()
            process.wait(10)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    pytest.fail(f"pebble does not start: {log.read_text()}")
