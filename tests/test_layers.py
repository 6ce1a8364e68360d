"""The layers of the package: who may import whom, and who may touch the world outside. There are no exceptions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "xmpp_server"

#: Every package and module at the top, by layer: it imports from lower ones and from itself. Layer 0 is one unit:
#: addresses stand in XML and are written as XML. Storage's protocols are below the kernel, which uses them.
GROUND = ("errors", "jid", "precis", "xml")
LAYERS = (
    {"ground"},
    {"sasl", "stanzas"},
    {"streams"},
    {"storage.api"},
    {"core"},
    {"im"},
    {"modules"},
    {"net", "storage"},
    {"app"},
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

#: Layers that may have sockets, tasks, threads and clocks.
OUTSIDE = {"app", "net", "storage"}
WORLD = {
    "asyncio",
    "concurrent",
    "multiprocessing",
    "OpenSSL",
    "select",
    "selectors",
    "socket",
    "ssl",
    "threading",
    "time",
}
#: Wall clocks by another name; a moment is an argument below.
CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}

FILES = sorted((ROOT / PACKAGE).rglob("*.py"))


def module_of(path: Path) -> tuple[str, ...]:
    """The name of a file's module, without the package's."""
    parts = path.relative_to(ROOT / PACKAGE).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def unit_of(module: tuple[str, ...]) -> str:
    """The unit of the layers that a module belongs to."""
    if module[:1] and module[0] in GROUND:
        return "ground"
    return "storage.api" if module[:2] == ("storage", "api") else module[0] if module else ""


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """All modules that a file imports, also inside functions and for type checkers: line and full name."""
    package = (PACKAGE, *path.relative_to(ROOT / PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            name = ".".join((*base, *((node.module,) if node.module else ())))
            if name == PACKAGE or (PACKAGE, *name.split(".")[1:]) in PACKAGES:
                yield from ((node.lineno, f"{name}.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, name


PACKAGES = {(PACKAGE, *module_of(path)) for path in FILES if path.name == "__init__.py"}


def own(name: str) -> tuple[str, ...] | None:
    """The module in the package that an import names, None for others' modules."""
    first, *rest = name.split(".")
    return tuple(rest) if first == PACKAGE else None


@pytest.fixture(params=FILES, ids=lambda path: ".".join(module_of(path)) or PACKAGE)
def path(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_every_unit_has_a_layer():
    assert {unit_of(module_of(path)) for path in FILES} - {""} == set(LEVEL)


def test_imports_lead_downwards(path):
    here = unit_of(module_of(path))
    wrong = []
    for line, name in imports_of(path):
        module = own(name)
        there = unit_of(module) if module else ""
        # The package itself holds the version only; the protocols of storage are below its drivers.
        if there in ("", "__version__", here):
            continue
        if here == "" or LEVEL[there] >= LEVEL[here]:
            wrong.append(f"{path.relative_to(ROOT)}:{line}: {here or PACKAGE} imports {name}")
    assert not wrong


def test_modules_do_not_know_one_another_but_by_declared_need(path):
    """A module, one file or a package, imports another only if it says so in `needs`."""
    here = module_of(path)
    if here[:1] != ("modules",):
        return
    text = "".join(file.read_text("utf-8") for file in FILES if module_of(file)[:2] == here[:2])
    wrong = []
    for line, name in imports_of(path):
        module = own(name)
        if module and module[:1] == ("modules",) and module[1:2] != here[1:2] and "needs = (" not in text:
            wrong.append(f"{path.relative_to(ROOT)}:{line}: imports {name} without needs")
    assert not wrong


def test_the_world_is_touched_outside_only(path):
    if unit_of(module_of(path)) in OUTSIDE:
        return
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: imports {name}"
        for line, name in imports_of(path)
        if name.partition(".")[0] in WORLD
    ]
    for node in ast.walk(ast.parse(path.read_bytes())):
        match node:
            case ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr=name) if (
                owner,
                name,
            ) in CLOCKS:
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: reads a clock: {owner}.{name}")
    assert not wrong


def test_components_and_bots_import_nothing_of_the_server():
    wrong = [
        f"{path.relative_to(ROOT)}: {node.lineno}"
        for folder in ("components", "bots")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if (isinstance(node, ast.Import) and any(alias.name.partition(".")[0] == PACKAGE for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == PACKAGE)
    ]
    assert not wrong
