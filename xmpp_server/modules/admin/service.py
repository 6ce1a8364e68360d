"""XEP-0133 §4.30 and §4.31: restart and shut down the service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from xmpp_server.core.host import Host
from xmpp_server.jid import JID
from xmpp_server.modules.admin.forms import Allowed, asking, blank, lines_field, text
from xmpp_server.modules.commands import Command, Done, Stage, Values
from xmpp_server.stanzas.forms import Field, FieldType, Form, Option

DELAYS = (
    ("0", "now"),
    ("30", "30 seconds"),
    ("60", "60 seconds"),
    ("90", "90 seconds"),
    ("120", "2 minutes"),
    ("180", "3 minutes"),
    ("240", "4 minutes"),
    ("300", "5 minutes"),
)

DEFAULT_DELAY = "30"

log = structlog.get_logger()


class ServiceCommands:
    """Stops the service after a delay; `stop` is called with true for a restart."""

    def __init__(self, host: Host, stop: Callable[[bool], None], announce: Callable[[str], None]) -> None:
        self._host = host
        self._stop = stop
        self._announce = announce

    def commands(self, allowed: Allowed) -> list[Command]:
        """Return the commands."""
        restart = _form("Restarting the Service", "Fill out this form to restart the service.", "restarting")
        shutdown = _form("Shutting Down the Service", "Fill out this form to shut down the service.", "shutting down")
        return [
            asking("restart", "Restart Service", allowed, restart, self._submit(True)),
            asking("shutdown", "Shut Down Service", allowed, shutdown, self._submit(False)),
        ]

    def _submit(self, restart: bool) -> Callable[[JID, Values], Awaitable[Stage]]:
        async def submit(requester: JID, values: Values) -> Stage:
            [delay] = values.get("delay") or (DEFAULT_DELAY,)
            announcement = text(values, "announcement")
            if announcement:
                self._announce(announcement)
            log.warning("stop-requested", by=str(requester.bare), restart=restart, delay_s=int(delay))
            self._host.runtime.schedule(float(delay), lambda: self._stop(restart))
            return Done()

        return submit


def _form(title: str, instructions: str, doing: str) -> Form:
    options = tuple(Option(value, label) for value, label in DELAYS)
    delay = Field("delay", (DEFAULT_DELAY,), FieldType.LIST_SINGLE, f"Time delay before {doing}", options=options)
    return blank(title, instructions, delay, lines_field("announcement", "Announcement", required=False))
