"""History without any set-up: the server of the embedded defaults runs the archive beside itself."""

from __future__ import annotations

from pathlib import Path

from tests.components.files.default_install import used


def test_the_embedded_defaults_keep_history(tmp_path: Path) -> None:
    said = used(tmp_path, "tests.components.archive.history_client").splitlines()
    assert [line for line in said if "added" not in line] == ["wherefore", "wherefore", "bubble"]
    assert (tmp_path / "var" / "components" / "archive.localhost" / "archive.db").exists()
