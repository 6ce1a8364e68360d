"""The status codes: those of the registry (XEP-0045 §16.6), but two of which no use case is left."""

from __future__ import annotations

from xmpp_server.modules.muc.effects import Status

REGISTRY = {100, 101, 102, 103, 104, 110, 170, 171, 172, 173, 201, 210, 301, 303, 307, 321, 322, 332, 333}
#: That a room shows members who are not there, or does so no more: none does.
NOT_HERE = {102, 103}


def test_status_codes() -> None:
    assert {status.value for status in Status} == REGISTRY - NOT_HERE
