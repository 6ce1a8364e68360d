"""One window of a load on one server: CPU time, units, latencies, and who was the bottleneck."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench import procfs
from bench.load.faults import Faults
from bench.load.reactor import Reactor
from bench.load.workload import Workload
from bench.servers.subject import Subject

#: The generator is called busy when it waited less than this share of a window for something to do.
_BUSY_WAIT_SHARE = 0.05
_SERVER_BUSY_CORES = 0.85
_LATE_MS = 5.0
#: A server rests that has used no more CPU time than this for so long: one or two ticks of the kernel's clock.
_REST_S, _REST_CPU_S = 0.5, 0.02
_REST_TIMEOUT_S = 60.0


@dataclass(slots=True)
class Window:
    """What happened in one window."""

    seconds: float
    delivered: int
    server_cpu_s: float
    generator_cpu_s: float
    generator_waited_s: float
    #: CPU time that neither the server nor the generator used, in cores: other load on the machine.
    others_cores: float
    #: The longest time in which nobody heard anything from the server.
    silence_ms: float
    latencies_ms: list[float] = field(repr=False)
    lateness_ms: list[float] = field(repr=False)
    #: Of a window that is charged with what a server puts off: all CPU time, and all units, from the begin to the rest.
    charged: tuple[float, int] | None = None

    @property
    def cpu_us(self) -> float:
        """CPU microseconds of the server for a unit of work."""
        cpu_s, units = self.charged or (self.server_cpu_s, self.delivered)
        return cpu_s / max(units, 1) * 1e6

    @property
    def per_s(self) -> float:
        """Units of work a second."""
        return self.delivered / self.seconds

    @property
    def server_cores(self) -> float:
        """Cores that the server kept busy."""
        return self.server_cpu_s / self.seconds

    @property
    def bottleneck(self) -> str:
        """Name what limited the throughput of a closed loop: "server", "generator", "both" or "neither"."""
        generator = self.generator_waited_s / self.seconds < _BUSY_WAIT_SHARE
        server = self.server_cores > _SERVER_BUSY_CORES
        return {(True, True): "both", (True, False): "generator", (False, True): "server"}.get(
            (generator, server), "neither"
        )


def take_window(
    server: Subject, load: Workload, warm_up_s: float, window_s: float, *, deferred: bool = False
) -> Window:
    """Run a load for a while and measure the last `window_s` of it, then drain it.

    With `deferred` the server is waited for until it rests, and charged for all that it did: an archive may be written
    long after the message was delivered.
    """
    reactor = load.crowd.reactor
    first_pids = server.pids()
    first_cpu, first_delivered = procfs.cpu_s(first_pids), load.delivered
    load.begin()
    _run(load, warm_up_s)
    load.reset_samples()
    reactor.longest_silence_s = 0.0
    pids = server.pids()
    delivered, waited, began = load.delivered, reactor.waited_s, time.perf_counter()
    machine, generator, cpu = procfs.machine_busy_s(), time.process_time(), procfs.cpu_s(pids)
    _run(load, window_s)
    cpu = procfs.cpu_s(pids) - cpu
    generator = time.process_time() - generator
    machine = procfs.machine_busy_s() - machine
    seconds = time.perf_counter() - began
    window = Window(
        seconds,
        load.delivered - delivered,
        cpu,
        generator,
        reactor.waited_s - waited,
        max(machine - cpu - generator, 0.0) / seconds,
        reactor.longest_silence_s * 1e3,
        [value / 1e6 for value in load.latencies_ns],
        [value / 1e6 for value in load.lateness_ns],
    )
    load.finish()
    if deferred:
        await_rest(server, load.crowd.reactor)
        window.charged = procfs.cpu_s(first_pids) - first_cpu, load.delivered - first_delivered
    return window


def await_rest(server: Subject, reactor: Reactor) -> None:
    """Wait until a server does nothing any more."""
    pids, end = server.pids(), time.perf_counter() + _REST_TIMEOUT_S
    while time.perf_counter() < end:
        before = procfs.cpu_s(pids)
        reactor.run_for(_REST_S)
        if procfs.cpu_s(pids) - before <= _REST_CPU_S:
            return


def _run(load: Workload, seconds: float) -> None:
    turn = load.crowd.reactor.turn
    end = time.perf_counter() + seconds
    while (left := end - time.perf_counter()) > 0:
        turn(min(load.pump(time.perf_counter_ns()), left))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that a share (0 to 1) of the sorted `values` does not exceed; 0 of nothing."""
    return values[min(int(len(values) * share), len(values) - 1)] if values else 0.0


def spread(values: Sequence[float]) -> dict[str, float]:
    """Minimum, median and maximum."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return {"min": _short(ordered[0]), "median": _short(median), "max": _short(ordered[-1])}


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and maximum."""
    ordered = sorted(values)
    return {
        "p50": _short(percentile(ordered, 0.50)),
        "p95": _short(percentile(ordered, 0.95)),
        "p99": _short(percentile(ordered, 0.99)),
        "max": _short(percentile(ordered, 1.0)),
    }


def summary(windows: Sequence[Window], faults: Faults, *, open_loop: bool) -> dict[str, object]:
    """Put the windows of one load on one server together."""
    figure: dict[str, object] = {
        "cpu_us": spread([one.cpu_us for one in windows]),
        "per_s": spread([one.per_s for one in windows]),
        "latency_ms": percentiles([value for one in windows for value in one.latencies_ms]),
        "server_cores": _short(sum(one.server_cores for one in windows) / len(windows)),
        "generator_cpu_us": spread([one.generator_cpu_s / max(one.delivered, 1) * 1e6 for one in windows]),
        "generator_waited": _short(sum(one.generator_waited_s / one.seconds for one in windows) / len(windows)),
        "others_cores": _short(max(one.others_cores for one in windows)),
        "faults": {kind: count for kind, count in sorted(faults.items()) if count},
    }
    if open_loop:
        late = percentiles([value for one in windows for value in one.lateness_ms])
        figure["generator_late_ms"] = late
        figure["bottleneck"] = "generator" if late["p99"] > _LATE_MS else "none"
    else:
        figure["silence_ms"] = _short(max(one.silence_ms for one in windows))
        kinds = sorted({one.bottleneck for one in windows})
        figure["bottleneck"] = "/".join(kinds)
    return figure


def _short(value: float) -> float:
    """Four significant digits are more than the measurement has."""
    return float(f"{value:.4g}")
