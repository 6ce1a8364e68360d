"""The command `xmpp-bot`."""

from __future__ import annotations

import click


@click.group()
def main() -> None:
    """Run XMPP bots, and begin new ones."""
