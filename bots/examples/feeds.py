"""Feeds: announces what is new in RSS and Atom feeds to a room or a person; owners add and remove them."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator

import aiohttp
import structlog

from xmpp_bot import Bot, Context, Refusal, Role

ATOM = "{http://www.w3.org/2005/Atom}"
LIMIT_BYTES = 2_000_000
TIMEOUT = aiohttp.ClientTimeout(total=30)
#: At most so many entries are told at once, and so many are remembered of a feed.
MOST, REMEMBERED = 5, 500

bot = Bot("feeds")
log = structlog.get_logger("feeds")


def entries(document: bytes) -> Iterator[tuple[str, str, str]]:
    """Read a feed: id, title and link of each entry, oldest first."""
    root = ET.fromstring(document)  # noqa: S314 - expat refuses bombs by itself, and nothing outside is loaded
    for item in reversed(list(root.iter("item"))):
        link = item.findtext("link", "").strip()
        yield item.findtext("guid", "").strip() or link, item.findtext("title", "").strip(), link
    for entry in reversed(list(root.iter(f"{ATOM}entry"))):
        links = {one.get("rel", "alternate"): one.get("href", "") for one in entry.iter(f"{ATOM}link")}
        link = links.get("alternate", "")
        yield entry.findtext(f"{ATOM}id", "").strip() or link, entry.findtext(f"{ATOM}title", "").strip(), link


async def fetch(url: str) -> list[tuple[str, str, str]]:
    """Get a feed; OSError, ValueError or a subclass if there is none."""
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session, session.get(url) as response:
        response.raise_for_status()
        data = await response.content.read(LIMIT_BYTES)
        while len(data) < LIMIT_BYTES and (more := await response.content.read(LIMIT_BYTES - len(data))):
            data += more
    return list(entries(data))


@bot.command("follow", role=Role.OWNER)
async def follow(ctx: Context, url: str) -> str:
    """Announce a feed here; what is in it already is not told."""
    await ctx.typing()
    try:
        known = [ident for ident, _, _ in await fetch(url)]
    except (aiohttp.ClientError, OSError, SyntaxError, ValueError) as error:
        raise Refusal("I cannot read that feed.") from error
    ctx.store.set(f"{ctx.conversation} {url}", known[-REMEMBERED:])
    return f"I follow it; it has {len(known)} entries."


@bot.command("unfollow", role=Role.OWNER)
async def unfollow(ctx: Context, url: str) -> str:
    """Announce a feed no longer."""
    return "Gone." if ctx.store.delete(f"{ctx.conversation} {url}") else "I do not follow it here."


@bot.command("feeds")
async def feeds(ctx: Context) -> str:
    """List the feeds that are announced here."""
    here = [key.partition(" ")[2] for key, _ in ctx.store.items() if key.startswith(f"{ctx.conversation} ")]
    return "\n".join(here) or "None."


@bot.every("10m")
async def look(ctx: Context) -> None:
    """Look into all feeds; one that fails is tried again the next time."""
    for key, value in list(ctx.store.items()):
        to, _, url = key.partition(" ")
        known = [str(one) for one in value] if isinstance(value, list) else []
        try:
            new = [entry for entry in await fetch(url) if entry[0] not in known]
        except (aiohttp.ClientError, OSError, SyntaxError, ValueError) as error:
            log.warning("feed_failed", url=url, error=type(error).__name__)
            continue
        # First it is noted: an announcement is rather lost than told again and again.
        ctx.store.set(key, [*known, *(ident for ident, _, _ in new)][-REMEMBERED:])
        for _, title, link in new[-MOST:]:
            await ctx.say(to, f"{title}\n{link}".strip())
