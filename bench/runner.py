"""A run: all servers up at once, their windows taken in turns, so that what disturbs one disturbs all."""

from __future__ import annotations

import gc
import os
import resource
import ssl
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bench import procfs
from bench.accounts import PASSWORD
from bench.load.chat import Chat
from bench.load.crowd import Crowd, CrowdError
from bench.load.faults import Faults
from bench.load.iq import Ping
from bench.load.presence import Presence
from bench.load.reactor import Reactor
from bench.load.rooms import Rooms
from bench.load.session import SessionOptions
from bench.load.workload import Workload
from bench.measure import Window, percentiles, spread, summary, take_window
from bench.pinger import Pinger
from bench.places import Places
from bench.plan import Kind, Load, Place, Profile, Step
from bench.results import Figures, Results
from bench.servers.server import Server, ServerError
from bench.servers.subject import Subject

_SPARE_FILES = 200
#: Until two servers have found each other, or an archive has seen all users.
_FIRST_CONTACT_S = 2.0
WORKLOADS: dict[Kind, Callable[[Crowd, Step, Load], Workload]] = {
    Kind.CHAT: lambda crowd, step, load: Chat(crowd, rate=load.rate),
    Kind.PING: lambda crowd, step, load: Ping(crowd),
    Kind.PRESENCE: lambda crowd, step, load: Presence(crowd),
    Kind.ROOMS: lambda crowd, step, load: Rooms(crowd, step.occupants, load.window),
}


