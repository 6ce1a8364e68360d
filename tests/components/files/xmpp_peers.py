"""The component as a program of its own, and the servers it is plugged into: ours and Prosody."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import trustme

from tests.logged_process import LoggedProcess
from tests.peers import DOMAIN, PASSWORD, Address, ServerProcess, need
from tests.ports import free_ports

SECRET = "component s3cret"
DOMAINS = (f"upload.{DOMAIN}", f"proxy.{DOMAIN}")
USERS = ("romeo", "juliet")
START_TIMEOUT_S = 30.0
COMMAND = Path(sys.executable).with_name("xmpp-files")


class Program(LoggedProcess):
    """`xmpp-files` on one folder; `more` are further tables, `doors` keys of `[http]`."""

    def __init__(
        self,
        folder: Path,
        port: int,
        *,
        doors: str = "",
        more: str = "",
        secret: str = SECRET,
        server: str = "",
        http_port: int = 0,
    ) -> None:
        super().__init__(folder / "files.log")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._config = folder / "files.toml"
        server = server or f'address = "127.0.0.1:{port}"'
        self._config.write_text(
            f'data_dir = "data"\n[server]\n{server}\nsecret = "{secret}"\n'
            f'[http]\nlisten = ["127.0.0.1:{http_port}"]\n{doors}\n[proxy]\nlisten = ["127.0.0.1:0"]\n{more}\n'
        )

    def start(self) -> None:
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [str(COMMAND), "--config", str(self._config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.wait_for("started")

    def wait_for(self, event: str, count: int = 1) -> list[dict[str, object]]:
        """Wait until an event was logged so many times."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            found = [line for line in self.log if line["event"] == event]
            if len(found) >= count:
                return found
            assert self._process is None or self._process.poll() is None, self.log_file.read_text()
            time.sleep(0.02)
        raise AssertionError(f"no {event}:\n{self.log_file.read_text()}")

    @contextlib.contextmanager
    def serving(self) -> Iterator[Program]:
        """Run it, connected for its domains; at the end it must stop in good order, and have logged no mistake."""
        self.start()
        try:
            self.wait_for("connected", len(DOMAINS))
            yield self
            assert self.stop() == 0
            assert [line for line in self.log if "exception" in line or "Traceback" in str(line["event"])] == []
        finally:
            self.stop()


class Server(ABC):
    """A server with two users and a door for the component."""

    c2s: Address
    component: Address

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def stop(self) -> None: ...

    @contextlib.contextmanager
    def running(self) -> Iterator[Self]:
        """Start, and stop at the end."""
        self.start()
        try:
            yield self
        finally:
            self.stop()


class Ours(Server):
    """The project's server."""

    def __init__(self, folder: Path) -> None:
        domains = ", ".join(f'"{domain}"' for domain in DOMAINS)
        config = f'[[components]]\ndomains = [{domains}]\nsecret = "{SECRET}"\n'
        [port] = free_ports(1)
        self.component = "127.0.0.1", port
        self._process = ServerProcess(folder, config, component=port)

    def start(self) -> None:
        self._process.start()
        self._process.add_users(*USERS)
        self.c2s = self._process.c2s

    def stop(self) -> None:
        self._process.stop()


class Prosody(Server):
    """The system's Prosody, on ports of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._program = need("prosody", "prosody")
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.c2s, self.component = (("127.0.0.1", port) for port in free_ports(2))
        certificate = trustme.CA().issue_cert(DOMAIN)
        certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "tls.pem"))
        accounts = folder / "data" / DOMAIN / "accounts"
        accounts.mkdir(parents=True)
        for user in USERS:
            (accounts / f"{user}.dat").write_text(f'return {{ ["password"] = "{PASSWORD}"; }};')
        (folder / "prosody.cfg.lua").write_text(
            f'run_as_root = true\npidfile = "{folder}/pid"\ndata_path = "{folder}/data"\n'
            f'log = {{ info = "{folder}/prosody.log" }}\ninterfaces = {{ "127.0.0.1" }}\n'
            f"c2s_ports = {{ {self.c2s[1]} }}\nc2s_direct_tls_ports = {{ }}\ns2s_ports = {{ }}\n"
            f"http_ports = {{ }}\nhttps_ports = {{ }}\n"
            f'component_interfaces = {{ "127.0.0.1" }}\ncomponent_ports = {{ {self.component[1]} }}\n'
            'modules_enabled = { "disco"; "roster"; "saslauth"; "tls"; "ping" }\nmodules_disabled = { "s2s" }\n'
            'authentication = "internal_plain"\n'
            f'ssl = {{ key = "{folder}/tls.pem", certificate = "{folder}/tls.pem" }}\n'
            f'VirtualHost "{DOMAIN}"\n'
            + "".join(f'Component "{domain}"\n  component_secret = "{SECRET}"\n' for domain in DOMAINS)
            + f'Component "conference.{DOMAIN}" "muc"\n'
        )

    def start(self) -> None:
        with (self._folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [self._program, "--config", str(self._folder / "prosody.cfg.lua"), "-F"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        for address in (self.c2s, self.component):
            while not _answers(address):
                assert time.monotonic() < deadline, (self._folder / "output").read_text()
                time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            finally:
                self._process.kill()
                self._process.wait()
                self._process = None


def _answers(address: Address) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(address) == 0
