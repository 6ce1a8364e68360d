"""Reminders: "remind 1h30m tea" brings the word back in time, in chats and rooms. They survive restarts."""

import secrets
from datetime import datetime, timedelta

from xmpp_bot import Bot, Context, Refusal, Rest
from xmpp_bot.durations import format_duration

MOST = 50

bot = Bot("reminders")


@bot.command("remind", aliases=["remindme"])
async def remind(ctx: Context, when: timedelta, text: Rest) -> str:
    """Remind you after a time.

    The time is written as 90s, 5m, 1h30m or 2d.
    """
    mine = dict(ctx.user_store.items())
    if len(mine) >= MOST:
        raise Refusal(f"You have {MOST} reminders already.")
    ident = secrets.token_hex(2)
    due = ctx.now + when
    ctx.user_store.set(ident, [due.isoformat(), text])
    ctx.store.set(ident, [due.isoformat(), ctx.conversation, ctx.user, ctx.nick, text])
    return f"I will, in {format_duration(when)} ({ident})."


@bot.command("reminders")
async def reminders(ctx: Context) -> str:
    """List your reminders."""
    lines = []
    for ident, value in ctx.user_store.items():
        due, text = value if isinstance(value, list) else ("", "")
        left = datetime.fromisoformat(due) - ctx.now
        lines.append(f"{ident}: in {format_duration(left)}: {text}")
    return "\n".join(lines) or "You have none."


@bot.command("forget")
async def forget(ctx: Context, reminder: str) -> str:
    """Forget one of your reminders."""
    if not ctx.user_store.delete(reminder):
        raise Refusal(f"You have no reminder “{reminder}”.")
    ctx.store.delete(reminder)
    return "Forgotten."


@bot.every("1s")
async def ring(ctx: Context) -> None:
    """Tell what is due, also what was due while the bot was away."""
    for ident, value in list(ctx.store.items()):
        due, to, user, nick, text = value if isinstance(value, list) else ["9999"] * 5
        if datetime.fromisoformat(due) <= ctx.now:
            ctx.store.delete(ident)
            ctx.store_of(user).delete(ident)
            await ctx.say(to, f"{nick}: {text}")
