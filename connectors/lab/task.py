"""A runaway task of a service: it burns at most a fifth of a core and sits on the service's lock.

Run as `python -S -m connectors.lab.task LOCK`. Ends when standard input closes, as the services do.
"""

import fcntl
import os
import select
import signal
import sys
import time

CYCLE_S = 0.130
BURN_S = 0.022
HELD_S = 0.100


def main() -> None:
    """Hold the lock for three quarters of every cycle, burning a part of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(10)
    lock = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR, 0o600)
    while not select.select([sys.stdin], [], [], CYCLE_S - HELD_S)[0]:
        fcntl.flock(lock, fcntl.LOCK_EX)
        until_s = time.monotonic() + HELD_S
        _burn(BURN_S, until_s)
        time.sleep(max(0.0, until_s - time.monotonic()))
        fcntl.flock(lock, fcntl.LOCK_UN)


def _burn(cpu_s: float, until_s: float) -> None:
    """Use so much CPU time; on a busy machine less, rather than hold the lock for longer."""
    most_s = time.process_time() + cpu_s
    while time.process_time() < most_s and time.monotonic() < until_s:
        pass


if __name__ == "__main__":
    main()
