"""`check dns` with `s2s.posh`: whether a domain's own document names the certificate that we show (RFC 7711)."""

from __future__ import annotations

import time
from ipaddress import ip_network
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from xmpp_server.app.finding import Finding, Level
from xmpp_server.app.settings import S2S
from xmpp_server.net.certificates import KeyPair
from xmpp_server.net.dns import Resolver
from xmpp_server.net.posh import PATH, Posh, over_https
from xmpp_server.net.posh_document import PoshError

SUBJECT = "dns"


def asking(s2s: S2S) -> Posh:
    """Return what asks web servers, as the running server does."""
    deny = [ip_network(text) for text in s2s.dns.deny]
    resolver = Resolver(s2s.dns.nameservers, now=time.monotonic, validated=False, deny=deny)
    return Posh(over_https(resolver, Path(s2s.trust) if s2s.trust else None), now=time.monotonic)


async def check_posh(posh: Posh, host: str, pair: KeyPair) -> Finding:
    """Compare what the web server of a domain (in A-labels) says with a certificate."""
    place = f"https://{host}{PATH}"
    try:
        document = await posh.document(host)
    except PoshError as error:
        return Finding(SUBJECT, Level.OK, f"{place} has no fingerprints: {error}")
    if document.names(pair.chain[0].public_bytes(Encoding.DER)):
        return Finding(SUBJECT, Level.OK, f"{place} names {pair.source}")
    text = f"{place} does not name {pair.source}"
    return Finding(SUBJECT, Level.ERROR, text, "publish its fingerprint before it is put in force")
