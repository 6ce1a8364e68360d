"""Upload slots as signed URLs: what may be put where, until when, is told by the URL and vouched for by an HMAC."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass

import msgspec

_ID_BYTES = 18  # 144 bits: nobody guesses the address of a file (XEP-0363 §9.3)
_MAX_TOKEN_CHARS = 1024
_encode = msgspec.msgpack.encode


class SlotError(Exception):
    """The URL allows no upload: it is forged or too old."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One permission to upload one file.

    `size` is in bytes, `deadline` in seconds since 1970; `content_type` is "" if none was asked for; `uploader` stands
    for the user without naming them, for limits per user.
    """

    id: str
    name: str
    size: int
    content_type: str
    uploader: str
    deadline: int


class _Claims(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    size: int
    content_type: str
    uploader: str
    deadline: int


class SlotSigner:
    """Writes and verifies the tokens of slots; needs nothing but its key, which is at least 32 random bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._decoder = msgspec.msgpack.Decoder(_Claims)

    def token(self, slot: Slot) -> str:
        """Return the text that makes a PUT to the slot's path legitimate; its characters need no encoding in a URL."""
        claims = _encode(_Claims(slot.size, slot.content_type, slot.uploader, slot.deadline))
        return f"{_base64(claims)}.{_base64(self._mac(slot.id, slot.name, claims))}"

    def verified(self, slot_id: str, name: str, token: str, now: int) -> Slot:
        """Return the slot that a token of this path stands for.

        Raises:
            SlotError: The token was not made by this key for this path, or its time is over.

        """
        text, _, signature = token.partition(".")
        if len(token) > _MAX_TOKEN_CHARS:
            raise SlotError("too long")
        try:
            claims, mac = _bytes(text), _bytes(signature)
        except (binascii.Error, ValueError):
            raise SlotError("not base64url") from None
        if not hmac.compare_digest(mac, self._mac(slot_id, name, claims)):
            raise SlotError("wrong signature")
        own = self._decoder.decode(claims)
        if now >= own.deadline:
            raise SlotError("too late")
        return Slot(slot_id, name, own.size, own.content_type, own.uploader, own.deadline)

    def uploader(self, bare_jid: str) -> str:
        """Return what stands for a user in slots."""
        return _base64(hmac.digest(self._key, b"uploader\0" + bare_jid.encode(), hashlib.sha256)[:9])

    def _mac(self, slot_id: str, name: str, claims: bytes) -> bytes:
        # msgpack tells where each part ends: parts cannot be shifted into one another.
        return hmac.digest(self._key, b"slot\0" + _encode((slot_id, name, claims)), hashlib.sha256)


def new_id() -> str:
    """Return an unguessable id of base64url characters."""
    return secrets.token_urlsafe(_ID_BYTES)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
