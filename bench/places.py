"""The servers that a run needs: those that run all the time, and those that are there for one step."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from bench.accounts import DOMAIN, Accounts
from bench.certificates import write_certificate
from bench.plan import Place, Step
from bench.servers.server import Server, ServerError
from bench.servers.setting import PLAIN, Setting
from bench.servers.subject import Pair, Subject

#: Told which server is left out, and why.
LeaveOut = Callable[[type[Server], Exception], None]


class Places:
    """Makes servers of some kinds in a folder. The generator has the last core, the servers have the others."""

    def __init__(self, folder: Path, kinds: Sequence[type[Server]]) -> None:
        self._folder = folder
        self._kinds = kinds
        self._cores = sorted(os.sched_getaffinity(0))
        self.generator_core = self._cores[-1]

    def make(self, kind: type[Server], folder: Path, setting: Setting = PLAIN) -> Server:
        """Make a server that is not prepared yet; one that uses many cores has all."""
        one_core = set(self._cores[:-1] or self._cores)
        return kind(folder, set(self._cores) if kind.many_cores else one_core, setting)

    def alone(self, accounts: Accounts, leave_out: LeaveOut) -> list[Server]:
        """Prepare one server of each kind."""
        certificate, key = write_certificate(self._folder, DOMAIN)
        servers: list[Server] = []
        for kind in self._kinds:
            server = self.make(kind, self._folder / kind.name)
            try:
                server.prepare(accounts, certificate, key)
                servers.append(server)
            except ServerError as error:
                leave_out(kind, error)
        return servers

    @contextlib.contextmanager
    def open(self, step: Step, running: Sequence[Server], leave_out: LeaveOut) -> Iterator[list[Subject]]:
        """Yield what a step is measured on: what runs all the time, or what is there for this step alone."""
        if step.place is Place.ALONE:
            yield [Subject([server]) for server in running]
            return
        subjects: list[Subject] = []
        try:
            for kind in self._kinds:
                try:
                    subjects.append(self._prepare(kind, step))
                    subjects[-1].start()
                except ServerError as error:
                    leave_out(kind, error)
                    if subjects and subjects[-1].name == kind.name:
                        subjects.pop().stop()
            yield subjects
        finally:
            for subject in subjects:
                subject.stop()

    def _prepare(self, kind: type[Server], step: Step) -> Subject:
        folder = self._folder / f"{kind.name}-{step.name}"
        if step.place is Place.PAIR:
            return Pair(partial(self.make, kind), folder, Accounts(plain=(step.sessions + 1) // 2, friends=0))
        server = self.make(kind, folder, Setting(archive=True))
        certificates = self._folder / f"{kind.name}-{step.name}-tls"
        certificates.mkdir()
        server.prepare(Accounts(plain=step.sessions, friends=0), *write_certificate(certificates, DOMAIN))
        return Subject([server])
