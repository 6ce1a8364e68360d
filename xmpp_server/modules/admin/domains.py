"""XEP-0133 §4.11 and §4.12: with which other servers this one talks."""

from __future__ import annotations

import structlog

from xmpp_server.core.domain_rules import DomainRules, PatternError, Rule
from xmpp_server.errors import Condition, StanzaError
from xmpp_server.jid import JID
from xmpp_server.modules.admin.forms import Allowed, blank, lines_field, node
from xmpp_server.modules.commands import Ask, Command, Done, Stage, Values
from xmpp_server.stanzas.forms import Field, FieldType

log = structlog.get_logger()


class DomainCommands:
    """Edits what stands on the two lists beside what the configuration puts there."""

    def __init__(self, rules: DomainRules) -> None:
        self._rules = rules

    def commands(self, allowed: Allowed) -> list[Command]:
        """Return the commands."""
        return [
            self._editing("blacklist", "Blacklist", Rule.BLOCK, "disallowed", allowed),
            self._editing("whitelist", "Whitelist", Rule.ALLOW, "allowed", allowed),
        ]

    def _editing(self, name: str, title: str, rule: Rule, effect: str, allowed: Allowed) -> Command:
        var = f"{name}jids"
        instructions = (
            f"Fill out this form to edit the list of servers with whom communications are {effect}: "
            "a domain a line, or *.example.net for all below one."
        )

        async def start(requester: JID) -> Stage:
            fields = [lines_field(var, f"The {name}", "\n".join(self._rules.added[rule]), required=False)]
            configured = self._rules.configured[rule]
            if configured:
                text = f"The configuration has these as well: {', '.join(configured)}"
                fields.append(Field(values=(text,), type=FieldType.FIXED))
            return Ask(blank(f"Editing the {title}", instructions, *fields), submit)

        async def submit(requester: JID, values: Values) -> Stage:
            lines = [line.strip() for line in values.get(var, ()) if line.strip()]
            try:
                await self._rules.replace(rule, lines)
            except PatternError as error:
                raise StanzaError(Condition.NOT_ACCEPTABLE, f"Not a domain: {error}") from None
            log.info("domain-rules-changed", by=str(requester.bare), rule=rule.value, domains=lines)
            return Done()

        return Command(node(f"edit-{name}"), f"Edit {title}", allowed, start)
