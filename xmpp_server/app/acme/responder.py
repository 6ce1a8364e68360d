"""RFC 8555 §8.3: answers the CA's HTTP requests, while a certificate is being issued and not a moment longer."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from xmpp_server.net import addresses

PREFIX = "/.well-known/acme-challenge/"
#: A client that has not sent its request by then is hung up on.
REQUEST_S = 10.0
#: Requests under way at one time; more wait to be accepted. The port is open to everybody.
AT_ONCE = 50


class _Server(ThreadingHTTPServer):
    """Serves texts by path on a socket that listens already."""

    daemon_threads = True

    def __init__(self, listening: socket.socket, texts: Mapping[str, str]) -> None:
        super().__init__(("", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        listening.setblocking(True)
        self.socket = listening
        self.texts = texts
        self._free = threading.Semaphore(AT_ONCE)

    def get_request(self) -> tuple[socket.socket, object]:
        """Accept a connection as soon as there is a place for it."""
        self._free.acquire()
        try:
            return super().get_request()
        except BaseException:
            self._free.release()
            raise

    def shutdown_request(self, request: object) -> None:
        """End a request."""
        try:
            super().shutdown_request(request)  # type: ignore[arg-type]  # typeshed: a socket, or UDP's pair
        finally:
            self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up or stall."""


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    timeout = REQUEST_S
    server: _Server

    def do_GET(self) -> None:
        """Answer with the text for the path."""
        text = self.server.texts.get(self.path)
        if text is None:
            self.send_error(404)
            return
        data = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")  # §8.3
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def version_string(self) -> str:
        """Name the program without its version."""
        return "xmpp-server"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Log nothing: anybody may knock."""


@contextmanager
def answering(doors: Sequence[str], texts: Mapping[str, str]) -> Iterator[None]:
    """Serve `texts` (by token) on addresses of the forms of `addresses.parse_address`.

    Raises:
        OSError: One cannot be listened on.

    """
    by_path = {PREFIX + token: text for token, text in texts.items()}
    sockets = asyncio.run(addresses.bind(doors))
    servers = [_Server(one, by_path) for one in sockets]
    threads = [threading.Thread(target=one.serve_forever, args=(0.1,), daemon=True) for one in servers]
    try:
        for thread in threads:
            thread.start()
        yield
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            thread.join()
        addresses.close(sockets)
