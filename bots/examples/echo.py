"""Echo: says again what it hears."""

from xmpp_bot import Bot, Context, Kind, Rest

bot = Bot("echo")


@bot.command("echo")
async def echo(ctx: Context, text: Rest) -> str:
    """Say something again, as it was written."""
    return text


@bot.command("shout", aliases=["loud"])
async def shout(ctx: Context, text: Rest) -> str:
    """Say something louder."""
    return text.upper()


@bot.on_message()
async def repeat(ctx: Context) -> str | None:
    """Outside rooms no command is needed."""
    return ctx.text if ctx.message.kind is Kind.CHAT else None
