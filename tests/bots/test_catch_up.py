"""With an archive (XEP-0313) a bot finds what others of its account's clients have got while it was away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bots.conftest import ACCOUNTS, EXAMPLES, NewBot, NewPerson
from tests.bots.test_examples_live import in_room, open_room, say
from tests.components.archive.running import connected, pair
from tests.interop.slix import SlixClient
from tests.peers import ServerProcess

Names = Iterator[str]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of its own, with the archive."""
    process, archive = pair(tmp_path_factory.mktemp("archive"))
    config = process.config_file.read_text().replace("[modules.archive]", "[modules.archive]\nsearch = true")
    process.config_file.write_text(config)
    with archive._config.open("a") as file:
        file.write("[search]\nenabled = true\n")
    with connected(process, archive, *(f"user{number}" for number in range(ACCOUNTS))):
        yield process
        assert process.failures() == []


async def test_what_another_client_got_is_answered(
    server: ServerProcess, new_bot: NewBot, person: NewPerson, names: Names
) -> None:
    name = next(names)
    bot = await new_bot(name, EXAMPLES / "dice.py").start()
    juliet = await person(next(names))
    juliet.say(bot.jid, "quiz")
    await juliet.hears_text("Which port do XMPP clients use by custom?")
    assert bot.stop() == 0
    phone = await SlixClient(name, "phone").online(server.c2s)
    juliet.say(bot.jid, "5222")
    await phone.hears_text("5222")
    await phone.offline()
    await bot.start()
    await juliet.hears_text(f"Right, {juliet.boundjid.user}! That makes 1.")
    assert bot.log[-1]["event"] != "archive_failed"
    assert bot.count("caught_up") == 1
    bot.stop()
    await bot.start()
    juliet.say(bot.jid, "scores")
    await juliet.hears_text(f"1 {juliet.boundjid.user}")
    assert len(juliet.texts()) == 3


async def test_killed_it_answers_each_once(new_bot: NewBot, person: NewPerson, names: Names, tmp_path: Path) -> None:
    bot = await new_bot(next(names), EXAMPLES / "echo.py").start()
    juliet = await person(next(names))
    sent = []
    for round_ in range(3):
        for number in range(10):
            sent.append(f"{round_}-{number}")
            juliet.say(bot.jid, sent[-1])
            if number == 5:
                await juliet.settle()
                bot.kill()
        await juliet.settle()
        await bot.start()
    for text in sent:
        await juliet.hears_text(text)
    juliet.say(bot.jid, "end")
    await juliet.hears_text("end")
    assert sorted(juliet.texts()) == sorted([*sent, "end"])


async def test_a_room_s_archive_tells_more_than_its_history(new_bot: NewBot, person: NewPerson, names: Names) -> None:
    name = next(names)
    juliet, room = await person(name), f"{name}@conference.localhost"
    await open_room(juliet, room)
    bot = await new_bot(next(names), EXAMPLES / "echo.py", in_room(room)).start()
    say(juliet, room, "!echo before")
    await juliet.hears_text("before", "groupchat")
    bot.kill()
    missed = [f"answer {number}" for number in range(130)]
    for text in missed:
        say(juliet, room, f"!echo {text}")
    await juliet.hears_text(f"!echo {missed[-1]}", "groupchat")
    await bot.start()
    say(juliet, room, "!echo after")
    await juliet.hears_text("after", "groupchat")
    for text in missed:
        await juliet.hears_text(text, "groupchat")
    answers = [text for text in juliet.texts("groupchat") if not text.startswith("!")]
    assert sorted(answers) == sorted(["before", *missed, "after"])


async def test_the_search_finds_what_was_said(new_bot: NewBot, person: NewPerson, names: Names) -> None:
    name = next(names)
    juliet, room = await person(name), f"{name}@conference.localhost"
    await open_room(juliet, room)
    say(juliet, room, "What's in a name?")
    say(juliet, room, "That which we call a rose")
    await new_bot(next(names), EXAMPLES / "search.py", in_room(room)).start()
    say(juliet, room, "!search rose")
    await juliet.hears(
        lambda one: one.sender.endswith("/Nurse") and one.text.endswith("Juliet: That which we call a rose")
    )
