"""The configuration as typed values: one struct for each table of the TOML file, with defaults and units.

`config/example.toml` documents every key; `config.load` reads a file into these.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from xmpp_server.core.component_limits import ComponentLimits
from xmpp_server.core.host import Limits as CoreLimits

#: A path; the loader resolves it from the file's folder. "" stays "".
PathText = Annotated[str, Meta(extra={"path": True})]
#: A secret; the loader also takes KEY_file, the path of a file that holds it.
Secret = Annotated[str, Meta(extra={"secret": True})]
#: "host:port", "[v6]:port" or "unix:PATH"; the loader resolves the path from the file's folder.
Door = Annotated[str, Meta(extra={"door": True})]

Mechanism = Literal[
    "EXTERNAL",
    "SCRAM-SHA-512-PLUS",
    "SCRAM-SHA-512",
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-256",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-1",
    "PLAIN",
    "ANONYMOUS",
]
Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"  # values may be secrets


class Listen(Table, frozen=True, kw_only=True):
    """The doors: lists of addresses; [] closes a door, port 0 takes a free port."""

    c2s: tuple[Door, ...] = ("127.0.0.1:5222",)
    c2s_tls: tuple[Door, ...] = ("127.0.0.1:5223",)
    s2s: tuple[Door, ...] = ("127.0.0.1:5269",)
    s2s_tls: tuple[Door, ...] = ("127.0.0.1:5270",)
    component: tuple[Door, ...] = ("127.0.0.1:5347",)
    component_tls: tuple[Door, ...] = ()
    http: tuple[Door, ...] = ("127.0.0.1:5280",)
    https: tuple[Door, ...] = ("127.0.0.1:5281",)


class DomainTls(Table, frozen=True, kw_only=True):
    """The certificate of one domain, chosen by SNI."""

    certificate: PathText
    key: PathText


class Acme(Table, frozen=True, kw_only=True):
    """Certificates that a CA issues by itself (RFC 8555), proved over HTTP."""

    enabled: bool = False
    directory: str = "https://acme-v02.api.letsencrypt.org/directory"
    contact: tuple[str, ...] = ()
    terms_agreed: bool = False
    domains: tuple[str, ...] = ()
    http: Annotated[tuple[Door, ...], Meta(min_length=1)] = ("*:80",)
    ca: PathText = ""


class Tls(Table, frozen=True, kw_only=True):
    """TLS of all doors."""

    certificate: PathText = ""
    key: PathText = ""
    require: bool = True
    domains: Mapping[str, DomainTls] = {}
    acme: Acme = Acme()


class Auth(Table, frozen=True, kw_only=True):
    """SASL and registration."""

    mechanisms: tuple[Mechanism, ...] = (
        "SCRAM-SHA-256-PLUS",
        "SCRAM-SHA-256",
        "SCRAM-SHA-1-PLUS",
        "SCRAM-SHA-1",
        "PLAIN",
    )
    registration: Literal["closed", "invite", "open"] = "closed"
    scram_iterations: Annotated[int, Meta(ge=10_000, le=1_000_000)] = 10_000
    anonymous: tuple[str, ...] = ()
    client_ca: PathText = ""
    tries_per_stream: Annotated[int, Meta(ge=2, le=5)] = 5
    backoff_after: Positive = 5
    backoff_s: Seconds = 1.0
    backoff_max_s: Seconds = 60.0


class Storage(Table, frozen=True, kw_only=True):
    """Where data is kept."""

    url: Secret = "sqlite:///xmpp.db"
    durability: Literal["full", "process", "relaxed"] = "process"


class Limits(CoreLimits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds that keep a peer from using the server up; a count of 0 where it is allowed means no limit."""

    stanza_bytes: Annotated[int, Meta(ge=10_000)] = 262_144
    stanza_elements: Positive = 10_000
    stanza_depth: Annotated[int, Meta(ge=10, le=200)] = 100
    client_bytes_per_s: Count = 0
    connections_per_address: Count = 1000
    outbox_bytes: Annotated[int, Meta(ge=524_288)] = 1_048_576


class Timeouts(Table, frozen=True, kw_only=True):
    """Times that somebody is waited for, in seconds."""

    negotiation_s: Seconds = 60.0
    close_s: Seconds = 5.0
    drain_s: Seconds = 10.0


class Log(Table, frozen=True, kw_only=True):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"


class Dns(Table, frozen=True, kw_only=True):
    """How names of other servers are looked up."""

    nameservers: tuple[Door, ...] = ()
    deny: tuple[str, ...] = ("0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/128", "fe80::/10", "ff00::/8")


class S2S(Table, frozen=True, kw_only=True):
    """Federation with other servers."""

    enabled: bool = True
    require_tls: bool = True
    verify: Literal["certificate", "certificate-or-dialback"] = "certificate-or-dialback"
    trust: PathText = ""
    dane: bool = False
    posh: bool = False
    idle_s: Seconds = 900.0
    bytes_per_s: Count = 1_000_000
    stanzas_per_s: Count = 1_000
    allow: tuple[str, ...] = ()
    block: tuple[str, ...] = ()
    local_only: tuple[str, ...] = ()
    dns: Dns = Dns()
    routes: Mapping[str, Door] = {}


class Component(Table, frozen=True, kw_only=True):
    """An external component (XEP-0114); it has `secret` or `secret_file`, or `run` and a secret of the server's own."""

    domains: Annotated[tuple[str, ...], Meta(min_length=1)]
    secret: str = ""
    secret_file: PathText = ""
    run: tuple[str, ...] = ()
    folder: PathText = ""
    privileges: tuple[str, ...] = ()
    delegate: tuple[str, ...] = ()
    limits: ComponentLimits = ComponentLimits()


class ServiceSettings(Table, frozen=True, kw_only=True):
    """What a module with a domain of its own has at least; `{domain}` stands for each served domain."""

    domain: str = ""


class ModuleSettings(msgspec.Struct, frozen=True):
    """A module's switch (None: the module's own default) and its table."""

    enabled: bool | None
    config: msgspec.Struct


class Config(Table, frozen=True, kw_only=True):
    """The whole file."""

    domains: Annotated[tuple[str, ...], Meta(min_length=1)] = ("localhost",)
    data_dir: PathText = "var"
    admins: tuple[str, ...] = ()
    listen: Listen = Listen()
    tls: Tls = Tls()
    auth: Auth = Auth()
    storage: Storage = Storage()
    limits: Limits = Limits()
    timeouts: Timeouts = Timeouts()
    log: Log = Log()
    s2s: S2S = S2S()
    components: tuple[Component, ...] = ()
    modules: Mapping[str, ModuleSettings] = {}

    @property
    def data_path(self) -> Path:
        """`data_dir` as a path."""
        return Path(self.data_dir)

    @property
    def storage_url(self) -> str:
        """`storage.url` with a relative SQLite path taken from `data_dir`."""
        scheme, _, path = self.storage.url.partition(":///")
        if scheme != "sqlite" or not path or path.startswith("/"):
            return self.storage.url
        return f"sqlite:///{self.data_path / path}"
