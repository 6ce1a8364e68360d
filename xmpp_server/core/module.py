"""What a module author may use; everything else in `core` is private to the kernel.

A module says what it is in class attributes and does what it does in `register`. From these come disco answers, the
list of XEPs in the documentation, and the check of its configuration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeVar

import msgspec

from xmpp_server.core.hooks import (
    AccountLoaded,
    Disco,
    Inbound,
    Outbound,
    PresenceChange,
    SessionEnd,
    SessionState,
    Verdict,
    Wait,
)
from xmpp_server.core.iq import Access, IqRequest, Reply, To
from xmpp_server.core.order import Order
from xmpp_server.core.slots import Slot
from xmpp_server.stanzas.iq import IqType

if TYPE_CHECKING:
    from xmpp_server.core.host import Host

__all__ = [
    "Access",
    "AccountLoaded",
    "Disco",
    "Inbound",
    "IqRequest",
    "IqType",
    "Module",
    "NoConfig",
    "Order",
    "Outbound",
    "PresenceChange",
    "Reply",
    "SessionEnd",
    "SessionState",
    "Slot",
    "To",
    "Verdict",
    "Wait",
    "Xep",
]

M = TypeVar("M", bound="Module")


@dataclass(frozen=True, slots=True)
class Xep:
    """A specification that a module implements, in the version that was read; `note` tells what is left out."""

    number: int
    version: str
    note: str = ""


class NoConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The configuration of a module that has none."""


class Module:
    """One extension. Subclasses set the attributes and override `register`."""

    name: ClassVar[str]
    """The name in the configuration, `[modules.NAME]`."""
    xeps: ClassVar[tuple[Xep, ...]] = ()
    features: ClassVar[tuple[str, ...]] = ()
    """Disco features of the server's domain."""
    account_features: ClassVar[tuple[str, ...]] = ()
    """Disco features of every account's bare JID."""
    needs: ClassVar[tuple[type[Module], ...]] = ()
    """Modules that must be registered before, found with `host.module(Class)`."""
    enabled_by_default: ClassVar[bool] = True
    enabled_with_component: ClassVar[bool] = False
    """Its work is done by an external component: on by default for the hosts that have one."""
    Config: ClassVar[type[msgspec.Struct]] = NoConfig

    def __init__(self, config: msgspec.Struct | None = None) -> None:
        self.config = config if config is not None else self.Config()

    def register(self, host: Host) -> None:
        """Add hooks and handlers to `host`; called once, before the first connection."""
        raise NotImplementedError
