"""Looks after the certificates of a CA while the server runs: when to go there, in a child process, and what then."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import random
import sys
import time
from collections.abc import Callable

import msgspec
import structlog

from xmpp_server.app import child
from xmpp_server.app.acme.job import Item, Job, Report
from xmpp_server.app.acme.plan import folder_of, orders
from xmpp_server.app.acme.timing import next_look_s
from xmpp_server.app.metrics import Counters
from xmpp_server.app.settings import Config

log = structlog.get_logger()

#: A visit to a CA that has not ended by then is given up.
VISIT_S = 900.0
#: How long a server that has just started serves its clients before it looks after certificates.
FIRST_LOOK_S = 1.0


class RenewalError(Exception):
    """The certificates could not be looked after, for the reason that the text tells."""


class Renewal:
    """The task that looks after them."""

    def __init__(self, config: Callable[[], Config], counters: Counters, renewed: Callable[[], None]) -> None:
        """Prepare.

        Args:
            config: Returns the configuration in force.
            counters: Where issues and failures are counted.
            renewed: Called when there are new certificates.

        """
        self._config = config
        self._counters = counters
        self._renewed = renewed
        self._task: asyncio.Task[None] | None = None
        self._visiting = asyncio.Lock()
        self._visit: asyncio.Task[Report] | None = None
        self._wake = asyncio.Event()
        self._failures = 0
        self._random = random.SystemRandom()

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._keep(), name="acme")

    async def stop(self) -> None:
        """End; a visit under way is broken off."""
        if self._visit is not None:
            self._visit.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    def reconsider(self) -> None:
        """Look again soon: the configuration may have changed."""
        self._failures = 0
        self._wake.set()

    async def visit(self, *, force: bool = False) -> Report:
        """Renew what is due, or everything.

        Raises:
            RenewalError: It is not enabled, the child failed as a whole, or the server stops.

        """
        async with self._visiting:
            self._visit = asyncio.create_task(run(job_for(self._config(), force=force)), name="acme visit")
            try:
                report = await self._visit
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():  # not the visit alone: its end is ours
                    raise
                raise RenewalError("the server stops") from None
        for outcome in report.outcomes:
            self._counters.certificates_issued += outcome.issued
            self._counters.certificate_failures += bool(outcome.error)
            if outcome.issued:
                log.info("acme-issued", file=outcome.path, names=list(outcome.names))
            elif outcome.error:
                log.error("acme-failed", file=outcome.path, names=list(outcome.names), reason=outcome.error)
        if any(outcome.issued for outcome in report.outcomes):
            self._renewed()
        return report

    async def _keep(self) -> None:
        wait_s = FIRST_LOOK_S
        while True:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            wait_s = await self._look()
            log.debug("acme-waits", wait_s=round(wait_s))

    async def _look(self) -> float:
        """Visit the CA if there is anything to have; return how long to wait for the next time, in seconds."""
        renew_at: list[float] = []
        if orders(self._config()):
            try:
                outcomes = (await self.visit()).outcomes
            except (RenewalError, OSError) as error:
                log.error("acme-failed", reason=str(error))
                self._counters.certificate_failures += 1
                self._failures += 1
            else:
                failed = any(outcome.error for outcome in outcomes)
                self._failures = self._failures + 1 if failed else 0
                renew_at = [outcome.renew_at for outcome in outcomes if outcome.renew_at is not None]
        return next_look_s(min(renew_at, default=None), self._failures, time.time(), self._random)


def job_for(config: Config, *, force: bool = False) -> Job:
    """Return what is to be done.

    Raises:
        RenewalError: There is nothing that could be done.

    """
    acme = config.tls.acme
    if not acme.enabled:
        raise RenewalError("tls.acme is not enabled")
    if not is_installed():
        raise RenewalError("tls.acme needs more packages: pip install 'xmpp-server[acme]'")
    items = tuple(Item(str(order.path), order.names, order.wanted) for order in orders(config))
    if not items:
        raise RenewalError("there is no domain that a CA issues for")
    folder_of(config).mkdir(mode=0o700, parents=True, exist_ok=True)
    return Job(
        directory=acme.directory,
        contact=acme.contact,
        ca=acme.ca,
        folder=str(folder_of(config)),
        http=acme.http,
        nameservers=config.s2s.dns.nameservers,
        items=items,
        force=force,
    )


def is_installed() -> bool:
    """Tell whether the library that speaks with CAs is there."""
    return importlib.util.find_spec("acme") is not None


async def run(job: Job) -> Report:
    """Do a job in a child process, which ends with us.

    Raises:
        RenewalError: It failed as a whole.

    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-I", "-S", child.__file__, str(os.getpid())),
        *(sys.executable, "-P", "-m", "xmpp_server.app.acme.issuing"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us
    )
    try:
        async with asyncio.timeout(VISIT_S):
            output, errors = await process.communicate(msgspec.json.encode(job))
    except TimeoutError:
        raise RenewalError(f"the visit to the CA has not ended within {VISIT_S:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        return msgspec.json.decode(output, type=Report)
    except msgspec.DecodeError:
        last = errors.decode(errors="replace").strip().rpartition("\n")[2]
        raise RenewalError(f"the visit to the CA failed: {last or process.returncode}") from None
