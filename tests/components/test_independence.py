"""What components may import: nothing of the server, nothing of each other, and extras only when they are asked for."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMPONENTS = ROOT / "components"
COMMON = "xmpp_component"
PROGRAMS = ("xmpp_archive", "xmpp_files")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield node.module or ""


@pytest.mark.parametrize("name", [COMMON, *PROGRAMS])
def test_components_stand_alone(name: str) -> None:
    foreign = {f"components.{other}" for other in PROGRAMS if other != name} | {"xmpp_server", "xmpp_bot"}
    files = sorted((COMPONENTS / name).rglob("*.py"))
    assert files
    for path in files:
        for module in imports(path):
            assert not any(module == one or module.startswith(f"{one}.") for one in foreign), f"{path}: {module}"


@pytest.mark.parametrize(
    ("name", "extras"), [("xmpp_files", ("obstore", "PIL")), ("xmpp_archive", ("asyncpg", "aiohttp", "PIL"))]
)
def test_extras_are_loaded_when_they_are_asked_for(name: str, extras: tuple[str, ...]) -> None:
    text = f"import sys, components.{name}.main as _; print([one for one in {extras!r} if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
