"""The examples of XEP-0215 (1.0.0), in three chunkings."""

from __future__ import annotations

import pytest

from tests.examples import Examples
from tests.modules.conftest import IM
from tests.transcript import play
from tests.world import World
from xmpp_server.modules.disco import ServiceDiscovery
from xmpp_server.modules.external_services import ExternalService, ExternalServices, ExternalServicesConfig

EXAMPLES = Examples(
    "xep0215",
    9,
    {"services": (1, 2, 3, 4, 6, 7, 8, 9)},
    {5: "pushes, which are for services that change: here they are those of the configuration until a restart"},
)
SERVICES = (
    ExternalService(type="stun", host="stun.shakespeare.lit", port=9998),
    ExternalService(
        type="turn",
        host="relay.shakespeare.lit",
        port=9999,
        username="nb78932lkjlskjfdb7g8",
        password="jj929jkj5sadjfj93v3n",
    ),
    ExternalService(type="stun", host="192.0.2.1", port=8888),
    ExternalService(
        type="turn", host="192.0.2.1", port=8889, username="auu98sjl2wk3e9fjdsl7", password="93jn3bakj9s832lrjbbz"
    ),
    ExternalService(
        type="ftp",
        host="ftp.shakespeare.lit",
        name="Shakespearean File Server",
        port=20,
        transport="tcp",
        username="guest",
        password="guest",
    ),
)


@pytest.mark.parametrize("chunk_bytes", [0, 1, 7], ids=["whole", "bytewise", "by sevens"])
@pytest.mark.parametrize("name", EXAMPLES.where)
def test_the_examples(name: str, chunk_bytes: int) -> None:
    world = World(
        "shakespeare.lit",
        modules=(*IM, ServiceDiscovery, lambda: ExternalServices(ExternalServicesConfig(SERVICES))),
    )
    world.chunk_bytes = chunk_bytes
    play(world, EXAMPLES.text(name))


def test_no_example_is_missing() -> None:
    EXAMPLES.check()
