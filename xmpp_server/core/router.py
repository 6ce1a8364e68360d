"""Where stanzas go: one look-up by domain."""

from __future__ import annotations

from typing import Protocol

import structlog

from xmpp_server.core.hooks import Wait
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.stanzas.error import error_reply
from xmpp_server.storage.api import StorageBusyError, StorageFullError
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

    def route(self, stanza: Stanza) -> Wait:
        """Hand a stamped stanza to the route of its `to`; errors go back to the sender."""
        to = stanza.to
        assert to is not None  # noqa: S101
        try:
            return self.routes.get(to.domainpart, self.default).route(stanza)
        except StanzaError as error:
            return self.reject(stanza, error)
        except Exception:
            log.exception("route-failed", id=stanza.id, name=stanza.name)
            return self.reject(stanza, StanzaError(Condition.INTERNAL_SERVER_ERROR))

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
        except StanzaError as error:
            rest = self.reject(stanza, error)
        except (StorageBusyError, StorageFullError):  # the store has logged why
            rest = self.reject(stanza, StanzaError(Condition.RESOURCE_CONSTRAINT, "Nothing can be stored now"))
        except Exception:
            log.exception("route-failed", id=stanza.id, name=stanza.name)
            rest = self.reject(stanza, StanzaError(Condition.INTERNAL_SERVER_ERROR))
        if rest is not None:
            await rest
