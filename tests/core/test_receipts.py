"""What XEP-0198's `h` covers."""

from hypothesis import given
from hypothesis import strategies as st

from xmpp_server.core.receipts import Ledger, Receipt


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


@given(st.lists(st.sampled_from(("receive", "hold", "again", "release", "request")), max_size=60), st.randoms())
def test_no_answer_covers_an_unsafe_stanza(actions: list[str], random: object) -> None:
    ledger = Ledger()
    held: dict[int, object] = {}
    late: list[Receipt] = []
    receipts: list[Receipt] = []
    answers: list[int] = []

    def answer(count: int) -> None:
        assert all(number > count for number in held), (count, held)
        assert not answers or count >= answers[-1]
        answers.append(count)

    for action in actions:
        if action == "receive":
            receipts.append(ledger.receive())
        elif action == "hold":
            receipt = ledger.receive()
            receipt.hold()
            held[ledger.received] = receipt
        elif action == "release" and held:
            number = random.choice(sorted(held))  # type: ignore[attr-defined]
            held.pop(number).release()  # type: ignore[attr-defined]
        elif action == "again" and receipts:
            receipt = random.choice(receipts)  # type: ignore[attr-defined]
            receipt.hold()
            late.append(receipt)
        elif action == "request":
            ledger.request(answer)
    for receipt in late:
        receipt.release()
    before = len(answers)
    for number in sorted(held):
        held.pop(number).release()  # type: ignore[attr-defined]
    ledger.request(answer)
    assert answers[-1] == ledger.received
    assert len(answers) > before


def test_what_an_answer_has_covered_is_not_taken_back() -> None:
    """A stanza held back (XEP-0352) comes into somebody's hands after its sender was told that it is safe."""
    ledger = Ledger()
    answers: list[int] = []
    late = ledger.receive()
    ledger.request(answers.append)
    late.hold()
    assert ledger.safe == 1
    ledger.receive()
    ledger.request(answers.append)
    late.release()
    assert answers == [1, 2]


def test_one_who_comes_to_hold_while_an_answer_waits_is_waited_for() -> None:
    ledger = Ledger()
    answers: list[int] = []
    first, second = ledger.receive(), ledger.receive()
    second.hold()
    ledger.request(answers.append)
    first.hold()
    second.release()
    assert answers == []
    first.release()
    assert answers == [2]


def test_all_who_wait_are_answered() -> None:
    """Two connections may want to resume one session; `<r/>` repeated is one question."""
    ledger = Ledger()
    answers: list[tuple[str, int]] = []

    def old(count: int) -> None:
        answers.append(("old", count))

    def new(count: int) -> None:
        answers.append(("new", count))

    first, second = ledger.receive(), ledger.receive()
    first.hold()
    for answer in (old, new, old):
        ledger.request(answer)
    second.hold()
    first.release()
    second.release()
    assert answers == [("old", 2), ("new", 2)]


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
