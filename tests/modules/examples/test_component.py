"""The examples of XEP-0114 (1.6): the stream of a component, in three chunkings."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha1

import pytest

from tests.examples import TRANSCRIPTS, Examples
from tests.streams.test_transcripts import blocks, bytewise, describe, random_pieces, whole
from xmpp_server.streams.component import ComponentStream
from xmpp_server.streams.events import StreamEvent
from xmpp_server.streams.policy import StreamLimits

EXAMPLES = Examples("xep0114", 4, {"accept": (1, 2, 3, 4), "refused": ()}, {})
PROOF = sha1(b"3BF96D32lear", usedforsecurity=False).hexdigest()


class Policy:
    limits = StreamLimits()
    default_domain = "shakespeare.lit"

    def stream_id(self) -> str:
        return "3BF96D32"

    def secret(self, domain: str) -> str | None:
        return "lear" if domain == "plays.shakespeare.lit" else None


@pytest.mark.parametrize("chunks", [whole, bytewise, random_pieces])
@pytest.mark.parametrize("name", EXAMPLES.where)
def test_the_examples(name: str, chunks: Callable[[bytes], list[bytes]]) -> None:
    stream = ComponentStream(Policy(), 1000.0)
    answer, events = b"", list[StreamEvent]()
    for kind, lines in blocks(TRANSCRIPTS / "xep0114" / f"{name}.txt"):
        text = "".join(lines).replace("{proof}", PROOF)
        if kind == "C:":
            answer = b""
            for piece in chunks(text.encode()):
                events += stream.receive(piece, 1000.0)
                answer += stream.outgoing()
        elif kind == "S:":
            assert answer.decode() == text
        else:
            assert [describe(event) for event in events] == lines
            events.clear()
    assert not events


def test_no_example_is_missing() -> None:
    EXAMPLES.check()
