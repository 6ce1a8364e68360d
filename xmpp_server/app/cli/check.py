"""`xmpp-server check`: what is wrong, and what to do about it."""

from __future__ import annotations

import asyncio
import dataclasses

import click

from xmpp_server.app.cli.context import FAILED, Context, pass_context
from xmpp_server.app.cli.output import json_option, show_rows

SUBJECTS = ("config", "tls", "dns", "storage", "turn")


@click.command()
@click.argument("subject", type=click.Choice([*SUBJECTS, "all"]), default="all")
@json_option
@pass_context
@click.pass_context
def check(click_context: click.Context, context: Context, subject: str, as_json: bool) -> None:
    """Tell what is wrong with the configuration and what it needs. Exit code 1 for an error."""
    from xmpp_server.app import logging
    from xmpp_server.app.diagnosis import diagnose
    from xmpp_server.app.finding import Level

    logging.configure("error", "console")  # what is found is told below
    subjects = SUBJECTS if subject == "all" else (subject,)
    findings = asyncio.run(diagnose(context.config, subjects))
    rows = [dataclasses.asdict(finding) for finding in findings]
    show_rows(rows, ("subject", "level", "text", "remedy"), as_json=as_json)
    if any(finding.level is Level.ERROR for finding in findings):
        click_context.exit(FAILED)
