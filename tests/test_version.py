"""Every program tells its version, and all tell the same one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from xmpp_server import __version__


@pytest.mark.parametrize("program", ["xmpp-server", "xmpp-files", "xmpp-archive", "xmpp-bot"])
def test_version(program: str) -> None:
    command: list[str | Path] = [Path(sys.executable).with_name(program), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, f"{program}, version {__version__}\n")
