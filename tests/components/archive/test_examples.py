"""The examples of XEP-0313 (1.1.3), 0424 (0.4.2), 0425 (0.3.0), 0431 and 0441 (0.2.0): clients, server and archive."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from components.xmpp_archive.commands import opened
from components.xmpp_archive.link import ArchiveLink
from components.xmpp_archive.metrics import Metrics
from components.xmpp_archive.service import Service
from components.xmpp_archive.settings import Config, Preferences, Search, Server
from tests.components.waiting import until
from tests.components.world_door import SECRET, WorldDoor
from tests.examples import Examples
from tests.modules.conftest import IM
from tests.plugged import plug
from tests.world import World
from xmpp_server.modules.archive import Archive
from xmpp_server.modules.archive.module import ArchiveConfig
from xmpp_server.modules.disco import ServiceDiscovery
from xmpp_server.modules.muc import Muc, MucConfig
from xmpp_server.modules.stable_ids import StableIds

CLIENTS = "between clients: the server passes on what it does not look at"
MAM = Examples(
    "xep0313",
    29,
    {
        "queries": (1, 2, 3, 4, 6, 7, 8, 9, 10, 11),
        "fields": (14, 15, 16, 17, 28, 29),
        "pages": (18, 19, 20, 22, 21, 23, 24, 25, 26),
        "rooms": (27, 12, 13),
    },
    {5: "the archive of a publish-subscribe service: there is none here"},
    scenes=("verona",),
)
RETRACTION = Examples("xep0424", 7, {"tombstone": (3, 4, 5, 6, 7)}, {1: CLIENTS, 2: CLIENTS})
MODERATION = Examples(
    "xep0425",
    8,
    {"tombstone": (3, 7, 4, 6, 5, 8)},
    dict.fromkeys((1, 2), "what a room can is told in the transcripts of XEP-0045"),
)
SEARCH = Examples("xep0431", 0, {"search": ()}, {})
PREFERENCES = Examples("xep0441", 5, {"preferences": (1, 2, 4, 5, 3)}, {})
ALL = (MAM, RETRACTION, MODERATION, SEARCH, PREFERENCES)
#: Whose messages are archived by default, where that is not everybody's.
DEFAULTS = {"xep0441": Preferences(default="roster")}


@pytest.mark.parametrize(
    ("examples", "name"),
    [pytest.param(one, name, id=f"{one.folder}-{name}") for one in ALL for name in one.where],
)
async def test_the_examples(examples: Examples, name: str, tmp_path: Path) -> None:
    host = "capulet.example" if examples in (RETRACTION, MODERATION) else "capulet.lit"
    world = World(host)
    world.chunk_bytes = 7
    domain = f"archive.{host}"
    door = WorldDoor(world, tmp_path / "door", plug(world, domain))
    rooms, archive = MucConfig(domain=f"chat.{host}"), ArchiveConfig(groupchat=True, search=True)
    for make in (*IM, ServiceDiscovery, StableIds, lambda: Muc(rooms), lambda: Archive(archive)):
        world.host.add_module(make())
    config = Config(
        data_dir=str(tmp_path),
        server=Server(address=door.address, domain=domain, secret=SECRET),
        preferences=DEFAULTS.get(examples.folder, Preferences()),
        search=Search(enabled=True),
    )
    store = opened(config)
    await store.open()
    await door.open()
    link = ArchiveLink(config.server, Service(config, store), Metrics(CollectorRegistry()))
    link.start()
    try:
        await until(lambda: link.is_ready)
        await door.play(examples.text(name))
    finally:
        await link.stop()
        await door.close()
        await store.close()


@pytest.mark.parametrize("examples", ALL, ids=lambda examples: examples.folder)
def test_no_example_is_missing(examples: Examples) -> None:
    examples.check()
