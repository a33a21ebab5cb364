"""Limits such as `3/hour and 7/day`: exact sliding windows on loop time.

A limit N per T promises: in *every* half-open interval [a, a + T) there are at most N reservations. That holds exactly
when any reservation comes at least T after the N-th last one before it, so N timestamps per limit are all there is to
remember. Edited limits give no fresh allowance: more timestamps than the limit needs are kept, and where even those are
too few the missing ones count as spent.
"""

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from functools import lru_cache

import msgspec

from streams.loop.durations import format_duration, parse_duration

NAMED_US = {
    "second": 1_000_000,
    "minute": 60_000_000,
    "hour": 3_600_000_000,
    "day": 86_400_000_000,
    "week": 7 * 86_400_000_000,
}
MOST = 10_000
"""Largest N: it bounds the memory of one key."""
KEPT = 128
"""Timestamps kept at least per key, so that a limit edited to a larger N still sees what was spent."""
KEPT_US = 7 * 86_400_000_000
"""Age up to which they are kept, so that a limit edited to a longer T still sees what was spent."""
_TYPE = "q"
"""Times are kept in arrays: a fifth of the memory of lists, and nothing that the garbage collector looks at."""
_LIMIT = re.compile(r"(\d{1,9})\s*/\s*(\S+)", re.ASCII)
_AND = re.compile(r"\s+and\s+")


@lru_cache(maxsize=1_024)
def _spelled(count: int, interval_us: int) -> str:
    interval = next((name for name, us in NAMED_US.items() if us == interval_us), "") or format_duration(interval_us)
    return f"{count}/{interval}"


