"""Tables that the configurations of all components have."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Natural = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file; unknown keys are errors."""


class Server(Table, frozen=True, kw_only=True):
    """The XMPP server's door for components; either `secret` or `secret_file`."""

    address: str = "127.0.0.1:5347"
    tls: bool = False
    secret: str = ""
    secret_file: str = ""


class Log(Table, frozen=True, kw_only=True):
    """What is logged on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class Monitor(Table, frozen=True, kw_only=True):
    """Doors for /health and /metrics; none by default."""

    listen: tuple[str, ...] = ()
