"""When an attempt is tried again: exponential backoff with full jitter, bounded (Brooker, "Exponential Backoff And
Jitter", AWS Architecture Blog, 2015).
"""

import msgspec

from schemas.ids import seed_of

_DOUBLINGS = 30


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    """How often an action is tried, how long one attempt may take, and the pauses between two. All in seconds.

    Before retry n (from 0) lies a pause drawn evenly from 0 to `pause_s * 2 ** n`, at most `longest_s`, and drawn from
    `seed` and the action's id: a run repeats exactly, and the executors of a loop do not come back in step.
    """

    attempts: int = 3
    timeout_s: float = 15.0
    """What a handler is told."""
    grace_s: float = 1.0
    """How much later than that an attempt is given up: a handler that keeps its time tells more than we could."""
    pause_s: float = 1.0
    longest_s: float = 30.0
    seed: int = 0

    def wait_s(self, action: str, retry: int, *, asked_s: float = 0.0) -> float | None:
        """Return how long to wait before a retry of an action, by its id; None where that would be too long.

        `asked_s` is what the target asked for (`Retry-After`): it is honoured or the action is given up, never cut.
        """
        if asked_s > self.longest_s:
            return None
        most_s = min(self.longest_s, self.pause_s * float(2 ** min(retry, _DOUBLINGS)))
        return asked_s + most_s * seed_of(self.seed, action, retry) / 2**64
