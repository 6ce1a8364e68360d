"""`python -m bench`: measure, report, or serve one filled server for profiling."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.accounts import DOMAIN, PASSWORD
from bench.certificates import write_certificate
from bench.plan import PROFILES
from bench.report import DOCUMENT, table, write_document
from bench.results import FOLDER, Results, latest
from bench.runner import Runner, raise_file_limit
from bench.servers.ejabberd import Ejabberd
from bench.servers.ours import Ours
from bench.servers.prosody import Prosody
from bench.servers.server import Server, ServerError

SERVERS: dict[str, type[Server]] = {kind.name: kind for kind in (Ours, Prosody, Ejabberd)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; exit code 1 if something went wrong or a server lost or spoilt stanzas."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    run = commands.add_parser("run", help="measure (the default)")
    for one in (parser, run):
        one.add_argument("--profile", choices=PROFILES, default="short")
        one.add_argument("--servers", default=",".join(SERVERS), help="of " + ", ".join(SERVERS))
        one.add_argument("--only", default="", help="loads whose names begin so, with commas between: start, idle, ...")
        one.add_argument("--results", type=Path, default=FOLDER, help="folder of the JSON file")
    report = commands.add_parser("report", help=f"write results into {DOCUMENT.name}")
    report.add_argument("file", type=Path, nargs="?", help="a results file; the newest without")
    serve = commands.add_parser("serve", help="start one server with accounts and keep it up, for profilers")
    serve.add_argument("server", choices=SERVERS)
    serve.add_argument("--profile", choices=PROFILES, default="short")
    options = parser.parse_args(arguments)
    try:
        if options.command == "report":
            return _report(options.file)
        if options.command == "serve":
            return _serve(SERVERS[options.server], options.profile)
        return _run(options)
    except ServerError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace) -> int:
    names = [name for name in options.servers.split(",") if name]
    unknown = set(names) - set(SERVERS)
    if unknown:
        print(f"bench: unknown servers: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    present: list[type[Server]] = []
    skipped: list[str] = []
    for name in names:
        reason = SERVERS[name].missing()
        if reason is None:
            present.append(SERVERS[name])
        else:
            skipped.append(f"skipped: {reason}")
    for text in skipped:
        print(f"bench: {text}", file=sys.stderr)
    if not present:
        return 1
    runner = Runner(PROFILES[options.profile], present, [part for part in options.only.split(",") if part])
    began = time.monotonic()
    results = runner.run()
    results.notes += skipped
    path = results.save(options.results)
    print(table(results))
    for note in results.notes:
        print(f"* {note}")
    print(f"took {time.monotonic() - began:.0f} s; saved as {path}; `python -m bench report` writes {DOCUMENT.name}")
    return 1 if results.faulty or not results.figures else 0


def _interrupted(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _report(path: Path | None) -> int:
    path = path or latest()
    if path is None:
        print("bench: no results yet: make bench", file=sys.stderr)
        return 1
    write_document(Results.load(path))
    print(f"{path.name} -> {DOCUMENT}")
    return 0


def _serve(kind: type[Server], profile: str) -> int:
    reason = kind.missing()
    if reason:
        raise ServerError(reason)
    accounts = PROFILES[profile].accounts
    raise_file_limit(accounts.plain + 1000)
    with tempfile.TemporaryDirectory(prefix="xmpp-bench-") as name:
        server = kind(Path(name) / kind.name, os.sched_getaffinity(0))
        server.prepare(accounts, *write_certificate(Path(name), DOMAIN))
        try:
            server.start()
            print(f"{server.title} at 127.0.0.1:{server.port}, processes {server.pids()}; Ctrl-C ends it")
            print(
                f"accounts u0..u{accounts.plain - 1}, and p0..p{accounts.friends - 1} with 20 contacts each, ", end=""
            )
            print(f"at {DOMAIN}, password {PASSWORD}", flush=True)
            while server.running:
                time.sleep(0.5)
        except KeyboardInterrupt:
            return 0
        finally:
            server.stop()
    return 1


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell has them ignored: the servers must go, too
        signal.signal(number, _interrupted)
    sys.exit(main())
