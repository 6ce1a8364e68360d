"""The accounts that every server under test gets, made once: the same names, password, SCRAM keys and rosters."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from functools import cached_property

from bench.load.presence import contacts_of

DOMAIN = "localhost"
PASSWORD = "secret"
#: One salt for all: the client derives its keys once. It saves the servers nothing, they never derive.
SALT = b"0123456789abcdef"
ITERATIONS = 10_000


@dataclass(frozen=True)
class Accounts:
    """`plain` accounts u0, u1, ... with empty rosters; `friends` p0, p1, ... in a ring of mutual contacts; `pinger`."""

    plain: int
    friends: int
    contacts: int = 20

    @cached_property
    def names(self) -> list[str]:
        """All localparts."""
        friends = [f"p{i}" for i in range(self.friends)]
        return [*(f"u{i}" for i in range(self.plain)), *friends, "pinger"]

    def roster(self, name: str) -> list[str]:
        """The localparts of an account's mutual contacts."""
        if not name.startswith("p") or name == "pinger":
            return []
        return [f"p{i}" for i in contacts_of(int(name[1:]), self.friends, self.contacts)]

    @cached_property
    def salted_password(self) -> bytes:
        """RFC 5802 §3, SHA-1."""
        return hashlib.pbkdf2_hmac("sha1", PASSWORD.encode(), SALT, ITERATIONS)

    @cached_property
    def stored_key(self) -> bytes:
        """RFC 5802 §3, SHA-1."""
        return hashlib.sha1(hmac.digest(self.salted_password, b"Client Key", "sha1")).digest()

    @cached_property
    def server_key(self) -> bytes:
        """RFC 5802 §3, SHA-1."""
        return hmac.digest(self.salted_password, b"Server Key", "sha1")
