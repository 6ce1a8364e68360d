"""Which names of an order DNS knows: a CA refuses the whole order for one that it does not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import dns.exception
import dns.resolver

from xmpp_server.net.lookup import nameserver

LOOKUP_S = 8.0


def known(names: Iterable[str], nameservers: Sequence[str]) -> list[str]:
    """Leave out names that have no address; those that could not be looked up stay: they may have one."""
    names = list(names)
    if not names:
        return []
    try:
        resolver = dns.resolver.Resolver(configure=not nameservers)
    except dns.resolver.NoResolverConfiguration:
        return names
    if nameservers:
        resolver.nameservers = [nameserver(text) for text in nameservers]
    resolver.lifetime = LOOKUP_S
    return [name for name in names if _has_address(resolver, name)]


def _has_address(resolver: dns.resolver.Resolver, name: str) -> bool:
    for kind in ("A", "AAAA"):
        try:
            answer = resolver.resolve(name, kind, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN:
            return False
        except dns.exception.DNSException:
            return True
        if answer.rrset is not None:
            return True
    return False
