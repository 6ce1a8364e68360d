"""What docs/acknowledgement.md promises, whatever happens to the sessions and the store in between."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.world import Client, World
from xmpp_server.im.delivery import Delivery
from xmpp_server.im.offline import GIVE_UP_S, Offline
from xmpp_server.im.presence import Presence
from xmpp_server.im.roster import Roster
from xmpp_server.jid import JID
from xmpp_server.modules.carbons import Carbons
from xmpp_server.modules.csi import ClientState
from xmpp_server.modules.stable_ids import StableIds
from xmpp_server.modules.stream_management import StreamManagementModule
from xmpp_server.storage.api import StorageFullError
from xmpp_server.xml.namespaces import CLIENT
from xmpp_server.xml.stanza import Stanza

JULIET = JID.parse("juliet@example.org")
MODULES = (Delivery, Offline, Roster, Presence, StableIds, Carbons, StreamManagementModule, ClientState)
STANZAS = ("message", "presence", "iq")
CARBONS_ON = "<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>"

RESOURCES = st.sampled_from("ab")
#: What happens, one after the other; what makes no sense at the moment is passed over.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(("chat", "state", "secret")), st.sampled_from(("", "/a", "/b"))),
        st.tuples(
            st.sampled_from(("login", "managed", "acks", "reads", "drops", "loses", "resumes", "ends")), RESOURCES
        ),
        st.tuples(st.sampled_from(("inactive", "active", "unavailable", "available")), RESOURCES),
        st.tuples(st.just("passes"), st.sampled_from(("1", "3", "50", "700"))),
        st.tuples(st.sampled_from(("hold", "release", "fail", "asks")), st.just("")),
    ),
    max_size=40,
)


class Reader:
    """A client of Juliet's: what it has read counts as handled, and is acknowledged now and then."""

    def __init__(self, client: Client, managed: bool) -> None:
        self.client = client
        self.managed = managed
        self.handled = 0
        self.connected = True
        self.seen: Counter[str] = Counter()

    def reads(self) -> None:
        if not self.connected:
            return
        for stanza in self.client.hears_stanzas():
            if stanza.name in STANZAS:
                self.handled += 1
                self._see(stanza)

    def might_have(self, ident: str) -> bool:
        """Tell whether a message was written to the connection, and not read yet."""
        return self.connected and f"<body>{ident}</body>".encode() in self.client.transport.written

    def _see(self, stanza: Stanza) -> None:
        if stanza.name == "message" and stanza.element.find("body", CLIENT) is not None:
            self.seen[stanza.attrs["id"]] += 1
            assert self.seen[stanza.attrs["id"]] == 1, "twice in one session"