class Limit(msgspec.Struct, frozen=True):
    """At most `count` in every interval [a, a + `interval_us`); `text` is its spelling, worked out once."""

    count: int
    interval_us: int
    text: str = ""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "text", _spelled(self.count, self.interval_us))

    def __str__(self) -> str:
        return self.text

    def divided(self, divisor: int) -> "Limit":
        """Return the limit with its count divided, but at least 1 where it was."""
        return Limit(max(min(self.count, 1), self.count // divisor), self.interval_us)


Limits = tuple[Limit, ...]


def parse_limits(text: str) -> Limits:
    """Read `3/hour and 7/day` or `20/10m`; raises `ValueError` that says what was expected. `0/hour` allows nothing."""
    return tuple(_parse_limit(part) for part in _AND.split(text.strip()))


def _parse_limit(text: str) -> Limit:
    match = _LIMIT.fullmatch(text)
    if match is None:
        raise ValueError(f'expected a limit such as "3/hour and 7/day" or "20/10m", got "{text}"')
    count, unit = int(match[1]), match[2]
    if count > MOST:
        raise ValueError(f'expected at most {MOST} per interval, got "{text}"')
    if unit in NAMED_US:
        return Limit(count, NAMED_US[unit])
    try:
        interval_us = parse_duration(unit)
    except ValueError as error:
        raise ValueError(
            f'expected second, minute, hour, day, week or a duration such as 10m after "/", got "{text}"'
        ) from error
    if interval_us == 0:
        raise ValueError(f'expected an interval longer than 0s, got "{text}"')
    return Limit(count, interval_us)


class Standing(msgspec.Struct, frozen=True, gc=False):
    """Where one key stands with its tightest limit. `next_us` is None when a reservation is possible now."""

    limit: str
    spent: int
    allowed: int
    possible: bool
    next_us: int | None = None
    """Loop time from which a reservation is possible; None too where no waiting helps (`0/hour`, no room)."""


class SlidingWindowsState(msgspec.Struct, array_like=True):
    """What survives a restart: timestamps per key, the latest dropped one per key, divisors of tightened keys; and the
    latest timestamp per key that was forgotten.
    """

    times: dict[str, list[int]] = {}
    dropped_us: dict[str, int] = {}
    divisors: dict[str, int] = {}
    forgotten_us: dict[str, int] = {}


class Allowance(msgspec.Struct, gc=False):
    """The `limits` in force for one key, and when it spent of them: `times` in order, of which `kept` are kept at most,
    and the latest one that no longer is (`dropped_us`).
    """

    limits: Limits
    times: "array[int]"
    dropped_us: int | None = None
    kept: int = KEPT

    def standing(self, limit: Limit, now_us: int) -> Standing:
        """Return where the key stands with one of its limits."""
        times, count, oldest_us = self.times, limit.count, now_us - limit.interval_us
        spent = len(times)
        if spent and times[0] <= oldest_us:
            spent -= bisect_right(times, oldest_us)
        if spent < count and self.dropped_us is None:
            return Standing(limit.text, spent, count, possible=True)
        next_us = self._next_us(limit)
        possible = next_us is None or 0 < next_us <= now_us
        return Standing(limit.text, spent, count, possible, None if possible else next_us or None)

    def blocked_until(self, now_us: int) -> int | None:
        """Return when a reservation is possible again (0: waiting does not help), or None when it is now."""
        latest_us = now_us
        for limit in self.limits:
            next_us = self._next_us(limit)
            if next_us == 0:
                return 0
            if next_us is not None and next_us > latest_us:
                latest_us = next_us
        return latest_us if latest_us > now_us else None

    def _next_us(self, limit: Limit) -> int | None:
        """Return from when on a limit lets one more pass: None at any time, 0 never."""
        count = limit.count
        if count == 0:
            return 0
        last_us = self.times[-count] if len(self.times) >= count else self.dropped_us
        return None if last_us is None else last_us + limit.interval_us


class SlidingWindows:
    """Reservations per key, each key under the limits that `limits_of(key)` states, at all times the same.

    Bounded: at most `keys_max` keys; a key is forgotten only when nothing of it can count any more, and while there is
    no room for a new one nothing is possible for it. Of as many keys that were forgotten, the latest, it is known when
    they last spent: should a longer limit be stated, all that they may have spent until then counts as spent.
    """

    def __init__(self, *, limits_of: Callable[[str], Limits], keys_max: int) -> None:
        self._limits_of = limits_of
        self._keys_max = keys_max
        self._allowances: dict[str, Allowance] = {}
        self._divisors: dict[str, int] = {}
        self._forgotten_us: dict[str, int] = {}

    def standing(self, key: str, now_us: int) -> Standing:
        """Return where a key stands at `now_us` with the limit that frees last, else with the fullest one."""
        allowance = self._allowances.get(key)
        if allowance is None:
            if len(self._allowances) >= self._keys_max and not self._makes_room(now_us):
                return Standing("tracked keys", self._keys_max, self._keys_max, possible=False)
            allowance = self._fresh(key)
        limits = allowance.limits
        if len(limits) == 1:
            return allowance.standing(limits[0], now_us)
        return max([allowance.standing(limit, now_us) for limit in limits], key=_tightness)

    def keys(self) -> list[str]:
        """Return the keys with reservations, or with tightened limits."""
        return sorted({*self._allowances, *self._divisors})

    def blocked_until(self, key: str, now_us: int) -> int | None:
        """Return when a reservation is possible again (0: waiting does not help), or None when it is now."""
        return (self._allowances.get(key) or self._fresh(key)).blocked_until(now_us)

    def reserve(self, key: str, now_us: int) -> bool:
        """Spend one of the key's allowance, and return whether none is left for now.

        Time does not run backwards: an earlier `now_us` counts as the last one.
        """
        allowance = self._allowances.get(key)
        if allowance is None:
            if len(self._allowances).bit_count() == 1:  # now and then: at 1, 2, 4, 8, ... keys
                self._forget_idle(now_us)
            allowance = self._allowances[key] = self._take(key)
        times = allowance.times
        times.append(times[-1] if times and times[-1] > now_us else now_us)
        if len(times) > allowance.kept:
            self._drop_surplus(key, allowance)
        for limit in allowance.limits:
            if len(times) >= limit.count or allowance.dropped_us is not None:
                return allowance.blocked_until(now_us) is not None
        return False

    def tighten(self, key: str, divisor: int) -> None:
        """Divide the limits of a key; never widens: only `loosen` takes it back."""
        self._divisors[key] = max(divisor, self._divisors.get(key, 1))
        self._apply_limits(key)

    def loosen(self, key: str) -> None:
        """Return to the stated limits; what was spent still counts."""
        self._divisors.pop(key, None)
        self._apply_limits(key)

    def join(self, key: str, into: str) -> None:
        """Count all that was spent of a key as spent of another one: it has the sum of both, and the tighter limits.

        Of the time up to the latest reservation that either of them dropped not all are known, so none are kept.
        """
        divisor = self._divisors.pop(key, None)
        if divisor is not None:
            self.tighten(into, divisor)
        known, gone = self._take(into), self._take(key)
        dropped = [one.dropped_us for one in (gone, known) if one.dropped_us is not None]
        times = sorted((*known.times, *gone.times))
        known.dropped_us = max(dropped, default=None)
        known.times = array(_TYPE, times if not dropped else times[bisect_left(times, max(dropped)) :])
        if known.times:
            self._allowances[into] = known
            self._drop_surplus(into, known)
        elif known.dropped_us is not None:
            self._forget(into, known.dropped_us)

    def state(self) -> SlidingWindowsState:
        """Return everything that must survive, in a fixed order."""
        known = sorted(self._allowances.items())
        return SlidingWindowsState(
            times={key: one.times.tolist() for key, one in known},
            dropped_us={key: one.dropped_us for key, one in known if one.dropped_us is not None},
            divisors=dict(sorted(self._divisors.items())),
            forgotten_us=dict(self._forgotten_us),
        )

    def restore(self, state: SlidingWindowsState) -> None:
        """Replace the reservations; the limits stay those stated now."""
        self._divisors, self._forgotten_us = dict(state.divisors), dict(state.forgotten_us)
        self._allowances = {
            key: Allowance(self._limits(key), array(_TYPE, times), state.dropped_us.get(key))
            for key, times in state.times.items()
        }

    def _take(self, key: str) -> Allowance:
        """Return what is known of a key, and forget it."""
        allowance = self._allowances.pop(key, None) or self._fresh(key)
        self._forgotten_us.pop(key, None)
        return allowance

    def _fresh(self, key: str) -> Allowance:
        limits = self._limits(key) if self._divisors else self._limits_of(key)
        return Allowance(limits, array(_TYPE), self._forgotten_us.get(key))

    def _limits(self, key: str) -> Limits:
        """Return the limits in force."""
        stated = self._limits_of(key)
        divisor = self._divisors.get(key)
        return stated if divisor is None else tuple(limit.divided(divisor) for limit in stated)

    def _drop_surplus(self, key: str, allowance: Allowance) -> None:
        allowance.kept = max([KEPT] + [limit.count for limit in self._limits_of(key)])
        surplus = len(allowance.times) - allowance.kept
        if surplus > 0:
            allowance.dropped_us = allowance.times[surplus - 1]
            del allowance.times[:surplus]

    def _apply_limits(self, key: str) -> None:
        if key in self._allowances:
            self._allowances[key].limits = self._limits(key)

    def _makes_room(self, now_us: int) -> bool:
        self._forget_idle(now_us)
        return len(self._allowances) < self._keys_max

    def _forget_idle(self, now_us: int) -> None:
        for key in [key for key, one in self._allowances.items() if one.times[-1] + KEPT_US <= now_us]:
            interval_us = max(limit.interval_us for limit in self._limits_of(key))
            if self._allowances[key].times[-1] + interval_us <= now_us:
                self._forget(key, self._allowances.pop(key).times[-1])

    def _forget(self, key: str, last_us: int) -> None:
        self._forgotten_us[key] = last_us
        if len(self._forgotten_us) > self._keys_max:
            del self._forgotten_us[next(iter(self._forgotten_us))]


def _tightness(standing: Standing) -> tuple[bool, int, float]:
    never = not standing.possible and standing.next_us is None
    wait_us = 1 << 62 if never else standing.next_us or 0
    return (not standing.possible, wait_us, standing.spent / max(standing.allowed, 1))
