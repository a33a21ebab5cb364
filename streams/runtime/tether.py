"""Runs a command that dies with its parent: `python -m streams.runtime.tether PARENT_PID COMMAND...`.

Linux tells a process when its parent ends (prctl PR_SET_PDEATHSIG, which outlives exec); a parent killed by SIGKILL
cannot clean up, so its children must notice. Elsewhere the command runs untethered.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent and become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the tie was made
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606  # an argument list from the supervisor, never a shell


if __name__ == "__main__":
    main()
