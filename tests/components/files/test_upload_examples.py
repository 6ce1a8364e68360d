"""The examples of XEP-0363 (1.2.0): a client, the server and the upload service."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from components.xmpp_component.settings import Server
from components.xmpp_files.metrics import Metrics
from components.xmpp_files.network_disk.settings import DiskSettings
from components.xmpp_files.program import UploadPart
from components.xmpp_files.settings import (
    Config,
    HttpSettings,
    KeepSettings,
    PurposeSettings,
    QuotaSettings,
    UploadSettings,
)
from tests.components.waiting import until
from tests.components.world_door import SECRET, WorldDoor
from tests.examples import Examples
from tests.modules.conftest import IM
from tests.plugged import plug
from tests.world import World
from xmpp_server.modules.components import ExternalComponents
from xmpp_server.modules.disco import ServiceDiscovery
from xmpp_server.modules.muc import Muc, MucConfig

EXAMPLES = Examples(
    "xep0363",
    13,
    {
        "discovery": (1, 2, 3, 4),
        "slots": (5, 6, 7, 8, 9, 10),
        "too-large": (11,),
        "quota": (12,),
        "full": (),
        "forbidden": (13,),
    },
    {},
)
UPLOAD = UploadSettings(
    domain="upload.montague.tld",
    max_file_bytes=5_242_880,
    purposes=PurposeSettings(permanent=KeepSettings(keep_s=0)),
)
#: What is configured otherwise in some transcripts.
UPLOADS = {
    "too-large": replace(UPLOAD, max_file_bytes=20_000, content_types=("image/*",), purposes=PurposeSettings()),
    "forbidden": replace(UPLOAD, users=("premium@montague.tld",)),
}
QUOTAS = {"quota": QuotaSettings(user_day_slots=1), "full": QuotaSettings(min_free_bytes=2**60)}


@pytest.mark.parametrize("name", EXAMPLES.where)
async def test_the_examples(name: str, tmp_path: Path) -> None:
    world = World("montague.tld")
    world.chunk_bytes = 7
    door = WorldDoor(world, tmp_path / "door", plug(world, UPLOAD.domain))
    rooms = MucConfig(domain="conference.montague.tld", name="Chatroom Service")
    for make in (*IM, ServiceDiscovery, lambda: Muc(rooms), ExternalComponents):
        world.host.add_module(make())
    config = Config(
        data_dir=str(tmp_path),
        server=Server(address=door.address, secret=SECRET),
        upload=UPLOADS.get(name, UPLOAD),
        quota=QUOTAS.get(name, QuotaSettings(min_free_bytes=0)),
        http=HttpSettings(listen=("127.0.0.1:0",), public_url="https://upload.montague.tld"),
        disk=DiskSettings(enabled=False),
    )
    await door.open()
    part = UploadPart(config, Metrics(CollectorRegistry()))
    await part.start()
    try:
        await until(part.is_connected)
        await door.play(EXAMPLES.text(name))
    finally:
        await part.stop()
        await door.close()


def test_no_example_is_missing() -> None:
    EXAMPLES.check()
