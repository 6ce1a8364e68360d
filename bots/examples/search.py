"""Search: finds what was said in a room, in the room's archive (XEP-0313) if the server can search it (XEP-0431)."""

from xmpp_bot import Bot, Context, Refusal, Rest

MOST = 5
#: What is longer is cut.
LENGTH = 200

bot = Bot("search")


@bot.command("search", aliases=["find"])
async def search(ctx: Context, words: Rest) -> str:
    """Find what was said here with all of these words, the latest last."""
    if not ctx.room:
        raise Refusal("Ask in the room.")
    await ctx.typing()
    # The question itself and older ones, and what the bot has said upon them, help nobody.
    found = [
        one
        for one in await ctx.wire.search(ctx.room, words, 4 * MOST)
        if one.nick != ctx.config.nick_in(ctx.room) and not one.text.startswith(ctx.config.prefix_in(ctx.room))
    ]
    lines = [f"{one.stamp:%Y-%m-%d %H:%M} {one.nick}: {_cut(one.text)}" for one in found[-MOST:]]
    return "\n".join(lines) or "Nothing."


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LENGTH else f"{line[:LENGTH]}…"
