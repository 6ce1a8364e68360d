"""Where stanzas go: one look-up by domain."""

from __future__ import annotations

from typing import Protocol

import structlog

from xmpp_server.core.component import Components
from xmpp_server.core.hooks import Wait
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.stanzas.error import error_reply
from xmpp_server.storage.api import StorageBusyError, StorageError, StorageFullError
from xmpp_server.xml.stanza import Stanza

log = structlog.get_logger()


class Route(Protocol):
    """Somebody who takes the stanzas for a domain: a local host, a component, the federation."""

    def route(self, stanza: Stanza) -> Wait:
        """Take a stamped stanza with a `to`; an awaitable result suspends the stream it came from.

        Raises:
            StanzaError: The stanza cannot be taken; the sender is told.

        """
        ...


class Nowhere:
    """The route of last resort, where there is no federation."""

    def route(self, stanza: Stanza) -> Wait:
        """Refuse the stanza."""
        raise StanzaError(Condition.REMOTE_SERVER_NOT_FOUND)


class Router:
    """Finds the route of a domain."""

    def __init__(self) -> None:
        self.routes: dict[str, Route] = {}
        #: Takes what no route is known for: the federation, when there is one.
        self.default: Route = Nowhere()
        self.components = Components()

    def route(self, stanza: Stanza) -> Wait:
        """Hand a stamped stanza to the route of its `to`; errors go back to the sender."""
        to = stanza.to
        assert to is not None  # noqa: S101 - stamped
        try:
            return self.routes.get(to.domainpart, self.default).route(stanza)
        except Exception as error:
            return self.reject(stanza, answer_for(error, stanza))

    def reject(self, stanza: Stanza, error: StanzaError) -> Wait:
        """Answer a stanza with an error; an error or a result is never answered (RFC 6120 §8.3.1)."""
        reply = error_reply(stanza, error)
        if reply is None:
            return None
        return self.route(reply)

    async def guard(self, stanza: Stanza, wait: Wait) -> None:
        """Await the rest of a stanza's way, with the same treatment of errors as on the synchronous way."""
        try:
            if wait is not None:
                await wait
            return
        except Exception as error:
            rest = self.reject(stanza, answer_for(error, stanza))
        if rest is not None:
            try:
                await rest
            except Exception as error:  # the answer cannot be delivered either
                answer_for(error, stanza)


def answer_for(error: Exception, stanza: Stanza) -> StanzaError:
    """Return what to tell the sender of a stanza whose handling raised `error`; a bug is logged here, once."""
    if isinstance(error, StanzaError):
        return error
    if isinstance(error, StorageBusyError | StorageFullError):
        return StanzaError(Condition.RESOURCE_CONSTRAINT, "This cannot be stored now")
    if isinstance(error, StorageError):
        log.error("storage-failed", id=stanza.id, name=stanza.name, sender=stanza.sender, error=str(error))
    else:
        log.error("stanza-failed", id=stanza.id, name=stanza.name, sender=stanza.sender, exc_info=error)
    return StanzaError(Condition.INTERNAL_SERVER_ERROR)
