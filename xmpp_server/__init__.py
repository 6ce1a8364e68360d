"""An XMPP server: a small, strict core that components plug into."""

__version__ = "0.1.0"
