"""Dice and a quiz for rooms, with a table of the best."""

import random
import re

from xmpp_bot import Bot, Context, Refusal

DICE = re.compile(r"(\d{0,3})d(\d{1,4})([+-]\d{1,4})?", re.IGNORECASE)
QUESTIONS = (
    ("Which port do XMPP clients use by custom?", "5222"),
    ("Which port do XMPP servers use among themselves?", "5269"),
    ("What stands before the @ of an address?", "localpart"),
    ("Which number has the XEP on multi-user chat?", "45"),
    ("What was XMPP called at first?", "jabber"),
)

bot = Bot("dice")
chance = random.SystemRandom()


@bot.command("roll", aliases=["r"])
async def roll(ctx: Context, dice: str = "1d6") -> str:
    """Roll dice.

    They are written as in games: d20, 3d6, 2d8+3.
    """
    match = DICE.fullmatch(dice)
    if match is None:
        raise Refusal(f"“{dice}” is not like 3d6+1.")
    number, sides, bonus = int(match[1] or 1), int(match[2]), int(match[3] or 0)
    if not (1 <= number <= 100 and sides >= 2):
        raise Refusal("From 1 to 100 dice, with 2 sides at least.")
    rolls = [chance.randint(1, sides) for _ in range(number)]
    detail = f" ({' + '.join(map(str, rolls))}{match[3] or ''})" if number > 1 or bonus else ""
    return f"{ctx.nick} rolls {sum(rolls) + bonus}{detail}"


@bot.command("choose")
async def choose(ctx: Context, *things: str) -> str:
    """Choose one of several things."""
    if len(things) < 2:
        raise Refusal("Between what?")
    return chance.choice(things)


@bot.command("quiz")
async def quiz(ctx: Context) -> str:
    """Ask a question; who answers first gets a point."""
    asked = ctx.room_store.get("asked", 0)
    ctx.room_store.set("asked", asked + 1)
    ctx.room_store.set("open", asked % len(QUESTIONS))
    return QUESTIONS[asked % len(QUESTIONS)][0]


@bot.command("scores")
async def scores(ctx: Context) -> str:
    """Show who has most points."""
    table = ctx.room_store.get("scores", dict[str, int]())
    best = sorted(table.items(), key=lambda entry: (-entry[1], entry[0]))[:10]
    return "\n".join(f"{points} {nick}" for nick, points in best) or "Nobody has any points."


@bot.on_message()
async def answer(ctx: Context) -> str | None:
    """Look whether the open question is answered."""
    number = ctx.room_store.get("open", -1)
    words = re.findall(r"\w+", ctx.text.lower())
    if number < 0 or QUESTIONS[number][1] not in words:
        return None
    ctx.room_store.delete("open")
    table = ctx.room_store.get("scores", dict[str, int]())
    table[ctx.nick] = table.get(ctx.nick, 0) + 1
    ctx.room_store.set("scores", table)
    await ctx.react("🎉")
    return f"Right, {ctx.nick}! That makes {table[ctx.nick]}."
