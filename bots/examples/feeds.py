"""Feeds: announces what is new in RSS and Atom feeds to a room or a person; owners add and remove them."""

import xml.etree.ElementTree as ET

import aiohttp
import structlog

from xmpp_bot import Bot, Context, Refusal, Role

ATOM = "{http://www.w3.org/2005/Atom}"
TIMEOUT = aiohttp.ClientTimeout(total=30)
#: At most so many entries are told at once and looked at, titles and links so long, and documents (never packed).
MOST, REMEMBERED, LENGTH, LIMIT_BYTES = 5, 500, 500, 2_000_000
ASKED = {"If-None-Match": "ETag", "If-Modified-Since": "Last-Modified"}
FAULTS = (aiohttp.ClientError, OSError, SyntaxError, ValueError, LookupError)
#: Of a feed: the ids that are "known", newest first, and the validators of the last answer.
State = dict[str, list[str]]

bot = Bot("feeds")


class Plain(ET.TreeBuilder):
    """Documents without a type: it could declare entities, which grow, or name files."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Refuse it before the first entity."""
        raise ValueError("a document type")


def entries(document: bytes, charset: str) -> dict[str, str]:
    """Read a feed: what to say of each entry by its id, newest first."""
    parser = ET.XMLParser(target=Plain(), encoding=charset.lower().replace("utf8", "utf-8") or None)  # noqa: S314 - refuses document types
    parser.feed(document)
    root, found = parser.close(), dict[str, str]()
    for one in [*root.iter("item"), *root.iter(f"{ATOM}entry")][:REMEMBERED]:
        links = {link.get("rel", "alternate"): link.get("href", "") for link in one.iter(f"{ATOM}link")}
        link = (one.findtext("link", "") or links.get("alternate", "")).strip()[:LENGTH]
        title = " ".join((one.findtext("title", "") or one.findtext(f"{ATOM}title", "")).split())[:LENGTH]
        ident = (one.findtext("guid", "") or one.findtext(f"{ATOM}id", "") or link or title).strip()[:LENGTH]
        found.setdefault(ident, f"{title}\n{link}".strip())
    return found


async def fetch(url: str, old: State) -> tuple[list[str], State]:
    """Get what is to be said of a feed, oldest first, and its state now; raise one of FAULTS if that fails."""
    headers = {"Accept-Encoding": "identity"} | {name: old[kept][0] for name, kept in ASKED.items() if old.get(kept)}
    async with (
        aiohttp.ClientSession(timeout=TIMEOUT, auto_decompress=False, raise_for_status=True) as session,
        session.get(url, headers=headers) as response,
    ):
        if response.status == 304:
            return [], old
        data = b""
        async for chunk in response.content.iter_chunked(65_536):
            if len(data := data + chunk) > LIMIT_BYTES:
                raise ValueError("too long")
    found, known = entries(data, response.charset or ""), old.get("known", [])
    new = {kept: response.headers.getall(kept, [])[:1] for kept in ASKED.values()}
    new["known"] = list(dict.fromkeys([*found, *known]))[: 2 * REMEMBERED]
    return [text for ident, text in found.items() if ident not in known][::-1], new


@bot.command("follow", role=Role.OWNER)
async def follow(ctx: Context, url: str) -> str:
    """Announce a feed here; what is in it already is not told."""
    try:
        told, state = await fetch(url, {})
    except FAULTS as error:
        raise Refusal("I cannot read that feed.") from error
    ctx.store.set(f"{ctx.conversation} {url}", state)
    return f"I follow it; it has {len(told)} entries."


@bot.command("unfollow", role=Role.OWNER)
async def unfollow(ctx: Context, url: str) -> str:
    """Announce a feed no longer."""
    return "Gone." if ctx.store.delete(f"{ctx.conversation} {url}") else "I do not follow it here."


@bot.command("feeds")
async def feeds(ctx: Context) -> str:
    """List the feeds that are announced here."""
    feeds = (key.split(" ", 1) for key, _ in ctx.store.items())
    return "\n".join(url for to, url in feeds if to == ctx.conversation) or "None."


@bot.every("10m")
async def look(ctx: Context) -> None:
    """Look into all feeds; one that fails is tried again the next time."""
    for key, _ in ctx.store.items():
        to, _, url = key.partition(" ")
        try:
            new, state = await fetch(url, ctx.store.get(key, State()))
        except FAULTS as error:
            structlog.get_logger("feeds").warning("feed_failed", url=url, error=type(error).__name__)
            continue
        if ctx.store.get(key):  # else it was unfollowed meanwhile
            ctx.store.set(key, state)  # first: an announcement is rather lost than told again and again
            for text in new[-MOST:]:
                await ctx.say(to, text)