class Runner:
    """Measures a profile on some servers. A server that fails a step is left out of that step, by name."""

    def __init__(self, profile: Profile, kinds: Sequence[type[Server]], only: Sequence[str] = ()) -> None:
        self.profile = profile
        self.results = Results(profile.name)
        self._only = only
        self._reactor = Reactor()
        self._tls = ssl.create_default_context()
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE
        self._folder = tempfile.TemporaryDirectory(prefix="xmpp-bench-")
        self._places = Places(Path(self._folder.name), kinds)
        self._files = 0
        #: What an archive lacked before the first window, by server.
        self._missing: dict[str, int] = {}
        self.servers: list[Server] = []

    def run(self) -> Results:
        """Measure everything; servers and files are gone afterwards, also after an error."""
        self._files = raise_file_limit(self._most_sessions() + _SPARE_FILES)
        os.sched_setaffinity(0, {self._places.generator_core})
        gc.disable()  # nothing here makes many cycles, and a collection would look like a stall
        try:
            self._prepare()
            self._cold()
            for server in self.servers:
                server.start()
            if self._wanted("sign-in"):
                self._sign_ins()
            for step in self.profile.steps:
                if any(self._wanted(load.name) for load in step.loads):
                    self._step(step)
        finally:
            for server in self.servers:
                server.stop()
            self._folder.cleanup()
            gc.enable()
        return self.results

    # --- before any load

    def _prepare(self) -> None:
        accounts = self.profile.accounts
        self._say(f"{len(accounts.names)} accounts for each server")
        self.servers = self._places.alone(accounts, partial(self._leave_out, "all"))
        for server in self.servers:
            self.results.versions[server.name] = server.version()

    def _cold(self) -> None:
        """Measure start-up, and memory of idle sessions on servers freshly started."""
        if not (self._wanted("start") or self._wanted("idle")):
            return
        for server in list(self.servers):
            try:
                starts = [self._start_figures(server) for _ in range(self.profile.starts)]
                figures: Figures = {name: spread([one[name] for one in starts]) for name in starts[0]}
                self.results.add("start", server.name, figures)
                if self._wanted("idle"):
                    self._idle(server, tls=False)
                    self._idle(server, tls=True)
            except (ServerError, CrowdError) as error:
                self._leave_out("start/idle", type(server), error)
            finally:
                server.stop()

    def _start_figures(self, server: Server) -> dict[str, float]:
        server.stop()
        start_ms = server.start()
        time.sleep(self.profile.rest_s)
        pids = server.pids()
        used = procfs.memory(pids)
        self._say(f"{server.title}: up in {start_ms:.0f} ms")
        return {
            "start_ms": start_ms,
            "cpu_ms": procfs.cpu_s(pids) * 1e3,
            "rss_mib": used.rss_kib / 1024,
            "pss_mib": used.pss_kib / 1024,
        }

    def _idle(self, server: Server, *, tls: bool) -> None:
        """Read memory per session at each number of idle sessions, on a server started for it."""
        for count in self.profile.idle:
            server.stop()
            server.start()
            time.sleep(self.profile.rest_s)
            before = procfs.memory(server.pids())
            crowd = self._crowd(
                Subject([server]), count, Step("idle", count, (), tls=tls, carbons=True, stream_management=True)
            )
            crowd.sign_in()
            self._reactor.run_for(self.profile.rest_s)
            pids = server.pids()
            cpu, began = procfs.cpu_s(pids), time.perf_counter()
            self._reactor.run_for(self.profile.rest_s)
            cpu = (procfs.cpu_s(pids) - cpu) / (time.perf_counter() - began)
            after = procfs.memory(pids)
            figures: Figures = {
                "kib_per_session": round((after.rss_kib - before.rss_kib) / count, 2),
                "kib_per_session_pss": round((after.pss_kib - before.pss_kib) / count, 2),
                "rss_mib": round(after.rss_kib / 1024, 1),
                "idle_cores": round(cpu, 3),
                "dropped": crowd.dropped,
            }
            crowd.drop()
            name = f"idle, {count:,} sessions{', TLS' if tls else ''}"
            self.results.add(name, server.name, figures)
            self._say(f"{name}: {server.title} {figures['kib_per_session']} KiB each")
        server.stop()

    # --- under load

    def _sign_ins(self) -> None:
        """Sign a crowd in with everything a client of today asks for, and out again."""
        step = Step("sign-in", self.profile.sign_ins, (), tls=True, carbons=True, stream_management=True)
        taken: dict[str, list[dict[str, float]]] = {server.name: [] for server in self.servers}
        each: dict[str, list[float]] = {server.name: [] for server in self.servers}
        for _ in range(self.profile.sign_in_rounds):
            for server in self.servers:
                pinger = Pinger(server.port)
                crowd = self._crowd(Subject([server]), step.sessions, step)
                pids, waited = server.pids(), self._reactor.waited_s
                cpu = procfs.cpu_s(pids)
                try:
                    signed_in = crowd.sign_in()
                except CrowdError as error:
                    self._leave_out(step.name, type(server), error)
                    pinger.end()
                    continue
                cpu = procfs.cpu_s(pids) - cpu
                waited = self._reactor.waited_s - waited
                taken[server.name].append(
                    {
                        "cpu_ms": cpu / step.sessions * 1e3,
                        "per_s": step.sessions / signed_in.took_s,
                        "generator_waited": waited / signed_in.took_s,
                        "stall_ms": pinger.end() or 0.0,
                    }
                )
                each[server.name] += signed_in.each_ms
                crowd.sign_out()
        for name, rounds in taken.items():
            if rounds:
                figures: Figures = {key: spread([one[key] for one in rounds]) for key in rounds[0]}
                figures["latency_ms"] = percentiles(each[name])
                self.results.add(f"sign-in, {step.sessions:,} sessions", name, figures)
                self._say(f"sign-in: {name} {figures['cpu_ms']} CPU-ms each")

    def _step(self, step: Step) -> None:
        with self._places.open(step, self.servers, partial(self._leave_out, step.name)) as subjects:
            if step.sessions * len(subjects) + _SPARE_FILES <= self._files:
                self._measure(step, subjects)
                return
            self.results.notes.append(f"{step.name}: one server after the other, for want of open files (ulimit -n)")
            for subject in subjects:
                self._measure(step, [subject])

    def _measure(self, step: Step, subjects: Sequence[Subject]) -> None:
        crowds: list[tuple[Subject, Crowd]] = []
        for subject in subjects:
            crowd = self._crowd(subject, step.sessions, step)
            try:
                crowd.sign_in()
                crowd.settle()
                crowds.append((subject, crowd))
            except CrowdError as error:
                self._leave_out(step.name, type(subject.servers[0]), error)
        for load in step.loads:
            if self._wanted(load.name):
                workloads = [(subject, WORKLOADS[load.kind](crowd, step, load)) for subject, crowd in crowds]
                self._load(step, load, [one for one in workloads if self._made_ready(step, *one)])
        for _, crowd in crowds:
            crowd.sign_out()

    def _made_ready(self, step: Step, subject: Subject, workload: Workload) -> bool:
        """Bring people into rooms, servers together and archives to life; False if that fails."""
        if step.place is not Place.ALONE:
            take_window(subject, workload, 0.0, _FIRST_CONTACT_S, deferred=step.place is Place.ARCHIVE)
        if step.place is Place.ARCHIVE:
            # ejabberd with SQLite drops some of the first messages that come at once: told, but no reason to stop.
            missing = self._missing[subject.name] = _unarchived(subject, workload)
            if missing:
                self.results.notes.append(f"{step.name}: {subject.title} left {missing} of the first messages out")
        if not isinstance(workload, Rooms):
            return True
        pids = subject.pids()
        cpu = procfs.cpu_s(pids)
        try:
            took_s = workload.enter()
        except CrowdError as error:
            self._leave_out(step.name, type(subject.servers[0]), error)
            return False
        cpu = procfs.cpu_s(pids) - cpu
        figures: Figures = {"cpu_ms": round(cpu / step.sessions * 1e3, 3), "per_s": round(step.sessions / took_s, 1)}
        self.results.add(f"{step.name}, joining", subject.name, figures)
        workload.crowd.settle()
        return True

    def _load(self, step: Step, load: Load, workloads: Sequence[tuple[Subject, Workload]]) -> None:
        """Take the windows of one load on all servers in turns."""
        windows: dict[str, list[Window]] = {subject.name: [] for subject, _ in workloads}
        stalls: dict[str, float] = {}
        archive = step.place is Place.ARCHIVE
        for _ in range(self.profile.rounds):
            for subject, workload in workloads:
                pinger = Pinger(subject.port) if load.stall else None
                windows[subject.name].append(
                    take_window(subject, workload, self.profile.warm_up_s, self.profile.window_s, deferred=archive)
                )
                if pinger is not None:
                    stalls[subject.name] = max(stalls.get(subject.name, 0.0), pinger.end() or 0.0)
        for subject, workload in workloads:
            if archive:
                workload.faults["unarchived"] += max(0, _unarchived(subject, workload) - self._missing[subject.name])
            figures = summary(windows[subject.name], workload.faults, open_loop=bool(load.rate))
            if subject.name in stalls:
                figures["stall_ms"] = round(stalls[subject.name], 1)
            failure = workload.crowd.failure
            if failure:
                self.results.notes.append(f"{load.name}: {subject.title} ended a session: {failure}")
            self.results.add(load.name, subject.name, figures)
            faults = Faults(workload.faults).text()
            self._say(f"{load.name}: {subject.title} {figures['cpu_us']} {figures['bottleneck']} {faults}")

    # --- small things

    def _crowd(self, subject: Subject, count: int, step: Step) -> Crowd:
        first, *more = (
            SessionOptions(
                host="127.0.0.1",
                port=server.port,
                domain=server.setting.domain.encode(),
                password=PASSWORD.encode(),
                tls=self._tls if step.tls else None,
                carbons=step.carbons,
                stream_management=step.stream_management,
            )
            for server in subject.servers
        )
        return Crowd(self._reactor, first, count, "p" if step.friends else "u", *more)

    def _wanted(self, name: str) -> bool:
        return not self._only or any(name.startswith(part) for part in self._only)

    def _most_sessions(self) -> int:
        """How many sessions are open at once to one server, in what is wanted."""
        profile = self.profile
        steps = (step.sessions for step in profile.steps if any(self._wanted(load.name) for load in step.loads))
        idle = profile.idle if self._wanted("idle") else ()
        return max(profile.sign_ins if self._wanted("sign-in") else 0, *idle, *steps, 0)

    def _leave_out(self, what: str, kind: type[Server], error: Exception) -> None:
        note = f"{what}: {kind.title} left out: {error}"
        self.results.notes.append(note)
        self._say(note)

    def _say(self, text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def _unarchived(subject: Subject, workload: Workload) -> int:
    """Count rows that an archive lacks: of each message there is one for the sender, and one for the receiver."""
    sent = workload.sent if isinstance(workload, Chat) else 0
    return max(0, 2 * sent - sum(server.archived() for server in subject.servers))


def raise_file_limit(needed: int) -> int:
    """Let this process and the servers open `needed` files; return how many. Raises ServerError if they may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(needed, 65_536)
    for limits in ((wanted, max(hard, wanted)), (hard, hard)):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            break
        except (ValueError, OSError):
            continue
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        raise ServerError(f"{needed} open files are needed, {soft} allowed: raise it with ulimit -n, or as root")
    return soft
