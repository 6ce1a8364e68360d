"""History without any set-up: the server of the embedded defaults runs the archive beside itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers import ROOT, need


def test_the_embedded_defaults_keep_history(tmp_path: Path) -> None:
    unshare = [need("unshare", "util-linux"), "--net", *(() if os.geteuid() == 0 else ("--map-root-user",))]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("unshare --net is not permitted here")
    client = "tests.components.archive.history_client"
    program = [sys.executable, "-m", "tests.components.files.default_install", str(tmp_path), client]
    done = subprocess.run([*unshare, *program], capture_output=True, text=True, cwd=ROOT, timeout=90, check=False)
    log = (tmp_path / "log").read_text()
    assert done.returncode == 0, done.stderr + log
    assert [line for line in done.stdout.splitlines() if "added" not in line] == ["wherefore", "wherefore", "bubble"]
    assert "Traceback" not in log
    assert (tmp_path / "var" / "components" / "archive.localhost" / "archive.db").exists()
