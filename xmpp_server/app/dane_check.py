"""`check dns` with `s2s.dane`: whether the nameservers can be believed in matters of DNSSEC (RFC 4035 §4.9.3)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_address

import dns.resolver

from xmpp_server.app.finding import Finding, Level
from xmpp_server.app.settings import Config
from xmpp_server.net.addresses import parse_address
from xmpp_server.net.lookup import Lookup, LookupFailedError

SUBJECT = "dns"
_REMEDY = "run a validating nameserver on this machine (unbound), name it in s2s.dns.nameservers; or dane = false"
#: Signed for sure.
_ROOT = "."


async def check_dane(config: Config) -> AsyncIterator[Finding]:
    """Look at the nameservers; nothing without `s2s.dane`."""
    if not (config.s2s.enabled and config.s2s.dane):
        return
    nameservers = config.s2s.dns.nameservers
    far = [host for host in _hosts(nameservers) if not ip_address(host).is_loopback]
    if far:
        text = f"s2s.dane believes nameservers of the network, {', '.join(far)}: whoever stands between may lie"
        yield Finding(SUBJECT, Level.WARNING, text, _REMEDY)
    try:
        root = await Lookup(nameservers, validated=True, now=time.monotonic).ask(_ROOT, "NS")
    except LookupFailedError as error:
        text = f"s2s.dane needs a nameserver that validates, and the question for the root failed: {error}"
        yield Finding(SUBJECT, Level.ERROR, text, _REMEDY)
        return
    if root.secure:
        yield Finding(SUBJECT, Level.OK, "the nameserver validates DNSSEC, for s2s.dane")
    else:
        text = "s2s.dane has no effect: the nameserver does not say that it has validated the root's records"
        yield Finding(SUBJECT, Level.ERROR, text, _REMEDY)


def _hosts(nameservers: Sequence[str]) -> list[str]:
    """Return the addresses of the nameservers that are asked."""
    if nameservers:
        return [address[0] for address in map(parse_address, nameservers) if isinstance(address, tuple)]
    with contextlib.suppress(dns.resolver.NoResolverConfiguration):
        return [str(each) for each in dns.resolver.Resolver().nameservers]
    return []
