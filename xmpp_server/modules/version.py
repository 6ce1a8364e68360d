"""XEP-0092: Software Version."""

from __future__ import annotations

import msgspec

from xmpp_server import __version__
from xmpp_server.core.host import Host
from xmpp_server.core.module import IqRequest, IqType, Module, To, Xep
from xmpp_server.xml.element import Element
from xmpp_server.xml.namespaces import VERSION


class VersionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What strangers may know."""

    show_version: bool = True


class Version(Module):
    """Tells the name and version of the server; the operating system is nobody's business."""

    name = "version"
    xeps = (Xep(92, "1.1"),)
    features = (VERSION,)
    Config = VersionConfig

    def register(self, host: Host) -> None:
        """Answer the query."""
        host.on_iq(IqType.GET, To.SERVER, f"{VERSION} query", self.answer)

    def answer(self, request: IqRequest) -> Element:
        """Return name and version (§2)."""
        assert isinstance(self.config, VersionConfig)  # noqa: S101 - `Config` above
        query = Element("query", VERSION)
        query.add("name", text="xmpp-server")
        query.add("version", text=__version__ if self.config.show_version else "hidden")
        return query
