"""How many servers are called at one time below one domain: each may name itself without end, to be called by us."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from xmpp_server.errors import Condition
from xmpp_server.net.s2s_link import LinkError

#: Called at one time, and waiting for that. Both are for all names with the same last two labels: whoever has a domain
#: has all names below it, and a nameserver and addresses which need not answer any of us soon.
AT_ONCE = 32
WAITING = 256


class Crowds:
    """Keeps those who would call many servers of one domain from being in the way of all others."""

    def __init__(self) -> None:
        self._crowds: dict[str, _Crowd] = {}

    @contextlib.asynccontextmanager
    async def place(self, domain: str) -> AsyncIterator[None]:
        """Wait for a place to call a domain's server, and have it as long as the context lasts.

        Raises:
            LinkError: Too many wait already.

        """
        name = ".".join(domain.rsplit(".", 2)[-2:])
        crowd = self._crowds.get(name)
        if crowd is None:
            crowd = self._crowds[name] = _Crowd()
        if crowd.size >= AT_ONCE + WAITING:
            raise LinkError(Condition.RESOURCE_CONSTRAINT, "Too many servers of that domain are being called")
        crowd.size += 1
        try:
            async with crowd.places:
                yield
        finally:
            crowd.size -= 1
            if not crowd.size:
                del self._crowds[name]


class _Crowd:
    """Those of one domain."""

    __slots__ = ("places", "size")

    def __init__(self) -> None:
        self.places = asyncio.Semaphore(AT_ONCE)
        #: With those who wait.
        self.size = 0
