"""A circuit breaker (Nygard, "Release It!"): a target that does not answer is left alone for a while."""

import threading
from collections.abc import Callable


class CircuitBreaker:
    """Closed: requests pass. Open after `failures` in a row, for `open_s`. Then half-open: one request at a time tries.

    A success closes it, a failure opens it anew. `hold` keeps it shut for as long as the target asked for.
    Every request that `admit` let pass must be told to `succeeded`, `failed` or `forget`. Threads may share it.
    """

    def __init__(self, *, failures: int, open_s: float, clock: Callable[[], float]) -> None:
        self._limit = failures
        self._open_s = open_s
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._open_until_s = float("-inf")
        self._held_until_s = float("-inf")
        self._trying = False

    def admit(self) -> float:
        """Return 0 when a request may go now, else after how many seconds to ask again."""
        with self._lock:
            now_s = self._clock()
            shut_until_s = max(self._open_until_s, self._held_until_s)
            if now_s < shut_until_s:
                return shut_until_s - now_s
            if self._failures < self._limit:
                return 0.0
            if self._trying:
                return self._open_s
            self._trying = True
            return 0.0

    def succeeded(self) -> None:
        """Note that the target answered as it should."""
        with self._lock:
            self._failures, self._trying = 0, False

    def failed(self) -> None:
        """Note that the target did not answer, or that it is broken."""
        with self._lock:
            self._failures += 1
            self._trying = False
            if self._failures >= self._limit:
                self._open_until_s = self._clock() + self._open_s

    def hold(self, wait_s: float) -> None:
        """Note that the target asked to be left alone for so long: that is no failure."""
        with self._lock:
            self._trying = False
            self._held_until_s = max(self._held_until_s, self._clock() + wait_s)

    def forget(self) -> None:
        """Note that a request ended without telling anything about the target."""
        with self._lock:
            self._trying = False
