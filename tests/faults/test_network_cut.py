"""The cable between two servers is cut, and mended: each has a network of its own (Linux network namespaces)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests import federation
from tests.peers import PASSWORD, ServerProcess
from tests.raw import CLIENT, HEADER, RawClient, abort_all

A, B = "a.test", "b.test"
#: Of the range for tests of networks (RFC 2544): between the servers, and from the test to each.
CABLE = {A: "198.18.77.1", B: "198.18.77.2"}
DOOR = {A: ("198.18.78.1", "198.18.78.2"), B: ("198.18.79.1", "198.18.79.2")}
PORT = 5269
#: A link that has worked for this long gives what it could not bring over to the next one (`s2s_lane.PROVED_S`).
PROVED_S = 10.0
CUT_S = 3.0


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


class Networks:
    """Two namespaces, a cable between them, and one from each to the test."""

    def __init__(self) -> None:
        self.spaces = {domain: f"xmpp{os.getpid()}{domain[0]}" for domain in (A, B)}
        self._ends = {domain: f"xs{os.getpid()}{domain[0]}" for domain in (A, B)}

    def lay(self) -> None:
        for space in self.spaces.values():
            run("ip", "netns", "add", space)
            run("ip", "-n", space, "link", "set", "lo", "up")
        run("ip", "link", "add", self._ends[A], "type", "veth", "peer", "name", self._ends[B])
        for domain, space in self.spaces.items():
            self._plug(space, self._ends[domain], CABLE[domain])
            ours, theirs = DOOR[domain]
            door = f"xd{os.getpid()}{domain[0]}"
            run("ip", "link", "add", door, "type", "veth", "peer", "name", f"{door}i")
            run("ip", "address", "add", f"{ours}/24", "dev", door)
            run("ip", "link", "set", door, "up")
            self._plug(space, f"{door}i", theirs)

    @staticmethod
    def _plug(space: str, end: str, address: str) -> None:
        run("ip", "link", "set", end, "netns", space)
        run("ip", "-n", space, "address", "add", f"{address}/24", "dev", end)
        run("ip", "-n", space, "link", "set", end, "up")

    def cut(self) -> None:
        run("ip", "-n", self.spaces[A], "link", "set", self._ends[A], "down")

    def mend(self) -> None:
        run("ip", "-n", self.spaces[A], "link", "set", self._ends[A], "up")

    def remove(self) -> None:
        """With a namespace go its ends of the cables, and with those the other ends."""
        for space in self.spaces.values():
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)


@pytest.fixture
def networks() -> Iterator[Networks]:
    if shutil.which("ip") is None:
        pytest.skip("ip is not installed: apt-get install iproute2")
    networks = Networks()
    try:
        networks.lay()
    except subprocess.CalledProcessError as error:
        networks.remove()
        pytest.skip(f"network namespaces need root, and a kernel that allows them: {error.stderr.strip()}")
    yield networks
    networks.remove()


@pytest.fixture
def servers(networks: Networks, tmp_path: Path) -> Iterator[dict[str, ServerProcess]]:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    trust = federation.trusted(tmp_path, authority)
    processes = {}
    for domain, other in ((A, B), (B, A)):
        folder = tmp_path / domain
        tls = federation.certificate(folder, authority, domain)
        processes[domain] = ServerProcess(
            folder,
            f'[tls]\ncertificate = "{tls.certificate}"\nkey = "{tls.key}"\n'
            f'[s2s]\nverify = "certificate"\ntrust = "{trust}"\n'
            f'[s2s.routes]\n"{other}" = "{CABLE[other]}:{PORT}"\n',
            domain=domain,
            listen="[listen]\nc2s = []\ns2s_tls = []\ncomponent = []\nhttp = []\nhttps = []\n"
            f'c2s_tls = ["{DOOR[domain][1]}:0"]\ns2s = ["{CABLE[domain]}:{PORT}"]\n',
            within=("ip", "netns", "exec", networks.spaces[domain]),
        )
    try:
        for process, user in zip(processes.values(), ("romeo", "juliet"), strict=True):
            process.start()
            process.add_users(user)
        yield processes
    finally:
        for process in processes.values():
            process.kill()


async def login(server: ServerProcess, user: str) -> RawClient:
    client = await RawClient.connect(server.c2s_tls, tls=True)
    client.header = HEADER.replace("to='localhost'", f"to='{server.domain}'")
    await client.sign_in(user, PASSWORD, "there")
    client.send("<presence/>")
    return client


async def heard_by(client: RawClient, count: int, timeout_s: float = 30.0) -> list[int]:
    """Take messages until there are so many different ones."""
    heard: list[int] = []
    with contextlib.suppress(TimeoutError):
        while len(set(heard)) < count:
            element = await client.until(lambda element: element.tag == CLIENT + "message", timeout_s)
            assert element.get("type") == "chat"
            heard.append(int(str(element.findtext(CLIENT + "body"))))
    return heard


def say(romeo: RawClient, *numbers: int) -> None:
    for number in numbers:
        romeo.send(f"<message to='juliet@{B}' type='chat'><body>{number}</body></message>")


@pytest.mark.slow
async def test_a_cable_that_is_cut_and_mended(networks: Networks, servers: dict[str, ServerProcess]) -> None:
    """Nothing is lost, nothing comes twice, all is in order: the connection has not broken."""
    romeo, juliet = await login(servers[A], "romeo"), await login(servers[B], "juliet")
    say(romeo, *range(20))
    assert await heard_by(juliet, 20) == list(range(20))
    networks.cut()
    say(romeo, *range(20, 60))
    await asyncio.sleep(CUT_S)
    networks.mend()
    say(romeo, *range(60, 80))
    assert await heard_by(juliet, 60) == list(range(20, 80))
    await abort_all()


@pytest.mark.slow
async def test_a_server_that_starts_again_behind_a_cut_cable(
    networks: Networks, servers: dict[str, ServerProcess]
) -> None:
    """XEP-0198 over a half-open connection: what its other end had not acknowledged is sent again."""
    romeo, juliet = await login(servers[A], "romeo"), await login(servers[B], "juliet")
    say(romeo, *range(20))
    assert await heard_by(juliet, 20) == list(range(20))
    await asyncio.sleep(PROVED_S)
    networks.cut()
    say(romeo, *range(20, 60))
    servers[B].kill()
    servers[B].start()
    networks.mend()
    say(romeo, *range(60, 80))
    juliet = await login(servers[B], "juliet")
    assert await heard_by(juliet, 60) == list(range(20, 80))
    await abort_all()
