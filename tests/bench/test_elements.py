"""Cutting streams into elements."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bench.load.elements import ElementSplitter, attribute

HEADER = b"<?xml version='1.0'?><stream:stream from='localhost' xmlns:stream='http://etherx.jabber.org/streams'>"
ELEMENTS = [
    b"<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>",
    b"<message from='a@b/c'><body>x &gt; y</body></message>",
    b"<r xmlns='urn:xmpp:sm:3'/>",
    b"<message><sent xmlns='urn:xmpp:carbons:2'><forwarded><message><body/></message></forwarded></sent></message>",
    b'<presence from="a@b/>\'"/>',
    b"<message to='x'><body>1</body></message>",
]
STREAM = HEADER + b" ".join(ELEMENTS) + b"</stream:stream>"


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_any_chunking_gives_the_same_elements(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    splitter = ElementSplitter()
    found = [one for a, b in pairwise(places) for one in splitter.feed(STREAM[a:b])]
    assert found == [HEADER[21:], *ELEMENTS, b"</stream:stream>"]


def test_a_read_of_two_messages_gives_two() -> None:
    assert ElementSplitter().feed(ELEMENTS[1] + ELEMENTS[5]) == [ELEMENTS[1], ELEMENTS[5]]


def test_attributes_are_read_in_either_quotes() -> None:
    assert attribute(b"<iq type='result' id=\"a\"><x id='b'/></iq>", b"id") == b"a"
    assert attribute(b"<iq type='result'><x id='b'/></iq>", b"id") is None
