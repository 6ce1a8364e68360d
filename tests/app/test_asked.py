"""Addresses in what handlers are asked, and what the operator is told of refusals."""

from __future__ import annotations

import pytest

from xmpp_server.app.asked import address, told
from xmpp_server.app.control import ControlError
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.storage.api import StorageError


def test_an_address_is_read() -> None:
    assert address({"jid": "Romeo@Example.org/a"}, "jid") == JID.parse("romeo@example.org/a")


@pytest.mark.parametrize("arguments", [{}, {"jid": "@"}, {"jid": 1}, {"jid": None}])
def test_what_is_no_address_is_told(arguments: dict[str, object]) -> None:
    with pytest.raises(ControlError, match="is no address: "):
        address(arguments, "jid")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (StanzaError(Condition.CONFLICT, "This name is taken"), "this name is taken"),
        (StanzaError(Condition.FORBIDDEN), "forbidden"),
        (StorageError("the disk is full"), "the storage failed: the disk is full"),
    ],
)
def test_what_is_refused_is_told(error: Exception, text: str) -> None:
    with pytest.raises(ControlError) as caught, told():
        raise error
    assert str(caught.value) == text
