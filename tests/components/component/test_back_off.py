"""How long to wait before connecting again."""

from __future__ import annotations

import pytest

from components.xmpp_component.back_off import FIRST_REFUSED_S, FIRST_S, LONGEST_REFUSED_S, LONGEST_S, BackOff


def test_a_lost_server_is_asked_again_soon_and_then_ever_more_seldom() -> None:
    back_off = BackOff(chance=lambda: 1.0)
    waits = [back_off.lost() for _ in range(8)]
    assert waits == [0.25, 0.5, 1, 2, 4, 8, 15, 15]
    assert (waits[0], waits[-1]) == (FIRST_S, LONGEST_S)


def test_a_server_that_refuses_is_not_hammered() -> None:
    back_off = BackOff(chance=lambda: 1.0)
    waits = [back_off.refused() for _ in range(8)]
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]
    assert (waits[0], waits[-1]) == (FIRST_REFUSED_S, LONGEST_REFUSED_S)


def test_success_starts_anew() -> None:
    back_off = BackOff(chance=lambda: 1.0)
    for _ in range(5):
        back_off.lost()
        back_off.refused()
    back_off.connected()
    assert (back_off.lost(), back_off.refused()) == (FIRST_S, FIRST_REFUSED_S)


@pytest.mark.parametrize(("chance", "wait_s"), [(0.0, 0.125), (0.5, 0.1875), (1.0, 0.25)])
def test_chance_spreads_the_last_half(chance: float, wait_s: float) -> None:
    assert BackOff(chance=lambda: chance).lost() == wait_s
