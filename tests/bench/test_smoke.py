"""The whole benchmark once, tiny, against this server."""

from pathlib import Path

import pytest

from bench.__main__ import main
from bench.results import Results, latest
from bench.servers.ours import Ours

MISSING = Ours.missing()


@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
def test_a_tiny_run_delivers_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--profile", "smoke", "--servers", "ours", "--results", str(tmp_path)]) == 0
    path = latest(tmp_path)
    assert path is not None
    results = Results.load(path)
    assert results.notes == []
    assert {"start", "idle, 20 sessions", "sign-in, 20 sessions", "chat", "ping", "chat, TLS"} <= set(results.figures)
    assert {"muc 2x10", "production: TLS + SM + carbons + archive", "s2s, TLS"} <= set(results.figures)
    assert "| chat | CPU" in capsys.readouterr().out


def test_an_unknown_server_is_a_usage_error() -> None:
    assert main(["--servers", "jabberd14"]) == 2
