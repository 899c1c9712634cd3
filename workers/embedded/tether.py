"""A program's first breath: ties this process to the life of its parent, then becomes the program.

Run by path, as `python -I -S tether.py PARENT_PID PROGRAM ARGUMENT...`, and never imported. It replaces a
`preexec_fn`, which may deadlock in a parent that has threads. On Linux the kernel kills the program when its
parent is gone, however it went. Elsewhere nobody does; the folder's lock shows what still runs.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def tie_to(parent: int) -> None:
    if not sys.platform.startswith("linux"):
        return
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot tie this process to its parent: {os.strerror(number)}")
    if os.getppid() != parent:  # it went before the tie was made
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    tie_to(int(sys.argv[1]))
    try:
        os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - a command of ours, as an argv list
    except OSError as problem:
        sys.exit(f"cannot start {sys.argv[2]!r}: {problem.strerror}")
