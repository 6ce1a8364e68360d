"""XEP-0379 §6.2: the invitations of a host, kept until they are used, revoked or too old.

What is stored does not tell the token: whoever reads a copy of the database cannot use an invitation.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from xmpp_server.core.confusables import skeleton
from xmpp_server.core.host import Host
from xmpp_server.errors import Condition, StanzaError

#: The host's own documents: id of an invitation -> what it is.
KIND = "invitations"
#: Characters of an id, a part of the token's hash.
ID_CHARS = 32
TOKEN_BYTES = 16
#: How long an invitation is kept after its end: whoever has shown its token in time is still at it (XEP-0445 §4).
GRACE = timedelta(hours=1)
#: What the guest is told of one that cannot be used, whatever the reason.
GONE = "The provided token is invalid or expired"
#: A token that is longer is none of ours.
TOKEN_CHARS = 256


class Purpose(StrEnum):
    """What an invitation is good for."""

    #: To become a contact of the inviter, and nothing else (XEP-0379).
    CONTACT = "contact"
    #: To become a contact, with an account here or without (XEP-0401 §5.1).
    CONTACT_OR_ACCOUNT = "contact-or-account"
    #: To make an account (XEP-0401 §5.4).
    ACCOUNT = "account"


class Invitation(msgspec.Struct, frozen=True):
    """One invitation. Moments are aware UTC; `inviter` is a bare JID, or empty where the operator invites."""

    purpose: Purpose
    created: datetime
    expires: datetime
    inviter: str = ""
    #: The localpart that is kept for the account; empty: the guest chooses.
    username: str = ""
    #: The account and the inviter become each other's contacts.
    subscribe: bool = True


class Made(msgspec.Struct, frozen=True):
    """An invitation as its inviter gets it: the only time that its token can be seen."""

    ident: str
    uri: str
    invitation: Invitation


class Book:
    """The invitations of one host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._documents = host.storage.documents
        #: Ids of those that somebody is making an account with just now.
        self._claimed: set[str] = set()

    async def add(self, invitation: Invitation) -> tuple[str, str]:
        """Keep an invitation; return its id and its token.

        Raises:
            StorageError: It could not be written.

        """
        token = secrets.token_hex(TOKEN_BYTES)
        ident = id_of(token)
        await self._documents.put(self._host.jid, KIND, ident, msgspec.json.encode(invitation))
        return ident, token

    async def get(self, ident: str) -> Invitation | None:
        """Return an invitation, however old, unless somebody is using it.

        Raises:
            StorageError: It could not be read.

        """
        if ident in self._claimed:
            return None
        data = await self._documents.get(self._host.jid, KIND, ident)
        return None if data is None else _decoded(data)

    async def find(self, token: str) -> tuple[str, Invitation] | None:
        """Return the invitation of a token with its id, if it may still be used.

        Raises:
            StorageError: It could not be read.

        """
        if not 0 < len(token) <= TOKEN_CHARS:
            return None
        ident = id_of(token)
        invitation = await self.get(ident)
        if invitation is None or invitation.expires <= self._host.utcnow():
            return None
        return ident, invitation

    async def all(self) -> dict[str, Invitation]:
        """Return all that may still be used, by id; those that are too old are removed.

        Raises:
            StorageError: They could not be read.

        """
        now = self._host.utcnow()
        found: dict[str, Invitation] = {}
        for ident, data in (await self._documents.all(self._host.jid, KIND)).items():
            invitation = _decoded(data)
            if invitation is None or invitation.expires <= now - GRACE:
                self._documents.remove(self._host.jid, KIND, ident)
            elif invitation.expires > now:
                found[ident] = invitation
        return found

    async def remove(self, ident: str) -> None:
        """Forget an invitation: it was used, or revoked.

        Raises:
            StorageError: It could not be removed.

        """
        await self._documents.remove(self._host.jid, KIND, ident)

    async def is_kept_back(self, localpart: str, ident: str = "") -> bool:
        """Tell whether a name, or one that looks like it, is kept for another invitation than `ident` (XEP-0445 §5).

        Raises:
            StorageError: They could not be read.

        """
        shape = skeleton(localpart)
        invitations = (await self.all()).items()
        return any(one.username and skeleton(one.username) == shape for key, one in invitations if key != ident)

    @contextmanager
    def claimed(self, ident: str) -> Iterator[None]:
        """Keep an invitation from being used twice at one time.

        Raises:
            StanzaError: item-not-found; somebody is using it.

        """
        if ident in self._claimed:
            raise StanzaError(Condition.ITEM_NOT_FOUND, GONE, echo=False)
        self._claimed.add(ident)
        try:
            yield
        finally:
            self._claimed.discard(ident)


def id_of(token: str) -> str:
    """Return the id of a token's invitation."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()[:ID_CHARS]


def _decoded(data: bytes) -> Invitation | None:
    try:
        return msgspec.json.decode(data, type=Invitation)
    except msgspec.DecodeError:  # of another version
        return None
