"""What docs/acknowledgement.md promises of components, whatever they do: all is settled once, in order."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plugged import PluggedLine, plug
from tests.world import World
from xmpp_server.core.component_limits import ComponentLimits
from xmpp_server.im.delivery import Delivery
from xmpp_server.modules.stream_management import StreamManagementModule
from xmpp_server.xml.element import Element

FILES = "files.example.org"
LIMITS = ComponentLimits(
    connections=3, queued_stanzas=6, queued_bytes=2000, away_s=30, open_requests=4, answer_s=20, stalled_s=5
)
ACTIONS = ("message", "iq", "connects", "drops", "stalls", "reads", "answers", "answers twice", "invents", "asks")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(ACTIONS), st.integers(0, 2)),
        st.tuples(st.just("passes"), st.sampled_from((1, 6, 25, 60))),
    ),
    max_size=50,
)


class Play:
    """Romeo writes to a component whose connections come, hang and go."""

    def __init__(self) -> None:
        self.world = World("example.org", modules=(Delivery, StreamManagementModule))
        self.files = plug(self.world, FILES, limits=LIMITS)
        self.romeo = self.world.login("romeo@example.org/home")
        self.romeo.says("<enable xmlns='urn:xmpp:sm:3'/>")
        self.romeo.hears()
        self.lines: list[PluggedLine] = []
        self.sent: list[tuple[str, str]] = []
        self.delivered: list[tuple[int, str]] = []
        self.answers: Counter[str] = Counter()
        self.bounced: Counter[str] = Counter()
        self.open: list[tuple[PluggedLine, Element]] = []
        self.covered = [0]
        self.heard = 0

    def step(self, action: str, number: int) -> None:
        lines = [line for line in self.lines if not line.link.closed]
        if action in ("message", "iq"):
            self._send(action)
        elif action == "passes":
            for _ in range(number):
                self.world.passes(1)
                self._listen()  # it is a client that answers
        elif action == "asks":
            self.romeo.says("<r xmlns='urn:xmpp:sm:3'/>")
        elif action == "connects":
            if len(lines) < LIMITS.connections:
                self.lines.append(self.files.connects())
        elif lines:
            self._act(lines[number % len(lines)], action)
        self._listen()

    def _send(self, kind: str) -> None:
        ident = f"{kind}{len(self.sent)}"
        self.sent.append((kind, ident))
        payload = "<body>hi</body>" if kind == "message" else "<x xmlns='urn:x'/>"
        type_ = "chat" if kind == "message" else "get"
        self.romeo.says(f"<{kind} to='{FILES}' type='{type_}' id='{ident}'>{payload}</{kind}>")

    def _act(self, line: PluggedLine, action: str) -> None:
        if action == "drops":
            self._drop(line)
        elif action in ("stalls", "reads"):
            line.link.buffered = LIMITS.outbox_bytes + 1 if action == "stalls" else 0
        elif action == "invents":
            line.says(f"<iq from='{FILES}' to='{self.romeo.jid}' type='result' id='invented'/>")
        elif self.open:
            line, request = self.open.pop()
            for _ in range(1 if action == "answers" else 2):
                line.says(f"<iq from='{FILES}' to='{self.romeo.jid}' type='result' id='{request.get('id')}'/>")

    def _drop(self, line: PluggedLine) -> None:
        self._read(line)
        line.link.closed = True
        line.drops()
        self.open = [(by, request) for by, request in self.open if by is not line]

    def _read(self, line: PluggedLine) -> None:
        for element in line.hears():
            self.delivered.append((self.lines.index(line), element.get("id") or ""))
            if element.name == "iq":
                self.open.append((line, element))

    def _listen(self) -> None:
        for line in self.lines:
            if line.link.closed and line.line in self.files.component.lines:  # the server has cut it off
                self._drop(line)
            self._read(line)
        for element in self.romeo.hears():
            ident = element.get("id") or ""
            if element.name == "a":
                self.covered.append(int(element.attrs["h"]))
                continue
            if element.name == "r":
                self.romeo.says(f"<a xmlns='urn:xmpp:sm:3' h='{self.heard}'/>")
                continue
            self.heard += 1
            assert ident != "invented"
            if element.name == "iq":
                self.answers[ident] += 1
            else:
                assert element.get("type") == "error"
                self.bounced[ident] += 1
            self.romeo.says(f"<a xmlns='urn:xmpp:sm:3' h='{self.heard}'/>")

    def finish(self) -> None:
        self.step("passes", 60)
        self.step("passes", 60)
        self.step("asks", 0)

    def check(self) -> None:
        assert self.covered == sorted(self.covered), "h went back"
        assert self.covered[-1] == len(self.sent), "a receipt was never released"
        messages = [ident for kind, ident in self.sent if kind == "message"]
        got = Counter(ident for _, ident in self.delivered)
        assert all(got[ident] + self.bounced[ident] == 1 for ident in messages)
        assert all(self.answers[ident] == 1 for kind, ident in self.sent if kind == "iq")
        order = {ident: index for index, (_, ident) in enumerate(self.sent)}
        for number in range(len(self.lines)):
            heard = [order[ident] for by, ident in self.delivered if by == number]
            assert heard == sorted(heard), "out of order"
        assert not self.files.component.open_requests
        assert not self.files.component.queued


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_everything_is_settled_once_and_in_order(steps: list[tuple[str, int]]) -> None:
    play = Play()
    for action, number in steps:
        play.step(action, number)
    play.finish()
    play.check()
