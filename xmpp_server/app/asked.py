"""What handlers of the control socket share: addresses in what they are asked, and failures as the operator is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from xmpp_server.app.control import ControlError
from xmpp_server.errors import StanzaError
from xmpp_server.jid import JID, JIDMalformed
from xmpp_server.storage.api import StorageError


def address(arguments: Mapping[str, object], name: str) -> JID:
    """Return the address that an argument is.

    Raises:
        ControlError: It is none.

    """
    text = arguments.get(name)
    try:
        return JID.parse(text if isinstance(text, str) else "")
    except JIDMalformed as error:
        raise ControlError(f"{text} is no address: {error}") from None


@contextmanager
def told() -> Iterator[None]:
    """Turn what modules and the storage refuse into ControlError."""
    try:
        yield
    except StanzaError as error:
        text = error.text or error.condition.value
        raise ControlError(text[0].lower() + text[1:]) from None
    except StorageError as error:
        raise ControlError(f"the storage failed: {error}") from None
