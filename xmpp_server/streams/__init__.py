"""Sans-I/O XMPP streams: bytes in, events and bytes out."""
