"""Other people's servers to federate with: Prosody and ejabberd of the system's packages, and the DNS they all ask."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from tests.peers import PASSWORD, Address
from tests.ports import free_ports

START_TIMEOUT_S = 60.0
#: So many the nameserver follows, round in a circle if they are one.
MOST_ALIASES = 30
USERS = ("juliet", "nurse")


class DnsServer:
    """A nameserver on loopback, in a thread of its own; it knows what `records` says and nothing else."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], list[str]] = {}
        #: Says that it has validated what it answers, but for these names; a name of `bogus` fails to validate.
        self.validates = False
        self.unsigned: set[str] = set()
        self.bogus: set[str] = set()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        port: int = self._socket.getsockname()[1]
        return port

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def server(
        self, domain: str, host: str, port: int | None, direct_port: int | None = None, *, named: bool = True
    ) -> None:
        """Say where a domain's server is.

        Args:
            domain: The domain.
            host: Its address.
            port: The door for STARTTLS; None: there is none.
            direct_port: The door for direct TLS.
            named: False: SRV records give the address for a name, as ejabberd leaves names to the system's resolver.

        """
        target = domain if named else host
        self.records[domain, "A"] = [host]
        self.records[f"_xmpp-server._tcp.{domain}", "SRV"] = [f"0 5 {port} {target}."] if port else ["0 0 0 ."]
        if direct_port:
            self.records[f"_xmpps-server._tcp.{domain}", "SRV"] = [f"0 5 {direct_port} {target}."]
        else:
            self.records.pop((f"_xmpps-server._tcp.{domain}", "SRV"), None)

    def _serve(self) -> None:
        while True:
            try:
                data, client = self._socket.recvfrom(4096)
            except OSError:
                return
            if data:
                with contextlib.suppress(OSError):
                    self._socket.sendto(self._answer(data), client)

    def _answer(self, data: bytes) -> bytes:
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        if self.validates and query.flags & dns.flags.AD and name not in self.unsigned:
            answer.flags |= dns.flags.AD
        owner = name
        for _ in range(MOST_ALIASES):
            alias = self.records.get((owner, "CNAME"))
            if not alias or kind == "CNAME":
                break
            answer.answer.append(dns.rrset.from_text(f"{owner}.", 60, "IN", "CNAME", *alias))
            owner = alias[0].rstrip(".")
        found = self.records.get((owner, kind))
        if name in self.bogus:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif found:
            answer.answer.append(dns.rrset.from_text(f"{owner}.".replace("..", "."), 60, "IN", kind, *found))
        elif not any(known == name for known, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer.to_wire()


class Peer(ABC):
    """A server process on one address, with one domain and some users."""

    name: str

    def __init__(self, folder: Path, domain: str, host: str, dns_port: int, certificate: Path, trust: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.domain = domain
        self.host = host
        self.dns_port = dns_port
        #: PEM: a chain and its key.
        self.certificate = certificate
        self.trust = trust
        self.c2s, self.s2s, self.s2s_tls = free_ports(3, host)
        self._process: subprocess.Popen[bytes] | None = None
        self.configure()

    @property
    def address(self) -> Address:
        """The door for clients, in clear."""
        return self.host, self.c2s

    def start(self) -> None:
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**os.environ, **self.environment()},
                cwd=self.folder,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.is_up():
            assert self._process.poll() is None, (self.folder / "output").read_text()[-3000:]
            assert time.monotonic() < deadline, (self.folder / "output").read_text()[-3000:]
            time.sleep(0.05)

    def is_up(self) -> bool:
        for port in (self.c2s, self.s2s, self.s2s_tls):
            with socket.socket() as probe:
                if probe.connect_ex((self.host, port)):
                    return False
        return True

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Let it do nothing for a while."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it in good order."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            self.kill_group()

    def kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self._process is not None:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        self._process = None

    @abstractmethod
    def configure(self) -> None: ...

    @abstractmethod
    def command(self) -> list[str]: ...

    def environment(self) -> dict[str, str]:
        return {}


class Prosody(Peer):
    """Prosody, which stores passwords in plain files."""

    name = "prosody"

    def configure(self) -> None:
        (self.folder / "prosody.cfg.lua").write_text(f"""
run_as_root = true
pidfile = "{self.folder}/prosody.pid"
data_path = "{self.folder}/data"
log = {{ {{ levels = {{ min = "debug" }}, to = "file", filename = "{self.folder}/prosody.log" }} }}
interfaces = {{ "{self.host}" }}
c2s_ports = {{ {self.c2s} }}
c2s_direct_tls_ports = {{ }}
s2s_ports = {{ {self.s2s} }}
s2s_direct_tls_ports = {{ {self.s2s_tls} }}
http_ports = {{ }}
https_ports = {{ }}
modules_enabled = {{
    "disco"; "roster"; "saslauth"; "tls"; "dialback"; "s2s"; "s2s_auth_certs"; "vcard_legacy"; "pep";
    "smacks"; "s2s_bidi"; "ping"; "version"; "posix"; "presence"; "message"; "iq";
}}
unbound = {{
    resolvconf = false;
    forward = "127.0.0.1@{self.dns_port}";
    options = {{ ["do-not-query-localhost:"] = "no"; }};
}}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
s2s_require_encryption = true
authentication = "internal_plain"
ssl = {{ certificate = "{self.certificate}", key = "{self.certificate}", cafile = "{self.trust}", capath = false }}
VirtualHost "{self.domain}"
Component "conference.{self.domain}" "muc"
""")
        accounts = self.folder / "data" / self.domain.replace(".", "%2e") / "accounts"
        accounts.mkdir(parents=True)
        for user in USERS:
            (accounts / f"{user}.dat").write_text(f'return {{ ["password"] = "{PASSWORD}"; }};')

    def command(self) -> list[str]:
        return ["prosody", "--config", str(self.folder / "prosody.cfg.lua"), "-F"]


class Ejabberd(Peer):
    """ejabberd, started with `erl` directly: no service, no distribution."""

    name = "ejabberd"

    def configure(self) -> None:
        def door(port: int, module: str, more: str = "") -> str:
            return f'  - {{port: {port}, ip: "{self.host}", module: {module}{more}}}\n'

        (self.folder / "ejabberd.yml").write_text(
            f"""
loglevel: debug
hosts: ["{self.domain}"]
certfiles: ["{self.certificate}"]
ca_file: "{self.trust}"
default_db: mnesia
auth_method: internal
s2s_use_starttls: required
listen:
"""
            + door(self.c2s, "ejabberd_c2s", ", access: all")
            + door(self.s2s, "ejabberd_s2s_in")
            + door(self.s2s_tls, "ejabberd_s2s_in", ", tls: true")
            + """
modules:
  mod_disco: {}
  mod_roster: {}
  mod_vcard: {}
  mod_vcard_xupdate: {}
  mod_ping: {}
  mod_s2s_dialback: {}
  mod_version: {}
  mod_muc: {}
"""
        )
        (self.folder / "inetrc").write_text(
            f'{{lookup, [dns]}}.\n{{resolv_conf, ""}}.\n{{hosts_file, ""}}.\n'
            f"{{nameserver, {{127,0,0,1}}, {self.dns_port}}}.\n{{cache_size, 0}}.\n"
        )

    def command(self) -> list[str]:
        users = " ".join(
            f'ejabberd_auth:try_register(<<"{user}">>, <<"{self.domain}">>, <<"{PASSWORD}">>),' for user in USERS
        )
        return [
            *("erl", "-noinput", "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"),
            *("-mnesia", "dir", f'"{self.folder}/data"', "-s", "ejabberd"),
            *("-eval", f"{users} ok."),
        ]

    def environment(self) -> dict[str, str]:
        return {
            "ERL_LIBS": str(Path(ejabberd_application() or "/").parent),
            "ERL_INETRC": str(self.folder / "inetrc"),
            "EJABBERD_CONFIG_PATH": str(self.folder / "ejabberd.yml"),
            "EJABBERD_LOG_PATH": str(self.folder / "ejabberd.log"),
            "ERL_CRASH_DUMP_BYTES": "0",
            "HOME": str(self.folder),
        }


def ejabberd_application() -> str | None:
    """Return the folder of the Erlang application."""
    found = [path for path in glob.glob("/usr/lib/*/ejabberd-*") if os.path.exists(f"{path}/ebin/ejabberd.app")]
    return max(found, default=None)


def need(kind: type[Peer]) -> None:
    """Skip the test by the name of what is to be installed."""
    there = shutil.which("prosody") if kind is Prosody else shutil.which("erl") and ejabberd_application()
    if not there:
        pytest.skip(f"{kind.name} is not installed: apt-get install {kind.name} (or make peers)")
