"""Becomes a supervised program: bound to its supervisor's life first, then replaced by the program.

Run by its path, not imported: `python -I -S child.py SUPERVISOR_PID PROGRAM ARGUMENT…`. It uses the standard library
only, so that it costs a few milliseconds.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_CANNOT_EXECUTE = 127  # as a shell says it


def main(supervisor_pid: int, argv: list[str]) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != supervisor_pid:  # it died before prctl, so no signal will come
        return 1
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and what is ignored survives exec
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - an argv list from our own command line, never a shell
    except OSError as error:
        print(f"{argv[0]}: {error.strerror}", file=sys.stderr)
        return _CANNOT_EXECUTE


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
