"""Runs a command that dies with the process that started it: `python -I tether.py PARENT_PID COMMAND…`.

A program of its own, as the standard library alone cannot ask for this between fork and exec without risking a
deadlock in a parent with threads. Linux only (PR_SET_PDEATHSIG); elsewhere it just runs the command. The signal is
SIGKILL: a role is safe to kill at any moment, an orphan that holds the state's lock is not.
"""

import ctypes
import os
import signal
import sys

__all__ = ["main"]

_PR_SET_PDEATHSIG = 1


def main(parent_pid: int, command: list[str]) -> None:
    """Become `command`; never returns. The process id stays the same."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # The parent may have died before the kernel knew what we asked for.
        if os.getppid() != parent_pid:
            sys.exit(f"tether: the parent {parent_pid} is gone; nothing was started")
    os.execvp(command[0], command)  # noqa: S606 -- a list that our supervisor built, no shell


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
