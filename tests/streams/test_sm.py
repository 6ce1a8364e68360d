"""XEP-0198: the count `h` and the queue of unacknowledged stanzas."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmpp_server.errors import StreamCondition, StreamError
from xmpp_server.streams.sm import MODULUS, SmQueue, parse_h


@pytest.mark.parametrize(("text", "h"), [("0", 0), ("007", 7), ("4294967295", MODULUS - 1)])
def test_h_is_an_unsigned_int(text: str, h: int) -> None:
    assert parse_h(text) == h


@pytest.mark.parametrize(
    "text", [None, "", "-1", "+1", " 1", "1.0", "banana", "4294967296", "1" + "0" * 22, "\uff11", "\u00b2"]
)
def test_anything_else_is_not(text: str | None) -> None:
    assert parse_h(text) is None


def test_acknowledging_drops_the_oldest() -> None:
    queue: SmQueue[str] = SmQueue()
    for item in "abc":
        queue.sent(item)
    assert queue.acknowledge(2) == ["a", "b"]
    assert list(queue) == ["c"]
    assert (len(queue), queue.acknowledged, queue.sent_count) == (1, 2, 3)


def test_the_same_h_again_drops_nothing() -> None:
    queue = SmQueue("ab")
    assert queue.acknowledge(1) == ["a"]
    assert queue.acknowledge(1) == []
    assert list(queue) == ["b"]


def test_h_counts_modulo_2_to_the_32() -> None:
    queue = SmQueue("abc", acknowledged=MODULUS - 2)
    assert queue.sent_count == 1
    assert queue.acknowledge(0) == ["a", "b"]
    assert queue.acknowledge(1) == ["c"]


def test_acknowledging_too_much_is_a_stream_error() -> None:
    queue = SmQueue("ab", acknowledged=6)
    with pytest.raises(StreamError) as raised:
        queue.acknowledge(10)
    assert raised.value.condition is StreamCondition.UNDEFINED_CONDITION
    assert raised.value.app_xml == (b"<handled-count-too-high xmlns='urn:xmpp:sm:3' h='10' send-count='8'/>")
    assert list(queue) == ["a", "b"]


def test_acknowledging_less_than_before_is_too_much() -> None:
    with pytest.raises(StreamError):
        SmQueue("ab", acknowledged=6).acknowledge(5)


@given(
    start=st.integers(0, MODULUS - 1),
    steps=st.lists(st.one_of(st.just("send"), st.integers(0, 12)), max_size=60),
)
def test_the_queue_is_what_was_sent_less_what_was_acknowledged(start: int, steps: list[str | int]) -> None:
    queue: SmQueue[int] = SmQueue(acknowledged=start)
    sent, handled = 0, 0
    for step in steps:
        if isinstance(step, str):
            queue.sent(sent)
            sent += 1
        elif step <= sent - handled:
            assert queue.acknowledge((start + handled + step) % MODULUS) == list(range(handled, handled + step))
            handled += step
        else:
            with pytest.raises(StreamError):
                queue.acknowledge((start + handled + step) % MODULUS)
        assert list(queue) == list(range(handled, sent))
        assert queue.sent_count == (start + sent) % MODULUS