class Play:
    """Romeo writes, Juliet's resources come and go."""

    def __init__(self) -> None:
        self.world = World(modules=MODULES)
        self.world.create(JULIET)
        self.romeo = self.world.online("romeo@example.org/home")
        self.romeo.says("<enable xmlns='urn:xmpp:sm:3'/>")
        self.romeo.hears()
        self.readers: dict[str, Reader] = {}
        self.all: list[Reader] = []
        self.sent = self.heard = 0
        #: When each was sent (monotonic seconds).
        self.chats: dict[str, float] = {}
        #: Those whose sender was told an error before anybody has seen them, and soon.
        self.refused: set[str] = set()
        self.bounced: list[str] = []
        self.covered: list[int] = []
        self.failed = False

    def step(self, action: str, argument: str) -> None:
        self.world.passes(0.001)  # no two things happen at the very same time
        if action in ("chat", "state", "secret"):
            self._send(action, argument)
        elif action == "passes":
            self.world.passes(float(argument))
        elif action in ("login", "managed"):
            self._login(argument, action == "managed")
        elif argument:
            reader = self.readers.get(argument)
            if reader is not None and not reader.client.session.closed:
                self._act(reader, action)
        else:
            self._act_on_world(action)
        self._listen()

    def _send(self, kind: str, resource: str) -> None:
        self.sent += 1
        ident = f"{kind}{self.sent}"
        payload = {
            "chat": f"<body>{ident}</body>",
            "state": "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
            "secret": f"<body>{ident}</body><no-store xmlns='urn:xmpp:hints'/>",
        }[kind]
        if kind == "chat":
            self.chats[ident] = self.world.runtime.now()
        self.romeo.says(f"<message to='{JULIET}{resource}' type='chat' id='{ident}'>{payload}</message>")

    def _login(self, resource: str, managed: bool) -> None:
        old = self.readers.get(resource)
        if old is not None:
            old.reads()
            old.connected = False
        reader = Reader(self.world.login(f"{JULIET}/{resource}"), managed)
        self.readers[resource] = reader
        self.all.append(reader)
        if managed:
            reader.client.says("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
            reader.client.hears()
        reader.client.says(CARBONS_ON, "<presence/>")

    def _act(self, reader: Reader, action: str) -> None:
        client = reader.client
        if action == "resumes":
            if not reader.connected:
                client.session.acknowledge(reader.handled)
                client.resumes()
                reader.connected = True
        elif not reader.connected:
            if action == "ends":
                client.leaves()
        elif action in ("reads", "acks"):
            reader.reads()
            if action == "acks" and reader.managed:
                client.says(f"<a xmlns='urn:xmpp:sm:3' h='{reader.handled}'/>")
        elif action in ("drops", "loses", "ends"):
            if action != "loses" or not reader.managed:  # else what was under way is lost
                reader.reads()
            reader.connected = False
            client.transport.take()
            if action == "ends":
                client.leaves()
            else:
                client.drops()
        elif action in ("inactive", "active"):
            client.says(f"<{action} xmlns='urn:xmpp:csi:0'/>")
        else:
            client.says("<presence/>" if action == "available" else "<presence type='unavailable'/>")

    def _act_on_world(self, action: str) -> None:
        if action == "asks":
            self.romeo.says("<r xmlns='urn:xmpp:sm:3'/>")
        elif action == "hold":
            self.world.storage.hold()
        elif action == "fail":
            self.failed = True
            self.world.release(StorageFullError("no space"))
        else:
            self.world.release()

    def _listen(self) -> None:
        for element in self.romeo.hears():
            if element.name in STANZAS:
                self.heard += 1
                self.romeo.says(f"<a xmlns='urn:xmpp:sm:3' h='{self.heard}'/>")
            if element.name == "a":
                self.covered.append(int(element.attrs["h"]))
            elif element.name == "message":
                assert element.get("type") == "error"
                self._note_error(element.attrs["id"])
        for reader in self.all:
            if reader.client.transport.closed:
                reader.connected = False

    def _note_error(self, ident: str) -> None:
        self.bounced.append(ident)
        sent = self.chats.get(ident)
        is_unseen = not any(ident in reader.seen or reader.might_have(ident) for reader in self.all)
        if is_unseen and sent is not None and self.world.runtime.now() - sent < GIVE_UP_S:
            self.refused.add(ident)

    def finish(self) -> None:
        """All go; then Juliet looks what there is."""
        self.world.release()
        for reader in self.all:
            reader.reads()
            if not reader.client.session.closed:
                reader.client.leaves()
        self._listen()
        self.romeo.says("<r xmlns='urn:xmpp:sm:3'/>")
        self._listen()
        last = Reader(self.world.login(f"{JULIET}/last"), False)
        last.client.says("<presence/>")
        last.reads()
        self.all.append(last)

    def check(self) -> None:
        assert self.covered == sorted(self.covered), "h went back"
        assert self.covered[-1] == self.sent, "a receipt was never released"
        sm = self.romeo.session.sm
        assert sm is not None
        assert not sm.ledger.unsafe
        seen = {ident for reader in self.all for ident in reader.seen}
        lost = [ident for ident in self.chats if ident not in seen and ident not in self.bounced]
        assert not lost
        assert max(Counter(self.bounced).values(), default=1) == 1
        assert not seen & (self.refused if self.failed else set(self.bounced))
        if not self.failed:  # what could not be removed comes a second time
            account = self.all[-1].client.account
            assert self.world.run(self.world.storage.offline.count(JULIET)) == account.offline_count == 0


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_every_message_is_settled_once_and_none_is_lost(steps: list[tuple[str, str]]) -> None:
    async def run() -> None:
        play = Play()
        for action, argument in steps:
            play.step(action, argument)
        play.finish()
        play.check()

    asyncio.run(run())
