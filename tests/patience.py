"""How long tests wait for what must come, where the product promises no time."""

import time
from collections.abc import Callable

PATIENCE_S = 90.0
"""A machine that does much else may stand still for half a minute; who waits goes on as soon as it comes."""


def eventually(what: Callable[[], object], *, within_s: float = PATIENCE_S) -> None:
    """Wait for a condition; fails when it does not come true in time: `within_s` where the product promises one."""
    deadline = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline, f"expected {what} within {within_s} s"
        time.sleep(0.02)
