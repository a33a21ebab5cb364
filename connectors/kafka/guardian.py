"""Keep one child process no longer than its parent lives. Run as a program, with the standard library only.

    python -I -S guardian.py GRACE_S COMMAND...

Standard input is a pipe that only the parent writes to. Its end (the parent closed it, or died in whatever way)
ends the child: SIGTERM, and SIGKILL after GRACE_S seconds. The byte `k` kills it at once. A parent whose pipe was
inherited by another process is noticed by its process id. Should the guardian itself be killed, Linux kills the
child with it. Commands through a pipe cannot hit a process that got a dead child's number.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1
POLL_S = 0.5


def _die_with_guardian() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _end(child: "subprocess.Popen[bytes]", grace_s: float) -> None:
    child.terminate()
    try:
        child.wait(grace_s)
    except subprocess.TimeoutExpired:
        child.kill()


def _watch(child: "subprocess.Popen[bytes]", grace_s: float, parent: int) -> None:
    while child.poll() is None:
        readable, _, _ = select.select([0], [], [], POLL_S)
        command = os.read(0, 1) if readable else None
        if command == b"k":
            child.kill()
        elif command == b"" or os.getppid() != parent:
            _end(child, grace_s)
        if command is not None:
            return


def main() -> int:
    """Start the child, print its process id, watch, and return its exit code."""
    parent = os.getppid()
    grace_s = float(sys.argv[1])
    # PDEATHSIG follows the thread that forked: safe here, since a guardian has one thread for its whole life.
    linux = sys.platform == "linux"
    child = subprocess.Popen(
        sys.argv[2:],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        preexec_fn=_die_with_guardian if linux else None,  # noqa: PLW1509  # one thread, see above
    )
    signal.signal(signal.SIGTERM, lambda *_: _end(child, grace_s))
    sys.stdout.write(f"{child.pid}\n")
    sys.stdout.flush()
    _watch(child, grace_s, parent)
    return child.wait()


if __name__ == "__main__":
    sys.exit(main())
