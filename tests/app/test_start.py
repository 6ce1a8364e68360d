"""What the server must not load to open its doors: each of these costs memory and time at every start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LATER = {"aiohttp", "alembic", "prometheus_client", "sqlalchemy"}

_START = """
import asyncio, sys
from pathlib import Path
from tests.app.live_server import running, settings

async def start() -> None:
    async with running(settings(Path(sys.argv[1]), storage=f"sqlite:///{sys.argv[1]}/x.db")):
        print(*sys.modules)

asyncio.run(start())
"""


def test_first_start_loads_only_what_it_needs(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _START, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd=ROOT)
    loaded = {name.partition(".")[0] for name in result.stdout.split()}
    assert "xmpp_server" in loaded
    assert loaded & LATER == set()
