"""RFC 9773: a CA that wants a certificate renewed before its time is asked for another one."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from tests.federation import certificate
from xmpp_server.app.acme.job import Item, Job
from xmpp_server.app.acme.memory import Memory
from xmpp_server.app.acme.renewal import run

NAME = "xmpp.test"


class Authority:
    """A CA that answers questions about renewal, and issues nothing."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        #: How far away the time is that it suggests; None: it is at a loss.
        self.days: float | None = None
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                answer = outer.answer(self.path)
                data = json.dumps(answer or {}).encode()
                self.send_response(200 if answer else 500)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost").configure_cert(context)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, path: str) -> dict[str, object] | None:
        if path == "/dir":
            return {"newNonce": f"{self.url}/nonce", "newAccount": f"{self.url}/a", "renewalInfo": f"{self.url}/ari"}
        if self.days is None:
            return None
        start = datetime.now(UTC) + timedelta(days=self.days)
        window = {"start": start.isoformat(), "end": (start + timedelta(hours=1)).isoformat()}
        return {"suggestedWindow": window}


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    one = Authority(tmp_path)
    yield one
    one.server.shutdown()
    one.server.server_close()


@pytest.fixture
def job(tmp_path: Path, authority: Authority) -> Job:
    """A certificate that is good for years."""
    folder = tmp_path / "acme"
    path = certificate(folder, trustme.CA(), NAME).certificate
    directory = f"{authority.url}/dir"
    Memory(folder).succeeded(path, directory)
    return Job(directory, (), str(authority.ca), str(folder), ("127.0.0.1:0",), (), (Item(path, (NAME,)),))


@pytest.mark.parametrize(("days", "due"), [(-1.0, True), (30.0, False), (None, False)])
async def test_when_the_ca_wants_it(job, authority, days, due):
    authority.days = days
    (outcome,) = (await run(job)).outcomes
    assert bool(outcome.error) is due  # it was tried: this one issues nothing
    assert authority.asked[0] == "/dir"
    assert authority.asked[1].startswith("/ari/")
    if days == 30.0:
        assert outcome.renew_at is not None
        assert abs(outcome.renew_at - (datetime.now(UTC) + timedelta(days=30)).timestamp()) < 7200
