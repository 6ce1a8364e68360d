"""The real server as a process of its own: started on free ports in a throw-away folder, watched, killed, restarted."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.logged_process import LoggedProcess

ROOT = Path(__file__).parent.parent
#: `XMPP_SERVER` names the server of another installation, to test that one.
COMMAND = Path(os.environ.get("XMPP_SERVER") or Path(sys.executable).with_name("xmpp-server"))
DOMAIN = "localhost"
PASSWORD = "swordfish"
START_TIMEOUT_S = 30.0

Address = tuple[str, int]

_COMPLAINT = re.compile(r"Traceback|Warning:|Exception ignored|^Fatal")

_LISTEN = """\
[listen]
c2s = ["127.0.0.1:0"]
c2s_tls = ["127.0.0.1:0"]
s2s = []
s2s_tls = []
component = []
http = ["127.0.0.1:0"]
https = []
"""


class ServerProcess(LoggedProcess):
    """`xmpp-server run` on one data folder; the ports change with every start, the data stays."""

    def __init__(
        self,
        folder: Path,
        config: str = "",
        *,
        top: str = "",
        domain: str = DOMAIN,
        listen: str = _LISTEN,
        component: int | None = None,
        within: Sequence[str] = (),
    ) -> None:
        """Write the configuration.

        Args:
            folder: Where the configuration, the data and the log are.
            config: Further tables of the configuration.
            top: Further keys before the first table.
            domain: The domain that it serves.
            listen: The table of doors.
            component: The port of a door for components; 0: one that is free.
            within: A command that starts the server: in another network, say.

        """
        super().__init__(folder / "server.log")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.data = folder / "data"
        self.config_file = folder / "server.toml"
        if component is not None:
            listen = listen.replace("component = []", f'component = ["127.0.0.1:{component}"]')
        self.config_file.write_text(f'domains = ["{domain}"]\ndata_dir = "data"\n{top}\n{listen}\n{config}')
        self.domain = domain
        self._within = within
        self.addresses: dict[str, Address] = {}
        #: The lines of the log up to the latest start.
        self._seen = 0

    @property
    def c2s(self) -> Address:
        """The door for STARTTLS."""
        return self.addresses["c2s"]

    @property
    def c2s_tls(self) -> Address:
        """The door for direct TLS."""
        return self.addresses["c2s_tls"]

    @property
    def rss_bytes(self) -> int:
        """What the server has in memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize()

    def start(self, *, files: int | None = None) -> None:
        """Start, and wait until the doors are open; `files` limits the open file descriptors."""
        assert self._process is None, "the server runs already"
        self._seen = len(self.log)
        limit = [] if files is None else ["prlimit", f"--nofile={files}:{files}"]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._within, *limit, str(COMMAND), "--config", str(self.config_file), "run"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        self.await_start()

    def await_start(self) -> None:
        """Wait until the doors are open: after `start`, or when the server starts again by itself."""
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            for number, line in enumerate(self.log[self._seen :], self._seen + 1):
                if line["event"] == "started":
                    self._seen = number
                    self.addresses = {name: _address(doors) for name, doors in line.items() if _is_doors(doors)}
                    return
            time.sleep(0.02)
        self.kill()
        raise AssertionError(f"the server did not start:\n{self.log_file.read_text()[-4000:]}")

    @contextlib.contextmanager
    def serving(self, *users: str) -> Iterator[ServerProcess]:
        """Run it, with these accounts; at the end it must stop in good order, and have logged no mistake."""
        self.start()
        try:
            if users:
                self.add_users(*users)
            yield self
            assert self.failures() == []
            assert self.stop() == 0
        finally:
            self.kill()

    def restart(self) -> None:
        """Stop in good order and start again."""
        assert self.stop() == 0
        self.start()

    def run(self, *arguments: str, stdin: str = "") -> str:
        """Run a command of the command line on this server; return what it prints."""
        done = subprocess.run(
            [str(COMMAND), "--config", str(self.config_file), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def add_users(self, *names: str, password: str = PASSWORD) -> None:
        """Add accounts that are not there yet, all in one go: from an XEP-0227 file."""
        users = "".join(f"<user name='{name}' password='{password}'/>" for name in names)
        file = self.folder / "users.xml"
        file.write_text(f"<server-data xmlns='urn:xmpp:pie:0'><host jid='{self.domain}'>{users}</host></server-data>")
        self.run("import", str(file))

    def failures(self) -> list[dict[str, object]]:
        """The lines of the log that tell of a mistake in the server: exceptions, and complaints of Python itself."""
        return [line for line in self.log if "exception" in line or _COMPLAINT.search(str(line["event"]))]


def _is_doors(value: object) -> bool:
    return isinstance(value, list) and bool(value) and ":" in str(value[0])


def _address(doors: object) -> Address:
    assert isinstance(doors, list)
    host, _, port = str(doors[0]).rpartition(":")
    return host, int(port)


def trusting() -> ssl.SSLContext:
    """Return a TLS client context that takes the server's self-signed certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def need(program: str, package: str) -> str:
    """Return the path of a program, or skip the test by the name of what is to be installed."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed: apt-get install {package} (or make peers)")
    return found


def environment(folder: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment whose home and XDG folders are in `folder`, for a client that must touch no other."""
    folder.mkdir(parents=True, exist_ok=True)
    places = {"HOME": "", "XDG_CONFIG_HOME": ".config", "XDG_DATA_HOME": ".local/share", "XDG_CACHE_HOME": ".cache"}
    own = {name: str(folder / place) for name, place in places.items()}
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TZ")}
    return {**kept, "LANG": "C.UTF-8", "TERM": "xterm-256color", **own, **(more or {})}
