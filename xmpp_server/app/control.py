"""The control socket: how the command line talks to the running server.

A Unix socket that only the server's own user can open. A request is one line of JSON, `{"command": "user.add", ...}`;
the answer is one line, `{"result": ...}` or `{"error": "text"}`; then the server closes the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path

import msgspec
import structlog

log = structlog.get_logger()

SOCKET_NAME = "control.sock"
MAX_REQUEST_BYTES = 1 << 20
REQUEST_TIMEOUT_S = 10.0

Handler = Callable[[dict[str, object]], Awaitable[object]]


class ControlError(Exception):
    """The command failed, for the reason that the text tells the operator."""


class NotRunningError(Exception):
    """No server listens on the control socket."""


class ControlServer:
    """The server's end: answers requests with `handlers`, by command."""

    def __init__(self, path: Path, handlers: Mapping[str, Handler]) -> None:
        self._path = path
        self._handlers = handlers
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; the caller holds the `DataLock`, so a socket that is there already is a dead one's.

        Raises:
            OSError: The socket cannot be made.

        """
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            with contextlib.suppress(FileNotFoundError):
                if not stat.S_ISSOCK(self._path.lstat().st_mode):
                    raise FileExistsError(errno.EEXIST, "no socket, but something else; move it away", str(self._path))
                self._path.unlink()
            with _short(self._path) as address:
                mask = os.umask(0o177)
                try:
                    listener.bind(address)
                finally:
                    os.umask(mask)
            self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=MAX_REQUEST_BYTES)
        except BaseException:
            listener.close()
            raise

    async def close(self) -> None:
        """Stop listening, and wait for the commands under way."""
        if self._server is None:
            return
        self._server.close()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        if self._open:
            await asyncio.wait(self._open)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs us in one
        self._open.add(task)
        try:
            answer = await self._answer(reader)
            writer.write(msgspec.json.encode(answer) + b"\n")
            await writer.drain()
        except ConnectionError:
            pass  # whoever asked is gone
        finally:
            self._open.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> dict[str, object]:
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                line = await reader.readline()
            request = msgspec.json.decode(line, type=dict[str, object])
        except (ValueError, TimeoutError, msgspec.DecodeError):
            return {"error": "not a request"}
        name = request.pop("command", None)
        handler = self._handlers.get(name) if isinstance(name, str) else None
        if handler is None:
            return {"error": f"unknown command {name}"}
        try:
            return {"result": await handler(request)}
        except ControlError as error:
            return {"error": str(error)}
        except Exception:  # a command that fails ends no server
            log.exception("control-failed", command=name)
            return {"error": "internal error; the server's log tells more"}


def request(path: Path, command: str, arguments: Mapping[str, object], timeout_s: float | None = 60.0) -> object:
    """Ask the running server, and return the result; blocks.

    Args:
        path: The control socket.
        command: What to do, as "user.add".
        arguments: Anything that JSON can tell.
        timeout_s: How long to wait for the answer; None waits as long as it takes.

    Raises:
        NotRunningError: Nobody listens.
        ControlError: The command failed, or no answer came.

    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as sock:
        sock.settimeout(timeout_s)
        try:
            with _short(path) as address:
                sock.connect(address)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            raise NotRunningError("the server is not running") from None
        except PermissionError:
            raise ControlError(f"{path}: permission denied; run this as the user of the server") from None
        try:
            sock.sendall(msgspec.json.encode({**arguments, "command": command}) + b"\n")
            with sock.makefile("rb") as file:
                line = file.readline()
        except TimeoutError:
            raise ControlError(f"the server has not answered within {timeout_s:g} s") from None
        except OSError as error:
            raise ControlError(f"the server has hung up: {error.strerror}") from None
    try:
        answer = msgspec.json.decode(line, type=dict[str, object])
    except msgspec.DecodeError:
        raise ControlError("the server has hung up without an answer") from None
    if "error" in answer:
        raise ControlError(str(answer["error"]))
    return answer.get("result")


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """Give an address of a socket that is short enough: the kernel takes 107 bytes, a path may be longer."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
