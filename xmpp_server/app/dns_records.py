"""Questions to DNS as a check asks them: with times to live and aliases, each name once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dns.asyncresolver
import dns.exception
import dns.rdata
import dns.resolver

from xmpp_server.net.lookup import nameserver

TIMEOUT_S = 5.0


class NoAnswerError(Exception):
    """DNS does not answer, for the reason in the text."""


@dataclass(frozen=True, slots=True)
class Records:
    """The records of a name: none where there is none."""

    records: tuple[dns.rdata.Rdata, ...] = ()
    #: In seconds; 0 without records.
    ttl_s: int = 0
    #: The name is another one's alias.
    is_alias: bool = False


class Names:
    """Asks the nameservers of the configuration, or the system's."""

    def __init__(self, nameservers: Sequence[str]) -> None:
        self._nameservers = tuple(nameservers)
        self._known: dict[tuple[str, str], Records] = {}
        self._resolver: dns.asyncresolver.Resolver | None = None

    async def ask(self, name: str, kind: str) -> Records:
        """Return the records of a name (in A-labels).

        Raises:
            NoAnswerError: Nobody answers, or not properly.

        """
        key = (name, kind)
        if key not in self._known:
            self._known[key] = await self._ask(name, kind)
        return self._known[key]

    async def addresses(self, name: str) -> list[str]:
        """Return the addresses of a name.

        Raises:
            NoAnswerError: Nobody answers, or not properly.

        """
        return [str(each) for kind in ("AAAA", "A") for each in (await self.ask(name, kind)).records]

    async def _ask(self, name: str, kind: str) -> Records:
        try:
            answer = await self._system().resolve(name, kind, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN:
            return Records()
        except (dns.exception.DNSException, OSError) as error:
            raise NoAnswerError(str(error) or type(error).__name__) from None
        is_alias = answer.canonical_name != answer.qname
        if answer.rrset is None:
            return Records(is_alias=is_alias)
        return Records(tuple(answer.rrset), answer.rrset.ttl, is_alias)

    def _system(self) -> dns.asyncresolver.Resolver:
        if self._resolver is None:
            resolver = dns.asyncresolver.Resolver(configure=not self._nameservers)
            if self._nameservers:
                resolver.nameservers = [nameserver(text) for text in self._nameservers]
            resolver.lifetime = TIMEOUT_S
            self._resolver = resolver
        return self._resolver
