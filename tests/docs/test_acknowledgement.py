"""docs/acknowledgement.md: the numbers in it are those of the code."""

from __future__ import annotations

from tests.docs.names import DOCS
from xmpp_server.core.host import Limits
from xmpp_server.core.management import REQUEST_EVERY
from xmpp_server.core.registry import ACK_TIMEOUT_S, KEEP_AFTER_S, TICK_S
from xmpp_server.net.s2s_acknowledgement import ACKNOWLEDGE_S, ANSWER_S, UNACKNOWLEDGED, UNACKNOWLEDGED_BYTES

TEXT = " ".join((DOCS / "acknowledgement.md").read_text(encoding="utf-8").split())


def test_the_numbers_are_those_of_the_code() -> None:
    assert "asks after eight stanzas, and once a second" in TEXT
    assert (REQUEST_EVERY, TICK_S) == (8, 1.0)
    assert f"after {KEEP_AFTER_S} seconds" in TEXT
    assert f"unanswered for {ACK_TIMEOUT_S:.0f} seconds" in TEXT
    assert f"acknowledges nothing for {ACKNOWLEDGE_S:.0f} seconds" in TEXT
    assert f"takes {ANSWER_S:.0f} seconds" in TEXT
    assert f"While {UNACKNOWLEDGED:,} stanzas or {UNACKNOWLEDGED_BYTES >> 20} MiB" in TEXT
    assert "`resume_timeout_s`, ten minutes" in TEXT
    assert Limits().resume_timeout_s == 600
