"""XEP-0202: the time."""

from __future__ import annotations

from tests.transcript import play
from tests.world import World
from xmpp_server.modules.time import EntityTime


def test_the_server_tells_the_time() -> None:
    play(
        World("example.org", modules=(EntityTime,)),
        """
        romeo@example.org/orchard connects
        # §2
        romeo@example.org/orchard > <iq type='get' id='time_1' to='example.org'><time xmlns='urn:xmpp:time'/></iq>
        romeo@example.org/orchard < <iq type='result' id='time_1' from='example.org' to='romeo@example.org/orchard'>
                <time xmlns='urn:xmpp:time'><tzo>+00:00</tzo><utc>2024-02-29T12:00:00Z</utc></time></iq>
        """,
    )
