"""The results of a run: figures by load and server, kept in one JSON file."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

Figures = dict[str, object]
FOLDER = Path(__file__).parent / "results"


class Results:
    """What one run found. `figures[load][server]` holds that server's figures of that load."""

    def __init__(self, profile: str) -> None:
        self.profile = profile
        self.date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.commit = _git("rev-parse", "--short", "HEAD") + ("+" if _git("status", "--short", "-uno") else "")
        self.machine = {
            "cpu": _cpu_name(),
            "cores": os.cpu_count() or 0,
            "kernel": platform.release(),
            "python": platform.python_version(),
            "files": _file_system(Path(tempfile.gettempdir()).resolve()),
        }
        self.versions: dict[str, str] = {}
        self.notes: list[str] = []
        self.figures: dict[str, dict[str, Figures]] = {}

    def add(self, load: str, server: str, figures: Figures) -> None:
        """Keep the figures of a load on a server."""
        self.figures.setdefault(load, {})[server] = figures

    @property
    def faulty(self) -> bool:
        """Tell whether any server lost, duplicated, reordered or spoilt anything."""
        return any(figures.get("faults") for servers in self.figures.values() for figures in servers.values())

    def save(self, folder: Path = FOLDER) -> Path:
        """Write one file, named by date and profile; figures of one server and load on one line."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.date[:10]}-{self.profile}.json"
        head = {key: value for key, value in vars(self).items() if key != "figures"}
        lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
        loads = [
            f"{json.dumps(load)}: {{\n"
            + ",\n".join(f"  {json.dumps(server)}: {json.dumps(figures)}" for server, figures in servers.items())
            + "}"
            for load, servers in self.figures.items()
        ]
        path.write_text("{" + ",\n".join([*lines, '"figures": {\n' + ",\n".join(loads) + "}"]) + "}\n")
        return path

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read a file that `save` wrote."""
        results = cls.__new__(cls)
        vars(results).update(json.loads(path.read_text()))
        return results


def latest(folder: Path = FOLDER) -> Path | None:
    """Return the newest results."""
    return max(folder.glob("*.json"), key=lambda path: path.stat().st_mtime, default=None)


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip()


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(path: Path) -> str:
    """Tell the kind of file system that the servers' stores are on: what a commit costs depends on it."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    inside = [(len(point), kind) for point, kind in mounts if path.is_relative_to(point)]
    return max(inside, default=(0, "unknown"))[1]
