"""XEP-0050: the bot's commands in the menus of clients, with a form for their arguments."""

from __future__ import annotations

import slixmpp
from slixmpp.plugins.xep_0004 import Form

from xmpp_bot.commands import Command
from xmpp_bot.engine import Engine
from xmpp_bot.errors import ArgumentError
from xmpp_bot.reading import Reader
from xmpp_bot.roles import Role

#: slixmpp's session of a command: a dictionary of its own making.
Session = dict[str, object]


class AdHoc:
    """Offers all commands that are not hidden; who may call one is decided when it is called."""

    def __init__(self, client: slixmpp.ClientXMPP, engine: Engine, reader: Reader) -> None:
        self._client = client
        self._engine = engine
        self._reader = reader

    def offer(self) -> None:
        """List the commands for the address that the bot has now."""
        for command in self._engine.bot.listed(Role.OWNER):
            self._offer(command)

    def _offer(self, command: Command) -> None:
        async def begin(iq: slixmpp.Iq, session: Session) -> Session:
            if command.parameters:
                session["payload"] = self._form(command)
                session["next"] = finish
                session["has_next"] = False
                return session
            return await self._perform(command, [], session)

        async def finish(form: Form | None, session: Session) -> Session:
            given = form["values"] if form else {}
            try:
                values = _values(command, given)
            except ArgumentError as error:
                session["notes"] = [("error", str(error))]
                session["payload"] = self._form(command)
                session["next"] = finish
                return session
            return await self._perform(command, values, session)

        self._client.plugin["xep_0050"].add_command(node=command.name, name=command.help or command.name, handler=begin)

    async def _perform(self, command: Command, values: list[object], session: Session) -> Session:
        sender = session["from"]
        assert isinstance(sender, slixmpp.JID)  # noqa: S101 - as slixmpp has put it there
        said = await self._engine.perform(command, values, self._reader.request(sender, command.name))
        text = "\n".join(one.text or one.url for one in said if one.text or one.url)
        session["notes"] = [("info", text or "Done.")]
        session["payload"] = None
        session["next"] = None
        return session

    def _form(self, command: Command) -> object:
        form = self._client.plugin["xep_0004"].make_form(ftype="form", title=command.name)
        form["instructions"] = command.details or command.help
        for parameter in command.parameters:
            kind = "boolean" if parameter.type is bool else "list-single" if parameter.choices else "text-single"
            form.add_field(
                var=parameter.name,
                ftype=kind,
                label=parameter.name,
                required=parameter.required,
                value=None if parameter.default is None else _text(parameter.default),
                options=[{"label": choice, "value": choice} for choice in parameter.choices] or None,
            )
        return form


def _values(command: Command, given: dict[str, object]) -> list[object]:
    values: list[object] = []
    for parameter in command.parameters:
        text = _text(given.get(parameter.name))
        if parameter.many:
            values += [parameter.read(word) for word in text.split()]
        elif text:
            values.append(parameter.read(text))
        elif parameter.required:
            raise ArgumentError(f"{parameter.name} is missing")
        else:
            values.append(parameter.default)
    return values


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "" if value is None else str(value)
