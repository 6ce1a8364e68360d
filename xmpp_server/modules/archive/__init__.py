"""XEP-0313: Message Archive Management, by an external component (docs/archive-protocol.md)."""

from xmpp_server.modules.archive.module import Archive

__all__ = ["Archive"]
