"""The bot's connection: slixmpp's client, with rooms, catching up and coming back. It knows XML and no handlers."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path

import slixmpp
import structlog
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.xmlstream import StanzaBase

from xmpp_bot.adhoc import AdHoc
from xmpp_bot.archive import Archive
from xmpp_bot.bot import Bot
from xmpp_bot.config import Config
from xmpp_bot.engine import Engine
from xmpp_bot.errors import BotError, LoginError, Refusal
from xmpp_bot.messages import Kind, Message, Outgoing
from xmpp_bot.reading import Reader
from xmpp_bot.rooms import Rooms
from xmpp_bot.search import search_room
from xmpp_bot.store import Store
from xmpp_bot.upload import Uploads

#: By the numbers of their XEPs.
PLUGINS = (4, 30, 45, 50, 66, 85, 92, 115, 198, 203, 308, 313, 359, 363, 410, 425, 444)
LONGEST_PAUSE_S = 60.0
#: A silent connection is asked after so long, and given up when no answer comes in the other time.
PING_S, PING_TIMEOUT_S = 120, 30
REQUEST_TIMEOUT_S = 30.0

_log = structlog.get_logger("xmpp_bot")


class Client(slixmpp.ClientXMPP):
    """slixmpp's client under a bot; handlers reach it as `ctx.wire`."""

    def __init__(self, bot: Bot, config: Config) -> None:
        super().__init__(config.jid, config.password)
        self.config = config
        self.store = Store(config.store)
        self.engine = Engine(bot, config, self.store, self, time.time)
        self.failure: BotError | None = None
        self._pause_s = 1.0
        self._reason = ""
        self._ending = asyncio.Event()
        self._online = False
        self._ticking: asyncio.Task[None] | None = None
        #: Messages that are with slixmpp and not yet written, by id.
        self._writing: dict[str, Callable[[], None]] = {}
        self._work: set[asyncio.Task[None]] = set()

        self.ssl_context = ssl.create_default_context(cafile=config.ca_file or None)
        self.enable_direct_tls = config.direct_tls or config.address is None
        self.enable_starttls = not config.direct_tls
        self.auto_authorize = {"accept": True, "mutual": True, "refuse": False, "ignore": None}[config.subscriptions]
        self.auto_subscribe = config.subscriptions == "mutual"
        self.register_plugin("xep_0199", {"keepalive": True, "interval": PING_S, "timeout": PING_TIMEOUT_S})
        for plugin in PLUGINS:
            self.register_plugin(f"xep_{plugin:04}")
        self.plugin["feature_mechanisms"].unencrypted_scram = False
        self.plugin["xep_0092"].software_name = bot.name
        self.plugin["xep_0030"].add_identity(category="client", itype="bot", name=bot.name)
        self._uploads = Uploads(self, config.ca_file)
        self.rooms = Rooms(self, config, self.store)
        reader = Reader(self, self.engine, self.rooms)
        self.archive = Archive(self, reader, self.store)
        self.rooms.on_return(self.archive.catch_up_in)
        self.adhoc = AdHoc(self, self.engine, reader)
        self.add_event_handler("session_start", self._on_session)
        self.add_event_handler("session_resumed", self._on_resumed)
        self.add_event_handler("disconnected", self._on_disconnected)
        self.add_event_handler("connection_failed", self._on_failed)
        self.add_event_handler("reconnect_delay", self._on_unreachable)
        self.add_event_handler("failed_all_auth", self._on_refused)
        self.add_filter("out_sync", self._on_written)

    async def run(self) -> None:
        """Be online until `end` is called.

        Raises:
            LoginError: The server refuses the password.
            BotError: The bot's own start has failed.

        """
        self._connect()
        try:
            await self._ending.wait()
        finally:
            await self._leave()
        if self.failure is not None:
            raise self.failure

    def end(self) -> None:
        """Ask the bot to go."""
        self._ending.set()

    # The wire.

    def transmit(self, message: Outgoing, written: Callable[[], None]) -> None:
        """Send a message of a handler, while there is a session."""
        if self._online and message.id not in self._writing:
            if not message.state:
                self._writing[message.id] = written
            self._stanza(message).send()

    async def upload(self, path: Path) -> str:
        """Upload a file (XEP-0363)."""
        return await self._uploads.upload(path)

    async def kick(self, room: str, nick: str, reason: str) -> None:
        """Put an occupant out of a room."""
        await self._request(self.plugin["xep_0045"].set_role(slixmpp.JID(room), nick, "none", reason=reason), "kick")

    async def retract(self, room: str, stanza_id: str, reason: str) -> None:
        """Take a message back (XEP-0425); many servers cannot, which is no reason to do nothing else."""
        try:
            await self._request(self.plugin["xep_0425"].moderate(slixmpp.JID(room), stanza_id, reason), "retract")
        except Refusal:
            return

    async def search(self, room: str, text: str, limit: int) -> list[Message]:
        """Search a room's archive (XEP-0431)."""
        return await search_room(self, room, text, limit)

    def occupants(self, room: str) -> list[str]:
        """Nicks in a room."""
        return self.rooms.nicks(room)

    async def _request(self, call: Awaitable[object], name: str) -> None:
        try:
            await asyncio.wait_for(call, REQUEST_TIMEOUT_S)
        except (IqError, IqTimeout, TimeoutError) as error:
            _log.warning("request_refused", request=name, error=str(error))
            raise Refusal("The room does not let me.") from error

    def _stanza(self, outgoing: Outgoing) -> slixmpp.Message:
        message = self.make_message(mto=slixmpp.JID(outgoing.to), mtype=outgoing.kind.value)
        message["id"] = outgoing.id
        if outgoing.state:
            message["chat_state"] = outgoing.state
            return message
        if outgoing.reacts_to:
            self.plugin["xep_0444"].set_reactions(message, outgoing.reacts_to, outgoing.reactions)
        if outgoing.text or outgoing.url:
            message["body"] = outgoing.text or outgoing.url
            if outgoing.kind is Kind.CHAT:
                message["chat_state"] = "active"
        if outgoing.replaces:
            message["replace"]["id"] = outgoing.replaces
        if outgoing.url:
            message["oob"]["url"] = outgoing.url
        return message

    def _on_written(self, stanza: StanzaBase) -> StanzaBase:
        """Strike it out at the last moment: what slixmpp gets back from here it writes in the same step.

        Afterwards would be later: who gets the answer could kill the bot before it is noted.
        """
        if isinstance(stanza, slixmpp.Message):
            written = self._writing.pop(stanza["id"], None)
            if written is not None:
                written()
        return stanza

    # Coming and going.

    def _connect(self) -> None:
        address = self.config.address
        self.connect(*address) if address else self.connect()

    def _on_session(self, _: object) -> None:
        self._spawn(self._begin())

    async def _begin(self) -> None:
        """Be there: presence, the archive, rooms, then what the bot does by itself."""
        self._pause_s = 1.0
        self.adhoc.offer()
        try:
            await self.get_roster(timeout=REQUEST_TIMEOUT_S)
        except (IqError, IqTimeout) as error:
            _log.warning("no_roster", error=str(error))
        self._online = True
        # Presence before the archive, or what comes between them is missed; what comes on both ways is known by its id.
        self.send_presence(pstatus=self.config.status)
        await self.archive.catch_up()
        await self.rooms.join_all()
        await self.engine.start()
        _log.info("online", jid=str(self.boundjid), rooms=sorted(self.rooms.joined))
        self._start_ticking()

    def _start_ticking(self) -> None:
        if self._ticking is None or self._ticking.done():
            self._ticking = self._spawn(self._tick())

    async def _tick(self) -> None:
        while self._online:
            pause_s = await self.engine.tick()
            await asyncio.sleep(min(30.0, max(0.2, pause_s)))

    def _on_resumed(self, _: object) -> None:
        self._pause_s = 1.0
        self._online = True
        self.engine.flush()
        self._start_ticking()
        _log.info("resumed")

    def _on_disconnected(self, reason: object) -> None:
        self._online = False
        if not self._ending.is_set():
            _log.warning("disconnected", reason=str(reason or ""), again_in_s=round(self._pause_s, 1))
            self._spawn(self._come_back())

    def _on_failed(self, reason: object) -> None:
        self._reason = str(reason)

    def _on_unreachable(self, _: object) -> None:
        """All addresses have failed; slixmpp would try again by itself, after pauses of up to five minutes."""
        self.cancel_connection_attempt()
        if not self._ending.is_set():
            _log.warning("unreachable", reason=self._reason, again_in_s=round(self._pause_s, 1))
            self._spawn(self._come_back())

    async def _come_back(self) -> None:
        pause_s = self._pause_s * random.uniform(0.5, 1.0)  # noqa: S311 - spreads, hides nothing
        self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2)
        await asyncio.sleep(pause_s)
        if not self._ending.is_set() and not self.is_connected():
            self._connect()

    def _on_refused(self, _: object) -> None:
        self.failure = LoginError(f"the server refuses the password of {self.config.jid}")
        self.end()

    async def _leave(self) -> None:
        """Finish what has begun and say goodbye, or go without."""
        self._ending.set()
        try:
            async with asyncio.timeout(10.0):
                await self.engine.stop()
                if self.is_connected():
                    self.rooms.leave_all()
                    self.send_presence(ptype="unavailable")
                    await self.disconnect()
        except TimeoutError:
            _log.warning("left_in_haste")
        self._online = False
        self.cancel_connection_attempt()
        for task in list(self._work):
            task.cancel()
        self.store.close()
        _log.info("offline")

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._work.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._work.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, BotError):
            self.failure = error
            self.end()
        elif error is not None:
            _log.error("failed", exc_info=error)
