"""Moderator: takes floods, links of strangers and bad words back (XEP-0425), and puts out who goes on.

It must be an admin of the room. Members are free; `strikes`, `pardon` and `ban-word` are for admins.
"""

import re

from xmpp_bot import Bot, Context, Role

LINK = re.compile(r"https?://|www\.", re.IGNORECASE)

bot = Bot("moderator")


def fault(ctx: Context) -> str:
    """Tell what is wrong with a message, "" if nothing is."""
    words = {*ctx.options("words"), *ctx.room_store.get("words", list[str]())}
    if {word.lower() for word in re.findall(r"\w+", ctx.text)} & {word.lower() for word in words}:
        return "that word is not for here"
    if LINK.search(ctx.text) and ctx.option("links", "no") == "no":
        return "links are for members"
    now = ctx.now.timestamp()
    recent = [at for at in ctx.room_store.get(f"recent {ctx.user}", list[float]()) if now - at < 10]
    ctx.room_store.set(f"recent {ctx.user}", [*recent, now])
    return "slower, please" if len(recent) >= int(ctx.option("flood", "5")) else ""


@bot.on_message()
async def watch(ctx: Context) -> None:
    """Look at each message in rooms."""
    if not ctx.room or ctx.role >= Role.MEMBER or not (reason := fault(ctx)):
        return
    await ctx.retract(reason)
    key = f"strikes {ctx.user}"
    strikes = ctx.room_store.get(key, 0) + 1
    ctx.room_store.set(key, strikes)
    if strikes >= int(ctx.option("strikes", "3")):
        ctx.room_store.set(key, 0)
        await ctx.kick(ctx.nick, reason)
    else:
        await ctx.reply(f"{ctx.nick}: {reason}.")


@bot.command("strikes", role=Role.ADMIN)
async def strikes(ctx: Context) -> str:
    """List who has strikes."""
    found = [(key[8:], count) for key, count in ctx.room_store.items() if key.startswith("strikes ") and count]
    return "\n".join(f"{user}: {count}" for user, count in found) or "Nobody has any."


@bot.command("pardon", role=Role.ADMIN)
async def pardon(ctx: Context, nick: str) -> str:
    """Take somebody's strikes away, by nick or address."""
    done = [ctx.room_store.delete(f"strikes {user}") for user in (nick, f"{ctx.room}/{nick}")]
    return "Done." if any(done) else "Nobody of that name has any."


@bot.command("ban-word", role=Role.ADMIN)
async def ban_word(ctx: Context, word: str) -> str:
    """Add a word to this room's list."""
    words = ctx.room_store.get("words", list[str]())
    ctx.room_store.set("words", sorted({*words, word.lower()}))
    return "It is on the list."
