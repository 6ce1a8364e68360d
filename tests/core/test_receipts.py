"""What XEP-0198's `h` covers."""

from hypothesis import given
from hypothesis import strategies as st

from xmpp_server.core.receipts import Ledger


def test_nothing_held_is_safe_at_once() -> None:
    ledger = Ledger()
    answers: list[int] = []
    ledger.receive()
    ledger.receive()
    ledger.request(answers.append)
    assert answers == [2]


def test_the_answer_waits_for_the_unsafe_and_nudges_their_holders() -> None:
    ledger = Ledger()
    answers: list[int] = []
    nudged: list[int] = []
    first, second = ledger.receive(), ledger.receive()
    first.hold()
    second.hold()
    second.nudge = lambda: nudged.append(2)
    ledger.request(answers.append)
    assert (answers, nudged) == ([], [2])
    second.release()
    assert answers == []
    first.release()
    assert answers == [2]


def test_a_later_unsafe_stanza_does_not_delay_the_answer_nor_count_in_it() -> None:
    ledger = Ledger()
    answers: list[int] = []
    first = ledger.receive()
    first.hold()
    ledger.request(answers.append)
    ledger.receive().hold()
    first.release()
    assert answers == [1]


def test_a_receipt_held_twice_is_released_twice() -> None:
    ledger = Ledger()
    receipt = ledger.receive()
    receipt.hold()
    receipt.hold()
    receipt.release()
    assert ledger.safe == 0
    receipt.release()
    assert ledger.safe == 1


@given(st.lists(st.sampled_from(("receive", "hold", "release", "request")), max_size=60), st.randoms())
def test_no_answer_covers_an_unsafe_stanza(actions: list[str], random: object) -> None:
    ledger = Ledger()
    held: dict[int, object] = {}
    answers: list[int] = []

    def answer(count: int) -> None:
        assert all(number > count for number in held), (count, held)
        assert not answers or count >= answers[-1]
        answers.append(count)

    for action in actions:
        if action == "receive":
            ledger.receive()
        elif action == "hold":
            receipt = ledger.receive()
            receipt.hold()
            held[ledger.received] = receipt
        elif action == "release" and held:
            number = random.choice(sorted(held))  # type: ignore[attr-defined]
            held.pop(number).release()  # type: ignore[attr-defined]
        elif action == "request":
            ledger.request(answer)
    before = len(answers)
    for number in sorted(held):
        held.pop(number).release()  # type: ignore[attr-defined]
    ledger.request(answer)
    assert answers[-1] == ledger.received
    assert len(answers) > before


def test_what_was_safe_stays_safe() -> None:
    """XEP-0198 §4: `h` never goes back, also where a stored message is delivered later."""
    ledger = Ledger()
    receipt = ledger.receive()
    receipt.hold()
    receipt.release()
    receipt.hold()
    assert ledger.safe == 1
    receipt.release()
    assert ledger.safe == 1
