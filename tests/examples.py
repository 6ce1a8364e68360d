"""The numbered examples of a XEP: which transcript shows each, or why none does.

A transcript says so itself, in lines like `# Examples 3, 4`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.transcript import written

TRANSCRIPTS = Path(__file__).parent / "transcripts"

_MARK = re.compile(r"^# Examples? ([0-9, ]+)$", re.MULTILINE)


@dataclass(frozen=True)
class Examples:
    """The examples 1 to `count` of a XEP, whose transcripts lie in `folder`; `scenes` are what others begin with."""

    folder: str
    count: int
    #: By transcript, in its order.
    where: Mapping[str, tuple[int, ...]]
    #: Why an example is in none.
    nowhere: Mapping[int, str]
    scenes: tuple[str, ...] = ()

    def text(self, name: str) -> str:
        """The whole transcript."""
        return written(TRANSCRIPTS / self.folder / f"{name}.txt")

    def check(self) -> None:
        """Each example has its place, and each transcript shows what it is said to show."""
        shown = [number for numbers in self.where.values() for number in numbers]
        assert sorted([*shown, *self.nowhere]) == list(range(1, self.count + 1))
        files = {path.stem: path.read_text(encoding="utf-8") for path in (TRANSCRIPTS / self.folder).glob("*.txt")}
        assert files.keys() == {*self.where, *self.scenes}
        for name, numbers in self.where.items():
            assert marks(files[name]) == numbers, name


def marks(text: str) -> tuple[int, ...]:
    """The examples that a transcript says it shows."""
    return tuple(int(number) for found in _MARK.findall(text) for number in found.split(","))
