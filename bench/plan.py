"""What is measured: the steps of each profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bench.accounts import Accounts


class Kind(StrEnum):
    """A load; what a unit of work is stands in docs/benchmarks.md."""

    CHAT = "chat"
    PING = "ping"
    PRESENCE = "presence"
    ROOMS = "rooms"


class Place(StrEnum):
    """Which servers a step takes."""

    #: Those that run all the time.
    ALONE = "alone"
    #: One of each kind with an archive.
    ARCHIVE = "archive"
    #: Two of each kind, with half of the sessions each; user n of one talks with user n of the other.
    PAIR = "pair"


@dataclass(frozen=True, slots=True)
class Load:
    """A load on sessions that are up: `rate` messages a second in all, or a closed loop if 0."""

    name: str
    kind: Kind
    rate: float = 0.0
    #: A process of its own pings the server meanwhile: the longest stall.
    stall: bool = False
    #: Rooms: messages under way in each.
    window: int = 1


@dataclass(frozen=True, slots=True)
class Step:
    """A crowd on each server, and the loads on it one after the other."""

    name: str
    sessions: int
    loads: tuple[Load, ...]
    tls: bool = False
    carbons: bool = False
    stream_management: bool = False
    friends: bool = False
    place: Place = Place.ALONE
    #: In one room, where all are in rooms.
    occupants: int = 0


@dataclass(frozen=True, slots=True)
class Profile:
    """All that one run measures. Times are in seconds."""

    name: str
    steps: tuple[Step, ...]
    window_s: float
    warm_up_s: float
    #: Windows of each load on each server, taken in turns.
    rounds: int
    #: Sessions that sign in with TLS, roster, carbons and stream management, in as many rounds.
    sign_ins: int
    sign_in_rounds: int
    #: Idle sessions at which memory is read, plain and with TLS.
    idle: tuple[int, ...]
    friends: int
    starts: int = 1
    #: How long a crowd rests before its memory is read, and how long its idle CPU time is watched.
    rest_s: float = 1.0

    @property
    def accounts(self) -> Accounts:
        """As many accounts as the largest step needs."""
        plain = (step.sessions for step in self.steps if not step.friends)
        return Accounts(plain=max(self.sign_ins, *self.idle, *plain), friends=self.friends)


def _rooms(rooms: int, occupants: int) -> Step:
    load = Load(f"muc {rooms}x{occupants}", Kind.ROOMS, window=4 if rooms == 1 else 1)
    return Step(load.name, rooms * occupants, (load,), occupants=occupants)


def _steps(sessions: int, friends: int, rooms: Sequence[tuple[int, int]], archived: int) -> tuple[Step, ...]:
    return (
        Step(
            f"plain-{sessions}",
            sessions,
            (
                Load("chat", Kind.CHAT, stall=True),
                Load("chat at 500/s", Kind.CHAT, rate=500.0),
                Load("ping", Kind.PING),
            ),
        ),
        Step(f"tls-{sessions}", sessions, (Load("chat, TLS", Kind.CHAT),), tls=True),
        Step(
            f"production-{sessions}",
            sessions,
            (Load("chat, TLS + SM + carbons", Kind.CHAT),),
            tls=True,
            carbons=True,
            stream_management=True,
        ),
        Step("presence", friends, (Load("presence, 20 contacts", Kind.PRESENCE),), friends=True),
        *(_rooms(*one) for one in rooms),
        Step(
            f"archive-{archived}",
            archived,
            (Load("production: TLS + SM + carbons + archive", Kind.CHAT),),
            tls=True,
            carbons=True,
            stream_management=True,
            place=Place.ARCHIVE,
        ),
        Step(f"s2s-{sessions}", sessions, (Load("s2s, TLS", Kind.CHAT),), place=Place.PAIR),
    )


_SCALE = tuple(Step(f"scale-{n}", n, (Load(f"chat, {n:,} sessions", Kind.CHAT, stall=True),)) for n in (100, 10_000))

PROFILES = {
    profile.name: profile
    for profile in (
        Profile("smoke", _steps(20, 22, [(2, 10), (1, 20)], 20), 0.3, 0.1, rounds=1, sign_ins=20, sign_in_rounds=1,
                idle=(20,), friends=22, rest_s=0.2),
        Profile("short", _steps(500, 200, [(10, 20), (5, 100)], 40), 1.5, 0.4, rounds=3, sign_ins=500,
                sign_in_rounds=3, idle=(1000,), friends=200),
        Profile("full", _steps(1000, 500, [(10, 20), (20, 50), (5, 100), (1, 500), (1, 1000)], 200) + _SCALE, 4.0,
                1.0, rounds=5, sign_ins=1000, sign_in_rounds=5, idle=(1000, 5000, 10_000), friends=500, starts=5,
                rest_s=4.0),
    )
}  # fmt: skip
