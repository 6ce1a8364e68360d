"""Webhook: what is posted to it over HTTP is said in a room.

curl -H 'Authorization: Bearer TOKEN' -d 'The build is green' http://127.0.0.1:8765/rooms/ROOM
"""

import hmac

from aiohttp import web

from xmpp_bot import Bot, ConfigError, Context

LIMIT_BYTES = 10_000

bot = Bot("webhook")


@bot.on_start
async def listen(ctx: Context) -> None:
    """Open the door; the token is the only key, so put TLS before it outside of one machine."""
    token = ctx.option("token", "")
    if not token:
        raise ConfigError("options.token is missing")
    host, _, port = ctx.option("listen", "127.0.0.1:8765").rpartition(":")

    async def post(request: web.Request) -> web.Response:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), token.encode()):
            raise web.HTTPUnauthorized
        room = request.match_info["room"]
        if room not in {one.jid for one in ctx.config.rooms}:
            raise web.HTTPNotFound
        text = await read(request)
        if not text:
            raise web.HTTPBadRequest(text="no text")
        return web.Response(text=await ctx.say(room, text), status=202)

    application = web.Application(client_max_size=LIMIT_BYTES)
    application.add_routes([web.post("/rooms/{room}", post)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    ctx.at_stop(runner.cleanup)
    await web.TCPSite(runner, host, int(port)).start()
    ctx.store.set("port", runner.addresses[0][1])


async def read(request: web.Request) -> str:
    """Return the text of a request: its body, or the member "text" of JSON."""
    if request.content_type != "application/json":
        return (await request.text()).strip()
    try:
        value = await request.json()
    except ValueError:
        return ""
    return str(value.get("text", "")).strip() if isinstance(value, dict) else ""


@bot.command("where")
async def where(ctx: Context) -> str:
    """Tell where this room's hook is."""
    return f"POST /rooms/{ctx.room}" if ctx.room else "Ask in a room."
