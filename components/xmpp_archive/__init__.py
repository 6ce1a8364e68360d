"""An archive for XMPP servers, as an external component: XEP-0313, XEP-0441; see docs/archive-protocol.md."""
