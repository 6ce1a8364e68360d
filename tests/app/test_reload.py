"""New certificates for a running server: SIGHUP, `reload`, and certbot's hook; streams stay open."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest
import trustme
from cryptography import x509

from tests import pebble
from tests.federated_peers import DnsServer
from tests.federation import certificate
from tests.peers import COMMAND, DOMAIN, ServerProcess, need
from tests.raw import RawClient, abort_all

ROOT = Path(__file__).parents[2]
HOOK = ROOT / "config" / "certbot-deploy-hook"
NAME = "xmpp.test"


class Files:
    """The certificate and the key of a server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._authority = trustme.CA()
        self.renew()

    def renew(self) -> bytes:
        """Put another certificate there; return it as DER."""
        pair = Path(certificate(self.folder, self._authority, DOMAIN, NAME).certificate).read_bytes()
        (self.folder / "fullchain.pem").write_bytes(pair)
        (self.folder / "privkey.pem").write_bytes(pair)
        return der(pair)


def der(pem: bytes) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return x509.load_pem_x509_certificates(pem)[0].public_bytes(Encoding.DER)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "certificates")


@pytest.fixture
def server(tmp_path: Path, files: Files) -> Iterator[ServerProcess]:
    tls = f'[tls]\ncertificate = "{files.folder}/fullchain.pem"\nkey = "{files.folder}/privkey.pem"\n'
    process = ServerProcess(tmp_path, config=tls)
    process.add_users("romeo")
    process.start()
    yield process
    failures = process.failures()
    process.kill()
    assert failures == []


@pytest.fixture
async def client(server: ServerProcess) -> AsyncIterator[RawClient]:
    """A client whose stream is open all the while, at the door for STARTTLS."""
    yield await RawClient.login(server.c2s_tls, "romeo")
    await abort_all()


async def run(*command: object, environ: Mapping[str, str] = os.environ) -> subprocess.CompletedProcess[str]:
    """Run a program while the clients of this loop live on."""
    texts = [str(word) for word in command]
    return await asyncio.to_thread(
        subprocess.run, texts, env=dict(environ), capture_output=True, text=True, check=False
    )


async def shown(server: ServerProcess) -> bytes:
    """Return the certificate that a new connection gets, as DER."""
    async with await RawClient.connect(server.c2s_tls, tls=True) as fresh:
        found: bytes = fresh.writer.get_extra_info("ssl_object").getpeercert(True)
        return found


def wait_for(server: ServerProcess, event: str) -> dict[str, object]:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for line in server.log:
            if line["event"] == event:
                return line
        time.sleep(0.02)
    raise AssertionError(f"no {event} in {server.log}")


async def test_sighup_takes_new_certificates_and_no_stream_ends(server, client, files):
    new = files.renew()
    assert await shown(server) != new
    os.kill(server.pid, signal.SIGHUP)
    assert wait_for(server, "certificates-reloaded")["files"] == [f"{files.folder}/fullchain.pem"]
    assert await shown(server) == new
    assert await client.ping() < 1


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("fullchain.pem", "", "no certificate"),
        ("privkey.pem", "-----BEGIN PRIVATE KEY-----\n", "no usable private key"),
        ("privkey.pem", None, "No such file"),
    ],
)
async def test_files_that_are_broken_change_nothing(server, client, files, name, content, reason):
    old = await shown(server)
    path = files.folder / name
    path.unlink()
    if content is not None:
        path.write_text(content)
    os.kill(server.pid, signal.SIGHUP)
    line = wait_for(server, "reload-failed")
    assert line["level"] == "error"
    assert str(path) in str(line["reason"])
    assert reason in str(line["reason"])
    assert await shown(server) == old
    assert await client.ping() < 1
    files.renew()
    os.kill(server.pid, signal.SIGHUP)
    wait_for(server, "certificates-reloaded")
    assert await shown(server) != old


async def test_the_command_says_what_is_wrong(server, client, files):
    new = files.renew()
    assert server.run("reload") == "reloaded\n"
    assert await shown(server) == new
    (row,) = server.run("tls", "list").splitlines()
    assert row.startswith(f"{DOMAIN}, {NAME}\t")
    (files.folder / "privkey.pem").write_bytes(b"")
    done = await run(COMMAND, "--config", server.config_file, "reload")
    assert done.returncode == 1
    assert "all stays as it was" in done.stderr
    assert "privkey.pem" in done.stderr
    assert await shown(server) == new
    assert await client.ping() < 1


def hook_environment(server: ServerProcess, files: Files) -> dict[str, str]:
    return {
        **os.environ,
        "XMPP_LINEAGE": NAME,
        "XMPP_FOLDER": str(files.folder),
        "XMPP_GROUP": str(os.getgid()),
        "XMPP_CONFIG": str(server.config_file),
        "XMPP_SERVER": str(COMMAND),
    }


async def test_certbots_hook_puts_in_force_what_it_has_renewed(server, client, files, tmp_path):
    """The real certbot gets a certificate of a test CA, then renews it; the hook is in its folder of hooks."""
    certbot = need("certbot", "certbot")
    names = DnsServer()
    names.records[NAME, "A"] = ["127.0.0.1"]
    home = tmp_path / "letsencrypt"
    hooks = home / "renewal-hooks" / "deploy"
    hooks.mkdir(parents=True)
    (hooks / "xmpp-server").symlink_to(HOOK)
    try:
        with pebble.running(tmp_path, names.port) as ca:
            environ = {**hook_environment(server, files), "REQUESTS_CA_BUNDLE": str(ca.ca)}
            folders = [
                f"--{kind}-dir={home if kind == 'config' else tmp_path / kind}" for kind in ("config", "work", "logs")
            ]
            asked = [certbot, "-n", *folders, "--server", ca.directory, "--http-01-port", str(ca.challenge_port)]
            got = ["certonly", "--standalone", "--agree-tos", "--register-unsafely-without-email", "-d", NAME]
            seen = {await shown(server)}
            for command in (got, ["renew", "--force-renewal", "--no-random-sleep-on-renew"]):
                done = await run(*asked, *command, environ=environ)
                assert done.returncode == 0, done.stderr
                if command is got:  # certbot calls the folder's hooks at renewals
                    continue
                new = await shown(server)
                assert new not in seen
                assert new == der((home / "live" / NAME / "fullchain.pem").read_bytes())
                assert await client.ping() < 1
    finally:
        names.close()
    assert (files.folder / "privkey.pem").stat().st_mode & 0o777 == 0o640


async def test_the_hook_minds_its_own_certificate_and_fails_if_the_server_cannot_use_it(server, files, tmp_path):
    environ = hook_environment(server, files)
    others = {**environ, "RENEWED_LINEAGE": "/etc/letsencrypt/live/other.test"}
    assert (await run(HOOK, environ=others)).returncode == 0
    broken = tmp_path / NAME
    broken.mkdir()
    for name in ("fullchain.pem", "privkey.pem"):
        (broken / name).write_text("")
    done = await run(HOOK, environ={**environ, "RENEWED_LINEAGE": str(broken)})
    assert done.returncode == 1
    assert "all stays as it was" in done.stderr
