"""The network disk's commands in a client as Debian packages it: profanity shows forms and sends them filled in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.components.files.network_disk.people import UPLOAD
from tests.components.files.xmpp_peers import Ours, Program
from tests.interop.terminal import terminal
from tests.peers import DOMAIN, PASSWORD, environment, need


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Ours]:
    with Ours(tmp_path / "server").running() as server:
        program = Program(tmp_path / "files", server.component[1], more="[quota]\nmin_free_bytes = 0\n")
        with program.serving():
            yield server


async def test_profanity_makes_a_folder_and_sees_the_space(server: Ours, tmp_path: Path) -> None:
    profanity = need("profanity", "profanity")
    host, port = server.c2s
    async with terminal(environment(tmp_path / "home"), profanity) as window:
        await window.shows("Profanity")
        window.type(f"/connect juliet@{DOMAIN} server {host} port {port} tls trust")
        await window.shows("Enter password")
        window.type(PASSWORD)
        await window.shows("logged in successfully")
        window.type(f"/cmd list {UPLOAD}")
        await window.shows("disk/make-folder")
        window.type(f"/cmd exec disk/make-folder {UPLOAD}")
        await window.shows("Its name")
        for line in ("/field3 Letters", "/form submit"):
            window.type(line)
        await window.shows("There is a folder")
        window.type("/win 1")
        window.type(f"/cmd exec disk/quota {UPLOAD}")
        await window.shows("Whose files")
        window.type("/form submit")
        await window.shows("0 bytes of 1.0 GiB")
        window.type("/quit")
