"""Becomes another program, which ends when its parent does: `python child.py PARENT_PID PROGRAM ARGUMENT...`.

A server that was killed can stop nobody; its components would go on without it, and be in the way of those that the
next server starts. Linux tells them (PR_SET_PDEATHSIG), also across the exec; elsewhere this does nothing. SIGHUP is
ignored until the program minds it itself: it may come while the program is still starting. A script of its own, and no
function to run between fork and exec: the server has threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, program: str, *arguments: str) -> None:
    """Replace this process; exit code 127 if that fails."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it has died meanwhile
            sys.exit(1)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        os.execvp(program, [program, *arguments])  # noqa: S606 - the command that the operator configured
    except OSError as error:
        sys.exit(f"{program}: {error.strerror}")


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
