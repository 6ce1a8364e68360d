"""What the documentation names in `backticks`, and what there is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "xmpp_server"

_MEMBER = re.compile(r"`([A-Z]\w+)\.(\w+)(?:\(\))?`")
_FILE = re.compile(r"`((?:\w+/)+\w+\.py)`")
_LINK = re.compile(r"\]\((?!https?://)([^)#]+)[^)]*\)")


def members(text: str) -> list[tuple[str, str]]:
    """The (class, member) pairs that a text names."""
    return [(match[1], match[2]) for match in _MEMBER.finditer(text)]


def files(text: str) -> list[str]:
    """The files that a text names, from the root or from the package."""
    return _FILE.findall(text)


def links(text: str) -> list[str]:
    """Where the relative links of a text lead."""
    return _LINK.findall(text)


@cache
def classes() -> dict[str, set[str]]:
    """Every class of the package and of the tests' world with what it names; classes of one name are joined."""
    found: dict[str, set[str]] = {}
    for path in [*PACKAGE.rglob("*.py"), ROOT / "tests/world.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, set()).update(_members(node))
    return found


def _members(kind: ast.ClassDef) -> Iterator[str]:
    for node in ast.walk(kind):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value  # a slot
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Name):
            yield node.id
