"""Loss, duplication and order of a numbered series."""

from collections.abc import Sequence as Numbers

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.load.faults import Faults, Sequence


def receive(numbers: Numbers[int]) -> tuple[Faults, Sequence]:
    faults, sequence = Faults(), Sequence()
    for number in numbers:
        sequence.receive(number, faults)
    return faults, sequence


@pytest.mark.parametrize(
    ("numbers", "text", "lost"),
    [
        ([0, 1, 2], "", 1),
        ([0, 1, 1, 2, 3], "1 duplicated", 0),
        ([0, 2, 1, 3], "1 reordered", 0),
        ([0, 3], "", 2),
        ([0, 2, 1, 1, 3], "1 duplicated, 1 reordered", 0),
        ([], "", 4),
    ],
)
def test_faults_of_four_numbers_sent(numbers: list[int], text: str, lost: int) -> None:
    faults, sequence = receive(numbers)
    assert (faults.text(), sequence.lost(4)) == (text, lost)


@given(st.lists(st.integers(0, 9)))
def test_lost_and_duplicated_add_up(numbers: list[int]) -> None:
    faults, sequence = receive(numbers)
    assert sequence.lost(10) == 10 - len(set(numbers))
    assert faults["duplicated"] == len(numbers) - len(set(numbers))
