"""Servers that speak S3, each a process of its own: versitygw where it is installed, else moto's."""

from __future__ import annotations

import shutil
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest
from obstore.store import S3Store

from components.xmpp_files.settings import S3Settings
from tests.peers import ROOT
from tests.ports import free_ports

BUCKET, USER, PASSWORD = "uploads", "an-access-key", "a-secret-access-key"
START_TIMEOUT_S = 30.0


class S3Server(ABC):
    """One server with one bucket, below `folder`."""

    #: Whether it looks at signatures.
    verifies: ClassVar[bool]

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        [port] = free_ports(1)
        self.address = f"127.0.0.1:{port}"
        self.settings = S3Settings(
            bucket=BUCKET,
            prefix="some/where",
            endpoint=f"http://{self.address}",
            access_key_id=USER,
            secret_access_key=PASSWORD,
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_TIMEOUT_S
        try:
            while not self._answers():
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                assert self._process.poll() is None, (self.folder / "log").read_text()
                time.sleep(0.05)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            self.make_bucket()
        except HTTPError:
            raise
        except URLError:
            return False
        return True

    def objects(self) -> set[str]:
        """The objects in the bucket."""
        store = S3Store(
            BUCKET,
            endpoint=f"http://{self.address}",
            access_key_id=USER,
            secret_access_key=PASSWORD,
            client_options={"allow_http": True},
        )
        return {meta["path"] for page in store.list() for meta in page}

    @abstractmethod
    def command(self) -> list[str]: ...

    @abstractmethod
    def make_bucket(self) -> None: ...

    @abstractmethod
    def parts(self) -> int:
        """How many multipart uploads are under way, or were left."""


class Moto(S3Server):
    """moto's server of its own: all of S3's requests, in memory; signatures are not looked at."""

    verifies = False

    def command(self) -> list[str]:
        program = ROOT / ".venv-s3" / "bin" / "moto_server"
        if not program.exists():
            pytest.skip("neither versitygw nor .venv-s3 is there: make peers")
        host, _, port = self.address.partition(":")
        return [str(program), "-H", host, "-p", port]

    def make_bucket(self) -> None:
        urlopen(Request(f"http://{self.address}/{BUCKET}", method="PUT", data=b"")).close()

    def parts(self) -> int:
        with urlopen(f"http://{self.address}/{BUCKET}?uploads") as answer:
            return answer.read().count(b"<UploadId>")


class Versity(S3Server):
    """versitygw: a server for production, on a folder; it verifies signatures."""

    verifies = True

    def command(self) -> list[str]:
        program = shutil.which("versitygw")
        if program is None:
            pytest.skip("versitygw is not installed")
        (self.folder / "data").mkdir(exist_ok=True)
        return [
            program,
            "--access",
            USER,
            "--secret",
            PASSWORD,
            "--port",
            self.address,
            "--health",
            "/health",
            "posix",
            str(self.folder / "data"),
        ]

    def make_bucket(self) -> None:
        urlopen(f"http://{self.address}/health").close()
        (self.folder / "data" / BUCKET).mkdir(exist_ok=True)

    def parts(self) -> int:
        return len([path for path in (self.folder / "data").rglob(".sgwtmp/multipart/*/*") if path.is_dir()])


def installed(folder: Path) -> S3Server:
    """The better one of those that are there."""
    return Versity(folder) if shutil.which("versitygw") else Moto(folder)


def table(settings: S3Settings) -> str:
    """The table of a bucket in the program's configuration."""
    names = ("bucket", "prefix", "endpoint", "access_key_id", "secret_access_key")
    return "[s3]\n" + "".join(f'{name} = "{getattr(settings, name)}"\n' for name in names)
