"""`xmpp-server module …`: what the server implements."""

from __future__ import annotations

import click

from xmpp_server.app.cli.context import Context, pass_context
from xmpp_server.app.cli.output import Row, json_option, show_rows
from xmpp_server.app.modules import MODULES, is_enabled
from xmpp_server.core.module import Module


@click.group()
def module() -> None:
    """Tell about modules."""


@module.command("list")
@json_option
@pass_context
def list_(context: Context, as_json: bool) -> None:
    """List the modules, whether the configuration enables them, and what they implement."""
    show_rows([_row(context, kind) for kind in MODULES], ("name", "enabled", "xeps", "about"), as_json=as_json)


def _row(context: Context, kind: type[Module]) -> Row:
    config = context.config
    return {
        "name": kind.name,
        "enabled": any(is_enabled(kind, config, domain) for domain in config.domains),
        "xeps": [f"XEP-{xep.number:04}" for xep in kind.xeps],
        "about": (kind.__doc__ or "").strip().partition("\n")[0],
    }
