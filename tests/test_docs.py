"""What people read and run before any code of ours does: documents, the unit, the image, the set-up."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest

from xmpp_server.app.cli import main
from xmpp_server.app.config import load
from xmpp_server.app.modules import MODULE_CONFIGS

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def commands(group: click.Group, prefix: str = "") -> set[str]:
    """All commands of the program, as they are typed."""
    found: set[str] = set()
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found |= commands(command, f"{prefix}{name} ")
        else:
            found.add(prefix + name)
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", path.read_text("utf-8"))
    assert [target for target in targets if not (path.parent / target).exists()] == []


def test_the_readme_has_the_two_commands_and_the_first_account():
    assert {"make run", "make test"} <= set(re.findall(r"^make \w+", text("README.md"), re.MULTILINE))
    assert "xmpp-server user add" in text("README.md")


def test_the_makefile_has_its_targets():
    targets = set(re.findall(r"^([a-z]+):", text("Makefile"), re.MULTILINE))
    assert {"setup", "run", "test", "lint", "peers", "bench", "docs", "lock"} <= targets


def test_the_operators_guide_has_every_command():
    guide = text("docs/operator.md")
    missing = [command for command in commands(main) if f"`{command}" not in guide]
    assert missing == []


def test_the_operators_guide_has_configurations_that_load(tmp_path):
    blocks = re.findall(r"```toml\n(.*?)```", text("docs/operator.md"), re.DOTALL)
    assert blocks
    for number, block in enumerate(blocks):
        path = tmp_path / f"{number}.toml"
        path.write_text(block if "domains" in block else f'domains = ["example.org"]\n{block}')
        load(path, MODULE_CONFIGS, {})


def test_adrs_are_numbered_in_order():
    names = sorted(path.name for path in (ROOT / "docs" / "adr").glob("*.md"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))


# The container image.

DOCKERFILE = text("config/Dockerfile").replace("\\\n", " ")
INSTRUCTIONS = [
    tuple(line.split(maxsplit=1)) for line in DOCKERFILE.splitlines() if line.strip() and not line.startswith("#")
]


def instructions(name: str) -> list[str]:
    return [rest for instruction, rest in INSTRUCTIONS if instruction == name]


def test_the_image_knows_its_base():
    bases = [base.split()[0] for base in instructions("FROM")]
    assert all(":" in base and not base.endswith(":latest") for base in bases)
    assert {base.split()[-1] for base in instructions("FROM")} >= {"build"}


def test_the_image_does_not_run_as_root():
    last_stage = DOCKERFILE.rpartition("\nFROM ")[2]
    users = re.findall(r"^USER (\S+)", last_stage, re.MULTILINE)
    assert users
    assert users[-1] not in ("root", "0")


def test_the_image_is_built_by_the_rules():
    known = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK"}
    assert {name for name, _ in INSTRUCTIONS} <= known | {"ENTRYPOINT", "CMD"}  # ADD and MAINTAINER are not
    for run in instructions("RUN"):
        assert "sudo" not in run
        assert "pip install" not in run or "--no-cache-dir" in run
        assert "apt-get install" not in run or ("--no-install-recommends" in run and "rm -rf" in run)
    assert all(path.startswith("/") for path in instructions("WORKDIR"))
    for name in ("ENTRYPOINT", "CMD", "VOLUME"):
        assert all(rest.startswith("[") for rest in instructions(name)), f"{name} in exec form"
        assert len(instructions(name)) <= 1
    assert all(shlex.split(rest) for name in ("RUN", "COPY", "ENV") for rest in instructions(name))


def test_the_image_copies_what_there_is_and_what_the_wheel_needs():
    sources = [
        source
        for copy in instructions("COPY")
        if "--from" not in copy
        for source in copy.split()[:-1]
        if not source.startswith("--")
    ]
    assert [source for source in sources if not (ROOT / source).exists()] == []
    project = tomllib.loads(text("pyproject.toml"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert {package.partition("/")[0] for package in packages} <= set(sources)
    assert project["project"]["readme"] in sources


def test_the_image_has_a_configuration_that_loads_and_ports_that_it_exposes():
    config = load(ROOT / "config" / "docker.toml", MODULE_CONFIGS, {})
    ports = {
        door.rpartition(":")[2] for name in config.listen.__struct_fields__ for door in getattr(config.listen, name)
    }
    assert ports == set(" ".join(instructions("EXPOSE")).split())


# The systemd unit.

UNIT = text("config/xmpp-server.service")


def test_the_unit_starts_a_command_that_exists_and_waits_for_it():
    settings = dict(re.findall(r"^(\w+)=(.*)$", UNIT, re.MULTILINE))
    assert settings["Type"] == "notify"
    words = settings["ExecStart"].split()
    assert words[0].endswith("/xmpp-server")
    assert words[-1] in main.commands
    assert "HUP" in settings["ExecReload"]
    assert settings["User"] != "root"


def test_the_unit_is_a_sandbox():
    wanted = {"NoNewPrivileges=yes", "ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes", "PrivateDevices=yes"}
    assert wanted <= set(UNIT.splitlines())
    # cffi makes the callbacks of pyOpenSSL at run time: denied that, every handshake fails.
    assert "MemoryDenyWriteExecute=yes" not in UNIT


# The set-up.


@pytest.mark.parametrize("lock", ["dev", "server", "aioxmpp"])
def test_locks_have_hashes_and_no_addresses(lock):
    lines = text(f"requirements/{lock}.lock").splitlines()
    assert [line for line in lines if "://" in line or line.startswith(("-", "--"))] == []
    pins = [number for number, line in enumerate(lines) if re.match(r"[\w.-]+==", line)]
    assert pins
    assert all(lines[number].endswith("\\") and "--hash=sha256:" in lines[number + 1] for number in pins)


def locked(lock: str) -> set[str]:
    return {name.lower() for name in re.findall(r"^([\w.-]+)==", text(f"requirements/{lock}.lock"), re.MULTILINE)}


def test_every_dependency_is_locked():
    project = tomllib.loads(text("pyproject.toml"))["project"]

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[\[<>=!~;\s]", line)[0].lower().replace("_", "-") for line in requirements}

    assert names(project["dependencies"]) <= locked("server")
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    assert names(project["dependencies"] + extras) <= locked("dev")
