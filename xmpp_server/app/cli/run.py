"""`xmpp-server run`: serve in the foreground."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from xmpp_server.app.cli.context import Context, pass_context

if TYPE_CHECKING:
    from xmpp_server.app.server import Server


@click.command()
@pass_context
def run(context: Context) -> None:
    """Serve in the foreground. SIGTERM drains and stops, SIGHUP reloads configuration and certificates."""
    from xmpp_server.app.process import serve

    def started(server: Server) -> None:
        click.echo(greeting(context, server))

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        restart = runner.run(serve(context.load, started))
    if restart:
        # In the same process, so that it works under any service manager, in a container, and without either.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - what we were started with


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "linux":  # elsewhere there is no epoll, and asyncio's own loop serves
        from xmpp_server.net.selector import event_loop

        return event_loop
    return None


def greeting(context: Context, server: Server) -> str:
    """Tell how to connect, and how to add an account."""
    domain = server.config.domains[0]
    program = sys.argv[0] + (f" --config {context.path}" if context.path else "")
    doors = {"c2s": "STARTTLS", "c2s_tls": "direct TLS", "http": "/health and /metrics"}
    lines = [f"Serving {', '.join(server.config.domains)}:"]
    lines += [f"  {address}  ({text})" for name, text in doors.items() for address in server.addresses.get(name, ())]
    if not server.config.tls.certificate:
        lines.append("The certificate is self-signed: clients ask once whether to trust it.")
    lines += ["Add an account from another terminal, then sign in with any Jabber client:"]
    lines += [f"  {program} user add me@{domain}"]
    return "\n".join(lines)
