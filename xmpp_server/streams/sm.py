"""XEP-0198: Stream Management — the count `h` and the queue of unacknowledged stanzas, pure.

What was received, and which of it is safe to acknowledge, is the session's to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from xmpp_server.errors import StreamCondition, StreamError

T = TypeVar("T")

#: `h` is an xs:unsignedInt that starts again at zero (XEP-0198 §4).
MODULUS = 2**32
_DIGITS = len(str(MODULUS))


def parse_h(text: str | None) -> int | None:
    """Return the value of an `h` attribute, or None if it is missing or no xs:unsignedInt."""
    if text is None or len(text) > _DIGITS or not (text.isascii() and text.isdigit()):
        return None
    h = int(text)
    return h if h < MODULUS else None


class SmQueue(Generic[T]):
    """The stanzas sent to the peer that it has not acknowledged yet, oldest first.

    Unbounded: whoever sends asks `len()` and closes a session that lets it grow too long.
    """

    __slots__ = ("_items", "acknowledged")

    def __init__(self, items: Iterable[T] = (), acknowledged: int = 0) -> None:
        """Start empty, or with the state of a saved session."""
        # A list: acknowledgements drop many at once, and an empty deque takes 760 bytes of every session.
        self._items = list(items)
        #: The peer's last `h`.
        self.acknowledged = acknowledged

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)

    @property
    def sent_count(self) -> int:
        """How many stanzas were sent since <enabled/>, modulo 2**32."""
        return (self.acknowledged + len(self._items)) % MODULUS

    def sent(self, item: T) -> None:
        """Count a stanza and keep it until the peer has handled it."""
        self._items.append(item)

    @property
    def last(self) -> T:
        """The newest stanza; there must be one."""
        return self._items[-1]

    def acknowledge(self, h: int, held: int = 0) -> list[T]:
        """Drop the stanzas that the peer has handled and return them, oldest first.

        `h` counts modulo 2**32; one below the last is a wrapped count, hence far too high. `held` is how many at the
        end were counted, but not given to the peer yet.

        Raises:
            StreamError: `h` exceeds what was sent (XEP-0198 §6); nothing is dropped.

        """
        handled = (h - self.acknowledged) % MODULUS
        if handled > len(self._items) - held:
            raise _handled_count_too_high(h, (self.sent_count - held) % MODULUS)
        dropped = self._items[:handled]
        del self._items[:handled]
        self.acknowledged = h
        return dropped

    def clear(self) -> list[T]:
        """Drop all and return it, oldest first: the session is over."""
        dropped, self._items = self._items, []
        return dropped


def _handled_count_too_high(h: int, sent_count: int) -> StreamError:
    return StreamError(
        StreamCondition.UNDEFINED_CONDITION,
        f"You acknowledged {h} stanzas, but {sent_count} were sent",
        app_xml=b"<handled-count-too-high xmlns='urn:xmpp:sm:3' h='%d' send-count='%d'/>" % (h, sent_count),
    )
