"""XEP-0198: what the server writes."""

from __future__ import annotations

from xmpp_server.errors import Condition
from xmpp_server.streams import sm_nonzas


def test_enabled_with_resumption_tells_id_and_time() -> None:
    assert sm_nonzas.enabled("a'b", 600) == b"<enabled xmlns='urn:xmpp:sm:3' id='a&apos;b' resume='true' max='600'/>"
    assert sm_nonzas.enabled("id") == b"<enabled xmlns='urn:xmpp:sm:3' id='id' resume='true'/>"


def test_enabled_without_resumption_has_no_id() -> None:
    assert sm_nonzas.enabled() == b"<enabled xmlns='urn:xmpp:sm:3'/>"


def test_request_and_acknowledgement() -> None:
    assert sm_nonzas.REQUEST == b"<r xmlns='urn:xmpp:sm:3'/>"
    assert sm_nonzas.acknowledgement(4294967295) == b"<a xmlns='urn:xmpp:sm:3' h='4294967295'/>"


def test_resumed() -> None:
    assert sm_nonzas.resumed("<id>", 7) == b"<resumed xmlns='urn:xmpp:sm:3' previd='&lt;id&gt;' h='7'/>"


def test_failed_with_and_without_h() -> None:
    cause = b"<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>"
    assert sm_nonzas.failed(Condition.ITEM_NOT_FOUND, 3) == b"<failed xmlns='urn:xmpp:sm:3' h='3'>" + cause
    assert sm_nonzas.failed(Condition.ITEM_NOT_FOUND) == b"<failed xmlns='urn:xmpp:sm:3'>" + cause
